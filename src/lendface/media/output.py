"""An output file that appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError, OutputFolderMissingError
from .failures import writing


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """A hidden file beside ``path`` to write to; renamed to ``path`` when the block ends well.

    Any exception, Ctrl-C and a closed generator included, removes it and leaves an older file at
    ``path`` as it was. Raises OutputFolderMissingError, OutputError, DiskFullError.
    """
    check_writable(path)
    part = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield part
        with writing():
            sync(part)
            os.replace(part, path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def check_writable(path: Path) -> None:
    """Raise OutputFolderMissingError or OutputError when no file can be made at ``path``."""
    if not path.parent.is_dir():
        raise OutputFolderMissingError(path.parent.name or str(path.parent))
    if path.is_dir():
        raise OutputError(f"{path.name} is a folder; give a file name as output")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"the folder {path.parent.name} cannot be written to")


def sync(path: Path) -> None:
    """Put the bytes on the disk before the name points at them; a full disk may show only here."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
