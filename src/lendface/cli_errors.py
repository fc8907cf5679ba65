"""How the command line tells errors: one sentence or one JSON object, and an exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from .errors import (
    BadOptionError,
    CancelledError,
    FaceError,
    LendfaceError,
    MediaError,
    ModelError,
    NotFoundError,
    OutputError,
    RefusedError,
    ServiceError,
)

EXIT_BY_ERROR: tuple[tuple[type[LendfaceError], int], ...] = (
    (BadOptionError, 2),
    (MediaError, 3),
    (FaceError, 4),
    (OutputError, 5),
    (ModelError, 6),
    (NotFoundError, 2),  # what was named on the command line
    (ServiceError, 7),
    (RefusedError, 9),
    (CancelledError, 130),
)


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Turns errors into one sentence, or one JSON object, and an exit code."""
    try:
        yield
    except LendfaceError as error:
        tell_error(error.code, str(error), as_json)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        error = CancelledError()
        tell_error(error.code, str(error), as_json)
        raise typer.Exit(130) from None
    except typer.Exit:
        raise
    except Exception:  # a mistake of ours: machines are told so, people see where
        if as_json:
            tell_error(LendfaceError.code, "something went wrong inside lendface", as_json)
        raise


def exit_code(error: LendfaceError) -> int:
    return next((code for kind, code in EXIT_BY_ERROR if isinstance(error, kind)), 1)


def tell_error(code: str, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json({"error": error_object(code, sentence)})
    else:
        typer.echo(f"lendface: {shown(sentence)} [{code}]", err=True)


def error_object(code: str, sentence: str) -> dict[str, str]:
    return {"code": code, "message": sentence}


def print_json(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    if not is_unicode(text):  # bytes of a name that are not UTF-8, which JSON can only escape
        text = json.dumps(value)
    typer.echo(text)


def print_path(path: Path) -> None:
    """Exactly as it is, so that scripts can use it."""
    typer.echo(os.fsencode(path))


def shown(text: str) -> str:
    r"""For people: what would break a line or a terminal is escaped.

    >>> shown("a\nb\udcff.mp4")
    'a\\nb\\xff.mp4'
    """
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
