"""Turns what FFmpeg raises into our own tree of errors; nothing of PyAV leaves the room raw."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error

from ..errors import (
    DiskFullError,
    EmptyFileError,
    EncoderError,
    FileMissingError,
    OutputError,
    UnreadableMediaError,
)

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def check_readable(path: Path) -> None:
    """Raise FileMissingError, EmptyFileError or UnreadableMediaError before FFmpeg looks at it."""
    if not os.path.exists(path):  # also where no file can have such a name
        raise FileMissingError(path.name)
    if not path.is_file():  # a pipe or a device could block for ever
        raise UnreadableMediaError(path.name, "it is not a regular file")
    if path.stat().st_size == 0:
        raise EmptyFileError(path.name)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever goes wrong inside is UnreadableMediaError of the file ``name``."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as fault:
        raise UnreadableMediaError(name, plain_reason(fault)) from fault


@contextmanager
def writing() -> Iterator[None]:
    """Whatever goes wrong inside is DiskFullError, OutputError or EncoderError."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as fault:
        raise write_error(fault) from fault


def write_error(fault: Exception) -> OutputError:
    """The error of ours that says what a failed write means."""
    if getattr(fault, "errno", None) in FULL:
        return DiskFullError()
    if isinstance(fault, (av.error.EncoderNotFoundError, av.error.ExternalError)):
        return EncoderError(f"the encoder failed ({plain_reason(fault)}); try another --codec")
    return OutputError(f"the output cannot be written ({plain_reason(fault)})")


def plain_reason(fault: BaseException) -> str:
    """One short line, without the paths that FFmpeg puts into its messages."""
    return (getattr(fault, "strerror", None) or type(fault).__name__).lower()
