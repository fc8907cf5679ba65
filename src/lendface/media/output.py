"""An output file that appears whole or not at all, under any name that the disk allows."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError, OutputFolderMissingError
from .failures import writing

NAME_BYTES = 255  # of a file's name, where the file system does not say
NO_LIMIT = 1 << 16


@contextmanager
def atomic_output(path: Path) -> Iterator[Path]:
    """A hidden file beside ``path`` to write to; renamed to ``path`` when the block ends well.

    Where ``path`` is a symbolic link it stays one, and the file that it leads to is written, beside
    which the hidden file lies. Any exception, Ctrl-C and a closed generator included, removes it
    and leaves an older file at ``path`` as it was. Raises OutputFolderMissingError, OutputError,
    DiskFullError.
    """
    check_writable(path)
    real = real_place(path)
    part = part_beside(real, path.suffix)
    try:
        yield part
        with writing():
            sync(part)
            os.replace(part, real)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def check_writable(path: Path) -> None:
    """Raise OutputFolderMissingError or OutputError when no file can be made at ``path``."""
    real = real_place(path)
    if not real.parent.is_dir():
        raise OutputFolderMissingError(real.parent.name or str(real.parent))
    if real.is_dir():
        raise OutputError(f"{path.name} is a folder; give a file name as output")
    if real.exists() and not real.is_file():  # a device would be replaced by a file
        raise OutputError(f"{path.name} is not a regular file")
    if not os.access(real.parent, os.W_OK):
        raise OutputError(f"the folder {real.parent.name} cannot be written to")


def real_place(path: Path) -> Path:
    """Where a file written to ``path`` lies in the end: links, also those to nothing, are followed.

    Raises OutputError for links in a circle, and for a name that no file can have.
    """
    try:
        os.stat(path)
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise OutputError(f"{path.name} is a link that leads in a circle") from fault
        if fault.errno == errno.ENAMETOOLONG:
            raise OutputError(
                f"{path.name[:40]}... is too long for a file's name; choose a shorter one"
            ) from fault
    except ValueError as fault:
        raise OutputError("a file's name cannot hold a zero byte") from fault
    return Path(os.path.realpath(path))


def part_beside(path: Path, ending: str = "") -> Path:
    """A hidden name beside ``path`` that nobody has; it tells to whom it belongs."""
    tail = f".{secrets.token_hex(4)}.part{ending}"
    return path.with_name(fitted(f".{path.stem}", tail, most_name_bytes(path.parent)))


def fitted(stem: str, tail: str, most_bytes: int) -> str:
    """``stem`` and ``tail`` as one name, whose stem gives way, by whole characters.

    >>> fitted("Übung", ".mp4", 8)
    'Übu.mp4'
    """
    room = most_bytes - len(os.fsencode(tail))
    while stem and len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return stem + tail


def most_name_bytes(folder: Path) -> int:
    """How many bytes a name in this folder may have."""
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return NAME_BYTES
    return most if most > 0 else NO_LIMIT


def sync(path: Path) -> None:
    """Put the bytes on the disk before the name points at them; a full disk may show only here."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
