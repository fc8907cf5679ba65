"""Files of our own on this machine: for no other user to read, and there after a power cut."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import DiskFullError, StorageUnavailableError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
OWNER_FOLDER, OWNER_FILE, OTHERS = 0o700, 0o600, 0o077


@contextmanager
def storing() -> Iterator[None]:
    """What the disk refuses inside becomes DiskFullError or StorageUnavailableError."""
    try:
        yield
    except OSError as fault:
        raise (DiskFullError if fault.errno in FULL else StorageUnavailableError)() from fault


@contextmanager
def opened(path: Path, flags: int) -> Iterator[int]:
    """A descriptor of a file that only we may read."""
    with storing():
        descriptor = os.open(path, flags | os.O_CLOEXEC, OWNER_FILE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    with storing():
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]


def settle(descriptor: int) -> None:
    """Return once what was written is on the disk and not only on its way."""
    with storing():
        os.fsync(descriptor)


def settle_folder(folder: Path) -> None:
    """The same for the names in a folder; one that is gone needs nothing."""
    with suppress(FileNotFoundError, NotADirectoryError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def private_files() -> Iterator[None]:
    """What this process and those it starts make inside is nobody else's to read, whoever makes
    it. For commands: it is the whole process that changes."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def keep_to_owner(*paths: Path) -> None:
    """Take from everybody else what they may do with these files and folders, as far as they are
    there and ours. What a folder of ours holds is closed with it; links are not followed."""
    for path in paths:
        with suppress(OSError):
            seen = path.lstat()
            is_plain = stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)
            if is_plain and seen.st_uid == os.geteuid() and seen.st_mode & OTHERS:
                path.chmod(stat.S_IMODE(seen.st_mode) & ~OTHERS)


def make_folder(folder: Path) -> None:
    """With every folder above it that is missing; what is there stays as it is."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    with suppress(FileExistsError):  # another process was faster
        folder.mkdir(OWNER_FOLDER)
        settle_folder(folder.parent)


def remove(path: Path, top: Path) -> None:
    """Delete a file, if it is there, and the folders below ``top`` that this leaves empty."""
    with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
        path.unlink()
    folder = path.parent
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
    settle_folder(folder)


def files_below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every file, in the order of names; what goes meanwhile is left out."""
    for here, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            with suppress(FileNotFoundError):
                yield path, path.stat()
