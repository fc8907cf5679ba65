"""Whether a stored file still is what was written down of it: its size and its hash.

Of a bucket the etag tells: it follows from the bytes, and the bucket keeps them. In a folder a
file may be written over, so its bytes are read once by each process, and again whenever the file
was touched since: its inode, its times of writing and of any change, and its size say whether. A
disk that gives other bytes without any of these changing is not noticed until then.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any

from ..errors import BlobChangedError, BlobMissingError
from ..storage.blobs import BlobInfo, Blobs
from ..storage.stripes import Stripes

log = logging.getLogger("lendface.storage")

MOST = 10_000  # files remembered

Record = Mapping[str, Any]  # size, sha256, etag; what an earlier version did not note is missing


def record_of(info: BlobInfo) -> dict[str, Any]:
    """Of a blob that was just put, as plain values."""
    return {"size": info.size, "sha256": info.sha256, "etag": info.etag}


class Intact:
    """What this process has found of files; for many threads at once."""

    def __init__(self, most: int = MOST) -> None:
        self._hashes: OrderedDict[tuple[Any, ...], str] = OrderedDict()
        self._most, self._lock, self._readers = most, Lock(), Stripes()

    def check(self, blobs: Blobs, key: str, record: Record) -> BlobInfo:
        """Its facts now. Raises BlobMissingError, BlobChangedError where it is not as recorded."""
        info = blobs.info(key)
        if info is None:
            raise BlobMissingError
        if record.get("size") not in (None, info.size):
            raise BlobChangedError
        is_known = info.changed_ns is None and record.get("etag") == info.etag
        sha256 = record.get("sha256")
        if sha256 and not is_known and self._hash(blobs, info) != sha256:
            raise BlobChangedError
        return info

    def is_as(self, blobs: Blobs, key: str, record: Record) -> bool:
        try:
            self.check(blobs, key, record)
        except BlobMissingError:
            return False
        return True

    def _hash(self, blobs: Blobs, info: BlobInfo) -> str:
        state = (info.key, info.etag, info.changed_ns)
        with self._readers.held(info.key, wait=True):
            with self._lock:
                if known := self._hashes.get(state):
                    self._hashes.move_to_end(state)
                    return known
            sha256 = hashlib.sha256()
            for chunk in blobs.read(info.key, etag=info.etag):
                sha256.update(chunk)
            with self._lock:
                self._hashes[state] = sha256.hexdigest()
                if len(self._hashes) > self._most:
                    self._hashes.popitem(last=False)
        return sha256.hexdigest()
