"""Rows of a long scan, outside of memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import numpy as np

from ..engine.rows import ROW
from ..engine.types import Array
from ..errors import DiskFullError
from ..media.failures import FULL

IN_MEMORY_BYTES = 8 << 20  # about 1600 faces; more goes to a file without a name


class SpooledLog:
    """Plays the role of a RowLog. Its file has no name, so no crash can leave it behind.

    It is closed when nobody holds the log any more.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        self._count = 0
        self._closer = weakref.finalize(self, _close, self._file)

    def append(self, row: Array) -> None:
        """Raises DiskFullError."""
        with _noticing_a_full_disk():
            self._file.seek(self._count * ROW.itemsize)
            self._file.write(row.tobytes())
        self._count += 1

    def read(self, index: int) -> Array:
        """Raises DiskFullError: what was appended last may only now reach the disk."""
        with _noticing_a_full_disk():
            self._file.seek(index * ROW.itemsize)
            data = self._file.read(ROW.itemsize)
        return np.frombuffer(data, ROW)[0]

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        self._closer()


def _close(file: IO[bytes]) -> None:
    """Rows that no longer fit on a full disk are lost; whoever wrote them has been told."""
    with suppress(OSError):
        file.close()


@contextmanager
def _noticing_a_full_disk() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        if fault.errno in FULL:
            raise DiskFullError from fault
        raise
