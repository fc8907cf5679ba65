"""How the command line tells errors: one sentence or one JSON object, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
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
        print_json({"error": {"code": code, "message": sentence}})
    else:
        typer.echo(f"lendface: {sentence} [{code}]", err=True)


def print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
