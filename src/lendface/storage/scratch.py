"""A worker's own temporary files, among them copies of blobs that it may need again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ExecutorTakenError, ScratchFullError
from .disk import make_folder, opened, storing


@dataclass
class Copy:
    """One kept file; guarded by the lock of its ``Scratch``."""

    path: Path
    size: int
    users: int = 0
    is_whole: bool = False


class Scratch:
    """Temporary files below ``root``, which belongs to this process alone until it ends.

    What an earlier process left in it goes at once. ``max_bytes`` is how much the kept copies may
    take; those not used for longest go first, those in use never. For many threads at once.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        """``root`` is named after the worker. Raises ExecutorTakenError while another process uses
        it, DiskFullError, StorageUnavailableError."""
        self._max_bytes = max_bytes
        self._held = _hold(root)
        self._files, self._kept = root / "files", root / "copies"
        self._changed = threading.Condition()
        self._copies: OrderedDict[str, Copy] = OrderedDict()  # the one used last is at the end
        with storing():
            for folder in (self._files, self._kept):
                if folder.exists():
                    shutil.rmtree(folder)
                make_folder(folder)

    def close(self) -> None:
        """Leave the folder to others; what is in it stays."""
        os.close(self._held)

    @contextmanager
    def new_file(self, suffix: str = "") -> Iterator[Path]:
        """An empty file, gone at the end."""
        path = self._files / f"{secrets.token_hex(8)}{suffix}"
        try:
            with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL):
                pass
            yield path
        finally:
            path.unlink(missing_ok=True)

    @contextmanager
    def copy(self, name: str, size: int, fill: Callable[[Path], None]) -> Iterator[Path]:
        """The kept file ``name``, made by ``fill`` if it is not there; stays while it is used.

        ``fill`` writes ``size`` bytes to the path that it is given. Threads that ask for a file in
        the making wait for it. Raises ScratchFullError, and what ``fill`` raises.
        """
        copy = self._take(name, size)
        try:
            if not copy.is_whole:
                self._make(name, copy, fill)
            yield copy.path
        finally:
            with self._changed:
                copy.users -= 1

    def _take(self, name: str, size: int) -> Copy:
        """The copy, with one user more; not whole where the caller is to make it."""
        with self._changed:
            while (copy := self._copies.get(name)) and not copy.is_whole:
                self._changed.wait()
            if copy is None:
                self._make_room(size)
                copy = self._copies[name] = Copy(self._kept / _file_name(name), size)
            self._copies.move_to_end(name)
            copy.users += 1
            return copy

    def _make(self, name: str, copy: Copy, fill: Callable[[Path], None]) -> None:
        try:
            fill(copy.path)
        except BaseException:
            copy.path.unlink(missing_ok=True)
            with self._changed:
                del self._copies[name]
                self._changed.notify_all()  # one of those who wait makes it then
            raise
        with self._changed:
            copy.is_whole = True
            self._changed.notify_all()

    def _make_room(self, size: int) -> None:
        """Forget copies that nobody uses until ``size`` more bytes may be kept."""
        over = sum(copy.size for copy in self._copies.values()) + size - self._max_bytes
        idle = [name for name, copy in self._copies.items() if not copy.users]
        if over > sum(self._copies[name].size for name in idle):
            raise ScratchFullError(size, self._max_bytes)
        for name in idle:
            if over <= 0:
                return
            copy = self._copies.pop(name)
            copy.path.unlink(missing_ok=True)
            over -= copy.size


def _hold(root: Path) -> int:
    """A descriptor by which the folder is ours."""
    with storing():
        make_folder(root)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ExecutorTakenError(root.name) from None
    return descriptor


def _file_name(name: str) -> str:
    """One for each name; keeps the ending, by which some programs tell a file's kind."""
    return hashlib.sha256(name.encode()).hexdigest()[:32] + Path(name).suffix
