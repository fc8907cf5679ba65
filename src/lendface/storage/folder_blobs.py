"""Blobs in a folder of this machine, for one machine or a shared file system with locks."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import (
    BlobChangedError,
    BlobKeyError,
    BlobMissingError,
    BlobTooLargeError,
    DiskFullError,
    StorageUnavailableError,
    UploadBusyError,
    UploadOffsetError,
)
from .blobs import (
    CHUNK_BYTES,
    BlobInfo,
    BlobListing,
    Intake,
    check_key,
    check_prefix,
    read_chunks,
)
from .disk import (
    files_below,
    make_folder,
    opened,
    remove,
    settle,
    settle_folder,
    storing,
    write_all,
)
from .scratch import Scratch

NO_SECOND_NAMES = frozenset({errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK})
HANDED_OUT_BYTES = 128 << 10  # at once: a client that does not take them holds this memory
TRIES = 20  # a folder may be taken away, as empty, just before a file moves in


class FolderBlobs:
    """Finished files in ``blobs/``, puts under way in ``drafts/``, uploads that may be continued
    in ``partial/``. Only the owner of the process can enter these.

    Plain files and not obstore, whose puts may be lost in a power cut (0.12.1 never calls fsync).
    """

    def __init__(self, root: Path) -> None:
        root = root.absolute()
        self._blobs, self._drafts, self._partial = (
            root / name for name in ("blobs", "drafts", "partial")
        )
        with storing():
            for folder in (self._blobs, self._drafts, self._partial):
                make_folder(folder)

    # Whole files

    def put(
        self,
        key: str,
        chunks: Iterable[bytes],
        *,
        max_bytes: int | None = None,
        content_type: str | None = None,
    ) -> BlobInfo:
        with self.replacing(key, max_bytes=max_bytes) as draft:
            draft.write(chunks)
            return draft.finish()

    @contextmanager
    def replacing(self, key: str, *, max_bytes: int | None = None) -> Iterator[Draft]:
        """``put`` for who has the chunks bit by bit; nothing stays of what is not finished."""
        place = self._place(key)
        with self._draft() as (path, descriptor):
            yield Draft(key, descriptor, lambda: self._publish(path, place), max_bytes)

    def put_file(self, key: str, path: Path, *, content_type: str | None = None) -> BlobInfo:
        return self.put(key, read_chunks(path))

    def info(self, key: str) -> BlobInfo | None:
        with storing():
            try:
                facts = self._place(key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        if not stat.S_ISREG(facts.st_mode):
            return None
        modified_ms = facts.st_mtime_ns // 1_000_000
        return BlobInfo(key, facts.st_size, None, _etag(facts), modified_ms, facts.st_ctime_ns)

    def copy(self, source: str, key: str, etag: str) -> BlobInfo:
        """By a second name of the same file, where the file system has such."""
        place = self._place(key)
        self._get(source, etag)
        if not self._link(self._place(source), place):
            self.put(key, self.read(source, etag=etag))
            return self._get(key)
        try:
            return self._get(key, etag)  # it may have been replaced just before
        except BlobChangedError:
            self.delete(key)
            raise

    def read(
        self, key: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> Iterator[bytes]:
        info = self._get(key, etag)
        end = info.size if end is None else min(end, info.size)
        return _read_file(self._place(key), start, end)

    def exists(self, key: str) -> bool:
        return self.info(key) is not None

    def delete(self, key: str) -> None:
        """With what there is of it in ``partial``."""
        with storing():
            remove(self._place(key), self._blobs)
            remove(self._part(key), self._partial)

    def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.delete(key)

    def list(self, prefix: str = "") -> Iterator[BlobListing]:
        for path, facts in files_below(self._blobs / check_prefix(prefix)):
            key = path.relative_to(self._blobs).as_posix()
            yield BlobListing(key, facts.st_size, facts.st_mtime_ns // 1_000_000)

    @contextmanager
    def local(self, key: str, scratch: Scratch, *, etag: str | None = None) -> Iterator[Path]:
        """The file itself, without a copy."""
        self._get(key, etag)
        yield self._place(key)

    def check(self) -> None:
        with self._draft() as (_, descriptor):
            write_all(descriptor, b"lendface")
            settle(descriptor)

    # Uploads that may be continued

    def append(
        self, key: str, offset: int, chunks: Iterable[bytes], *, total_size: int
    ) -> BlobInfo | None:
        """Take the bytes from ``offset`` on; with byte ``total_size`` the file becomes the blob.

        Returns None while some are missing. What came stays when ``chunks`` raises; not at
        DiskFullError. Raises UploadOffsetError unless exactly ``offset`` bytes are here,
        UploadBusyError while another request sends, BlobTooLargeError for more than ``total_size``
        bytes, BlobMissingError where the upload was deleted meanwhile.
        """
        with self.appending(key, offset, total_size=total_size) as part:
            part.write(chunks)
            return part.finish()

    @contextmanager
    def appending(self, key: str, offset: int, *, total_size: int) -> Iterator[Part]:
        """``append`` for who has the chunks bit by bit; nobody else sends this file meanwhile."""
        place, path = self._place(key), self._part(key)
        with opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND) as descriptor:
            if not _hold(path, descriptor):
                raise UploadBusyError
            size = os.lseek(descriptor, 0, os.SEEK_END)
            if offset != size:
                raise UploadOffsetError(size)
            if size > total_size:
                raise BlobTooLargeError(total_size)
            try:
                yield Part(key, descriptor, lambda: self._publish(path, place), size, total_size)
            except DiskFullError:  # others need room too, first of all the database
                os.ftruncate(descriptor, offset)
                if not offset:
                    path.unlink(missing_ok=True)
                raise
            finally:
                settle(descriptor)

    def partial_size(self, key: str) -> int:
        """How many bytes of an upload under way are here; 0 where there is none."""
        path = self._part(key)
        return path.stat().st_size if path.exists() else 0

    def sweep_unfinished(self, older_than_s: float, now_s: float) -> int:
        """Drafts and partial uploads to which nothing was written for ``older_than_s``."""
        before = now_s - older_than_s
        with storing():
            left = [*files_below(self._drafts), *files_below(self._partial)]
            return sum(_sweep(path) for path, facts in left if facts.st_mtime < before)

    # Inside

    def _place(self, key: str) -> Path:
        return self._blobs / check_key(key)

    def _part(self, key: str) -> Path:
        return self._partial / hashlib.sha256(check_key(key).encode()).hexdigest()

    def _get(self, key: str, etag: str | None = None) -> BlobInfo:
        info = self.info(key)
        if info is None:
            raise BlobMissingError
        if etag not in (None, info.etag):
            raise BlobChangedError
        return info

    def _link(self, path: Path, place: Path) -> bool:
        """Whether it has the second name; not where names cannot be given. Raises
        BlobMissingError where the file went away."""
        with storing():
            for _ in range(TRIES):
                make_folder(place.parent)
                try:
                    os.link(path, place)
                except FileNotFoundError:  # or the folder went away under way
                    if not path.exists():
                        raise BlobMissingError from None
                    continue
                except OSError as fault:
                    if fault.errno in NO_SECOND_NAMES:
                        return False
                    raise
                settle_folder(place.parent)
                return True
        raise StorageUnavailableError

    @contextmanager
    def _draft(self) -> Iterator[tuple[Path, int]]:
        """A file without a key yet, and its descriptor; it goes unless it was published."""
        path = self._drafts / secrets.token_hex(16)
        try:
            with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
                _hold(path, descriptor)
                yield path, descriptor
        finally:
            path.unlink(missing_ok=True)

    def _publish(self, path: Path, place: Path) -> None:
        """Give a whole file its name, in one step for whoever looks."""
        with storing():
            for _ in range(TRIES):
                if _move(path, place):
                    settle_folder(place.parent)
                    return
        raise StorageUnavailableError


class Draft:
    """A whole file that is being written, to take the place of what there may be."""

    def __init__(
        self, key: str, descriptor: int, publish: Callable[[], None], max_bytes: int | None
    ) -> None:
        self._key, self._descriptor, self._publish = key, descriptor, publish
        self._max_bytes, self._size = max_bytes, 0
        self._sha256 = hashlib.sha256()

    def write(self, chunks: Iterable[bytes]) -> None:
        """Raises BlobTooLargeError, DiskFullError."""
        for chunk in chunks:
            self._size += len(chunk)
            if self._max_bytes is not None and self._size > self._max_bytes:
                raise BlobTooLargeError(self._max_bytes)
            self._sha256.update(chunk)
            write_all(self._descriptor, chunk)

    def finish(self) -> BlobInfo:
        settle(self._descriptor)
        etag = _etag(os.fstat(self._descriptor))
        self._publish()
        return BlobInfo(self._key, self._size, self._sha256.hexdigest(), etag)


class Part:
    """More of an upload that may be continued."""

    def __init__(
        self, key: str, descriptor: int, publish: Callable[[], None], size: int, total_size: int
    ) -> None:
        self._key, self._descriptor, self._publish = key, descriptor, publish
        self._size, self._total_size = size, total_size

    def write(self, chunks: Iterable[bytes]) -> None:
        """Raises BlobTooLargeError, DiskFullError."""
        for chunk in chunks:
            if self._size + len(chunk) > self._total_size:
                raise BlobTooLargeError(self._total_size)
            write_all(self._descriptor, chunk)
            self._size += len(chunk)

    def finish(self) -> BlobInfo | None:
        """None while bytes are missing. Raises BlobMissingError where it was deleted meanwhile."""
        if self._size < self._total_size:
            return None
        settle(self._descriptor)
        whole = Intake(_read(self._descriptor, 0, self._size))
        for _ in whole:
            pass  # it hashes
        etag = _etag(os.fstat(self._descriptor))
        self._publish()
        return whole.info(self._key, etag)


def _etag(facts: os.stat_result) -> str:
    """A file that is written here gets another one, whatever its bytes."""
    return f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"'


def _move(path: Path, place: Path) -> bool:
    """Whether it moved; not if a folder went away under way. Raises BlobKeyError where a blob or a
    folder is in the way, BlobMissingError where the file itself was deleted."""
    try:
        make_folder(place.parent)
        path.replace(place)
    except FileNotFoundError:
        if not path.exists():
            raise BlobMissingError from None
        return False
    except (IsADirectoryError, NotADirectoryError):
        raise BlobKeyError from None
    return True


def _hold(path: Path, descriptor: int) -> bool:
    """Whether the file is ours alone now, until the descriptor closes or the process dies."""
    with storing():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(descriptor), path.stat())
        except (BlockingIOError, FileNotFoundError):
            return False


def _sweep(path: Path) -> bool:
    """Whether it was removed; not while somebody holds it."""
    try:
        with path.open("rb") as file:
            if not _hold(path, file.fileno()):
                return False
            path.unlink()
    except FileNotFoundError:
        return False
    return True


def _read(descriptor: int, start: int, end: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    while start < end:
        with storing():
            data = os.pread(descriptor, min(chunk_bytes, end - start), start)
        if not data:
            raise StorageUnavailableError  # the file is shorter than it was
        start += len(data)
        yield data


def _read_file(path: Path, start: int, end: int) -> Iterator[bytes]:
    with opened(path, os.O_RDONLY) as descriptor:
        yield from _read(descriptor, start, end, HANDED_OUT_BYTES)
