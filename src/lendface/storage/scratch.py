"""A worker's own temporary files, among them copies of blobs that it may need again."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import ExecutorTakenError, ScratchFullError
from .disk import make_folder, opened, storing

FILES, COPIES = "files", "copies"
MARK = ".lendface-scratch"  # in each folder of this kind
GONE = ".gone-"  # how the name of what is about to be removed begins
IDLE_S = 600.0  # after which a copy that nobody used again is dropped
TAKE_TRIES, TAKE_STEP_S = 40, 0.05  # whoever clears a folder holds it for a moment


@dataclass
class Copy:
    """One kept file; guarded by the lock of its ``Scratch``."""

    path: Path
    size: int
    of: str  # key of the blob
    used_s: float = 0.0  # when its last user was done
    users: int = 0
    is_whole: bool = False
    is_unwanted: bool = False  # goes with its last user


class Scratch:
    """Temporary files below ``root``, which belongs to this process alone until it ends.

    What an earlier process left in it goes at once, and all that is in it when this one closes it.
    ``max_bytes`` is how much the kept copies may take; those not used for longest go first, those
    in use never. ``now_s`` only ever grows. For many threads at once.
    """

    def __init__(
        self, root: Path, max_bytes: int, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """``root`` is named after the worker. Raises ExecutorTakenError while another process uses
        it, DiskFullError, StorageUnavailableError."""
        self._root, self._max_bytes, self._now_s = root, max_bytes, now_s
        self._held = _hold(root)
        self._files, self._kept = root / FILES, root / COPIES
        self._changed = threading.Condition()
        self._copies: OrderedDict[str, Copy] = OrderedDict()  # the one used last is at the end
        with opened(root / MARK, os.O_WRONLY | os.O_CREAT):
            pass
        with storing():
            for folder in (self._files, self._kept):
                if folder.exists():
                    shutil.rmtree(folder)
                make_folder(folder)

    def close(self) -> None:
        """Remove all that is in the folder, and leave it to others."""
        for folder in (self._files, self._kept):
            shutil.rmtree(folder, ignore_errors=True)
        os.close(self._held)

    @contextmanager
    def nameless_file(self) -> Iterator[Path]:
        """An empty file that no folder lists, so that it ends with whoever has it open, however
        that ends. The path leads to it in this process alone, and until the block ends."""
        with storing():
            file = tempfile.TemporaryFile(dir=self._files)  # noqa: SIM115
        with file:
            yield Path(f"/proc/self/fd/{file.fileno()}")

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
    def copy(
        self, name: str, size: int, fill: Callable[[Path], None], of: str = ""
    ) -> Iterator[Path]:
        """The kept file ``name``, made by ``fill`` if it is not there; stays while it is used.

        ``of`` is the key of the blob, by which it is forgotten. ``fill`` writes ``size`` bytes to
        the path that it is given. Threads that ask for a file in the making wait for it. Raises
        ScratchFullError, and what ``fill`` raises.
        """
        copy = self._take(name, size, of)
        try:
            if not copy.is_whole:
                self._make(name, copy, fill)
            yield copy.path
        finally:
            with self._changed:
                copy.users -= 1
                copy.used_s = self._now_s()
                is_kept = self._copies.get(name) is copy
                if copy.is_unwanted and not copy.users and is_kept:
                    self._drop(name)

    def kept(self) -> set[str]:
        """The keys of the blobs of which there are copies."""
        with self._changed:
            return {copy.of for copy in self._copies.values()}

    def forget(self, keys: Collection[str]) -> None:
        """Drop the copies of these blobs; those in use go with their last user."""
        with self._changed:
            for name, copy in list(self._copies.items()):
                if copy.of in keys:
                    copy.is_unwanted = True
                    if not copy.users:
                        self._drop(name)

    def forget_idle(self) -> None:
        """Drop the copies that nobody has used for ``IDLE_S`` seconds."""
        with self._changed:
            before_s = self._now_s() - IDLE_S
            for name, copy in list(self._copies.items()):
                if not copy.users and copy.used_s <= before_s:
                    self._drop(name)

    def clear_abandoned(self) -> None:
        """Remove what workers beside this one left that were killed and have not come back."""
        for folder in _folders(self._root.parent):
            if folder.name.startswith(GONE):
                shutil.rmtree(folder, ignore_errors=True)
            elif (folder / MARK).exists():
                _clear(folder)

    def _drop(self, name: str) -> None:
        """The caller holds the lock."""
        self._copies.pop(name).path.unlink(missing_ok=True)

    def _take(self, name: str, size: int, of: str) -> Copy:
        """The copy, with one user more; not whole where the caller is to make it."""
        with self._changed:
            while (copy := self._copies.get(name)) and not copy.is_whole:
                self._changed.wait()
            if copy is None:
                self._make_room(size)
                copy = self._copies[name] = Copy(self._kept / _file_name(name), size, of)
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
            over -= self._copies[name].size
            self._drop(name)


def _hold(root: Path) -> int:
    """A descriptor by which the folder is ours."""
    with storing():
        make_folder(root)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for _ in range(TAKE_TRIES):
        if _lock(descriptor):
            return descriptor
        threading.Event().wait(TAKE_STEP_S)
    os.close(descriptor)
    raise ExecutorTakenError(root.name)


def _lock(descriptor: int) -> bool:
    with storing():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _folders(parent: Path) -> list[Path]:
    with suppress(OSError):
        return [Path(entry) for entry in os.scandir(parent) if entry.is_dir(follow_symlinks=False)]
    return []


def _clear(root: Path) -> None:
    """Empty a folder of this kind, unless somebody works in it.

    Names go while it is held, the rest afterwards: who wants to work in it need not wait long.
    """
    with suppress(OSError):
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        gone = []
        try:
            for folder in (root / FILES, root / COPIES):
                if _lock(descriptor) and folder.exists():
                    gone.append(root.with_name(f"{GONE}{secrets.token_hex(8)}"))
                    folder.rename(gone[-1])
        finally:
            os.close(descriptor)
            for folder in gone:
                shutil.rmtree(folder, ignore_errors=True)


def _file_name(name: str) -> str:
    """One for each name; keeps the ending, by which some programs tell a file's kind."""
    return hashlib.sha256(name.encode()).hexdigest()[:32] + Path(name).suffix
