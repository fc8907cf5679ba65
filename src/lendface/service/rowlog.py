"""Rows of a long scan, outside of memory."""

from __future__ import annotations

import errno
import tempfile

import numpy as np

from ..engine.rows import ROW
from ..engine.types import Array
from ..errors import DiskFullError

IN_MEMORY_BYTES = 48 << 20  # about ten thousand faces; more goes to a file without a name


class SpooledLog:
    """Plays the role of a RowLog. Its file has no name, so no crash can leave it behind."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        self._count = 0

    def append(self, row: Array) -> None:
        """Raises DiskFullError."""
        try:
            self._file.seek(self._count * ROW.itemsize)
            self._file.write(row.tobytes())
        except OSError as fault:
            if fault.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError from fault
            raise
        self._count += 1

    def read(self, index: int) -> Array:
        self._file.seek(index * ROW.itemsize)
        return np.frombuffer(self._file.read(ROW.itemsize), ROW)[0]

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        self._file.close()
