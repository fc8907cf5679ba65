"""Files that the service keeps, by key: what a client sent, what a job made.

``FolderBlobs`` keeps them in a folder of this machine, ``S3Blobs`` in a bucket.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from ..errors import BadOptionError, BlobKeyError, BlobTooLargeError
from .scratch import Scratch

CHUNK_BYTES = 1 << 20
KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9_-][a-z0-9._-]*)*")
MAX_KEY_LENGTH, MAX_NAME_LENGTH = 400, 200  # a table's column; what file systems take


@dataclass(frozen=True, slots=True)
class BlobInfo:
    key: str
    size: int  # bytes
    sha256: str | None = None  # hex; known to whoever wrote it
    etag: str | None = None  # with its quotes; another one means other bytes
    modified_ms: int | None = None
    changed_ns: int | None = None  # in a folder: when anything of the file changed last


@dataclass(frozen=True, slots=True)
class BlobListing:
    key: str
    size: int  # bytes
    modified_ms: int


class Blobs(Protocol):
    """Whole files by key. No key may lie under another, as no file is a folder.

    All methods raise BlobKeyError for a key that is not of the form of ``KEY``, and
    StorageUnavailableError where the store does not answer.
    """

    def put(
        self,
        key: str,
        chunks: Iterable[bytes],
        *,
        max_bytes: int | None = None,
        content_type: str | None = None,
    ) -> BlobInfo:
        """Keep what comes, once all of it has come, in place of what was there. Returns its size,
        hash and etag.

        Whatever ``chunks`` raises comes out unchanged; then, and at BlobTooLargeError and
        DiskFullError, nothing of it stays.
        """
        ...

    def put_file(self, key: str, path: Path, *, content_type: str | None = None) -> BlobInfo: ...

    def info(self, key: str) -> BlobInfo | None: ...

    def read(
        self, key: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> Iterator[bytes]:
        """The bytes from ``start`` to before ``end``, as far as there are any.

        With an ``etag`` only those of a blob that has it. Raises BlobMissingError and
        BlobChangedError, already when called.
        """
        ...

    def copy(self, source: str, key: str, etag: str) -> BlobInfo:
        """Keep under ``key`` the very bytes that ``source`` holds while it has this ``etag``.

        They do not pass this machine. Raises BlobMissingError, BlobChangedError.
        """
        ...

    def exists(self, key: str) -> bool: ...

    def delete(self, key: str) -> None:
        """Harmless where there is none."""
        ...

    def delete_many(self, keys: Iterable[str]) -> None: ...

    def list(self, prefix: str = "") -> Iterator[BlobListing]:
        """All blobs under ``prefix/``: ``jobs/1`` finds jobs/1/a and not jobs/12/a."""
        ...

    def local(
        self, key: str, scratch: Scratch, *, etag: str | None = None
    ) -> AbstractContextManager[Path]:
        """A file of this machine with the blob's bytes, to be read only; ``etag`` as of ``read``.

        Raises BlobMissingError, BlobChangedError, ScratchFullError, DiskFullError.
        """
        ...

    def sweep_unfinished(self, older_than_s: float, now_s: float) -> int:
        """Remove what puts that never ended left behind; returns how many there were."""
        ...

    def check(self) -> None:
        """Raises StorageUnavailableError or DiskFullError unless it can be used now."""
        ...


class Intake:
    """Chunks on their way into a store: counted, hashed and held to a limit."""

    def __init__(self, chunks: Iterable[bytes], max_bytes: int | None = None) -> None:
        self.size = 0
        self._chunks, self._max_bytes = chunks, max_bytes
        self._sha256 = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.size += len(chunk)
            if self._max_bytes is not None and self.size > self._max_bytes:
                raise BlobTooLargeError(self._max_bytes)
            self._sha256.update(chunk)
            yield chunk

    def info(self, key: str, etag: str | None = None) -> BlobInfo:
        return BlobInfo(key, self.size, self._sha256.hexdigest(), etag)


def check_key(key: str) -> str:
    """The key itself. Raises BlobKeyError."""
    is_short = len(key) <= MAX_KEY_LENGTH and len(max(key.split("/"), key=len)) <= MAX_NAME_LENGTH
    if not (is_short and KEY.fullmatch(key)) or ".." in key:
        raise BlobKeyError
    return key


def check_prefix(prefix: str) -> str:
    """Without a slash at its end; may be empty. Raises BlobKeyError."""
    return check_key(prefix.removesuffix("/")) if prefix else ""


def read_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def open_blobs(
    url: str,
    *,
    access_key: str | None = None,
    secret_key: str | None = None,
    session_token: str | None = None,
) -> Blobs:
    """The store that ``url`` names: a path, file:///path or
    s3://bucket/prefix?endpoint=https://host&region=name.

    Without keys, a bucket is opened with those that the machine has by the usual AWS chain.
    Raises BadOptionError, StorageUnavailableError where a folder cannot be made.
    """
    scheme = urlsplit(url).scheme if "://" in url else ""
    if scheme == "s3":
        return _open_bucket(url, access_key, secret_key, session_token)
    if scheme not in ("", "file"):
        raise BadOptionError(f"blobs cannot be kept at {scheme}://; use a folder or s3://bucket")
    from .folder_blobs import FolderBlobs

    return FolderBlobs(_folder(url) if scheme else Path(url))


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or parts.query or not parts.path.startswith("/"):
        raise BadOptionError("a folder for blobs is given like file:///srv/lendface/blobs")
    return Path(unquote(parts.path))


def _open_bucket(url: str, *keys: str | None) -> Blobs:
    try:
        from .s3_blobs import Bucket, S3Blobs, open_session
    except ImportError as fault:
        raise BadOptionError("a bucket needs more: pip install 'lendface[cluster]'") from fault
    return S3Blobs(Bucket.parse(url), open_session(*keys))
