"""Files by signed links, for a server that keeps them in a folder; a bucket does this by itself.

PUT brings a whole file, or with Content-Range a part of it. An answer with status 202 and
``Upload-Offset`` says from where to go on; ``Content-Range: bytes */SIZE`` with no body asks.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import anyio
from anyio import to_thread
from fastapi import APIRouter, FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from ..errors import (
    LinkRevokedError,
    NotFoundError,
    UploadDoneError,
    UploadOffsetError,
    WrongUploadError,
)
from ..service.downloads import note_download_of
from ..service.links import check_link
from ..service.office import Office
from ..service.results import check_linked
from ..service.uploads import READY, get_by_key, mark_received
from ..storage.blobs import BlobInfo
from ..storage.folder_blobs import FolderBlobs
from ..storage.ranges import SentRange, parse_content_range
from ..storage.signing import Grant, UrlSigner
from .bodies import declared_bytes
from .fair_share import FairShare
from .serving import Stored, answer_file, is_first_look
from .streams import Incoming, Sink, receive_into

AT_ONCE = 128  # files that are being received, in one process
WRITERS = 8  # threads that write them down
CLIENT_LEFT = 400  # nobody reads this answer


@dataclass(frozen=True, eq=False)
class Counter:
    """Where files are handed in and out."""

    office: Office
    blobs: FolderBlobs
    signer: UrlSigner
    places: FairShare = field(default_factory=lambda: FairShare(AT_ONCE, "uploads"))
    writers: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(WRITERS))
    clock_s: Callable[[], float] = time.monotonic

    def grant(self, request: Request) -> Grant:
        """Raises LinkRefusedError."""
        return self.signer.verify(request.method, address_of(request.scope), self.office.now_s)

    def hand_out(self, request: Request) -> Response:
        """Raises LinkRefusedError, BlobMissingError, ResultDamagedError, UploadLostError,
        RangeNotSatisfiableError."""
        grant = self.grant(request)
        check_link(self.office, grant.key)
        info = check_linked(self.office, grant.key)
        if is_first_look(request):
            note_download_of(self.office, grant.key)
        return answer_file(request, Stored(self.blobs, info, grant.content_type, grant.file_name))

    async def take_in(self, request: Request) -> Response:
        """Raises LinkRefusedError, WrongUploadError, UploadOffsetError, UploadBusyError,
        TooManyAtOnceError, BodyTooSlowError and what the disk refuses."""
        grant, part, total, asks_only = self.read_request(request)
        await to_thread.run_sync(check_link, self.office, grant.key)
        size = grant.max_size or 0 if total is None else total
        if asks_only:
            return await to_thread.run_sync(self.tell, grant.key, size)
        length = part.end - part.start if part else size
        declared = declared_bytes(request.headers)
        if declared not in (None, length):
            raise WrongUploadError(f"Content-Length is {declared}, and the part has {length} bytes")

        with self.places.one_for(owner_of(grant.key)):
            incoming = Incoming(
                request.receive,
                length,
                self.office.rules.link_s,
                self.clock_s,
                is_exact=total is not None,
            )
            sink = self.open_sink(grant.key, part, size, is_exact=total is not None)
            info = await receive_into(sink, incoming, self.writers)
            if info is None:
                return await to_thread.run_sync(self.tell, grant.key, size)
            return await to_thread.run_sync(self.accept, info)

    def read_request(self, request: Request) -> tuple[Grant, SentRange | None, int | None, bool]:
        """What may be sent, the part that is sent (None: all), the size of the whole file (None:
        nobody said it), and whether nothing is sent, and the client only asks.

        Raises LinkRefusedError, RequestError, BlobTooLargeError.
        """
        grant = self.grant(request)
        header = request.headers.get("content-range")
        part = parse_content_range(header) if header is not None else None
        total = declared_bytes(request.headers)
        if header is not None:
            total = part.total_size if part else int(header.rpartition("/")[2])
        grant.check_upload(request.headers.get("content-type"), total)
        return grant, part, total, header is not None and part is None

    @contextmanager
    def open_sink(
        self, key: str, part: SentRange | None, size: int, *, is_exact: bool = True
    ) -> Iterator[Sink[BlobInfo | None]]:
        """What takes the body; it makes None while parts are missing. In a thread."""
        row = get_by_key(self.office, key)
        if part and row["state"] == READY:
            raise UploadOffsetError(row["size"])
        if row["state"] == READY:
            yield Comparison(key, row["sha256"])
        elif not is_exact or (not part and self.blobs.partial_size(key)):  # from the start again
            with self.blobs.replacing(key, max_bytes=size) as draft:
                yield draft
        else:
            start = part.start if part else 0
            with self.blobs.appending(key, start, total_size=size) as more:
                yield more

    def accept(self, info: BlobInfo) -> Response:
        """The file has come. Raises NotFoundError where nobody wants it any more,
        LinkRevokedError, UploadDoneError and UploadBusyError where another one came as well."""
        try:
            check_link(self.office, info.key)
            mark_received(self.office, info.key, info.size, info.sha256 or "", info.etag)
            get_by_key(self.office, info.key)
        except (NotFoundError, LinkRevokedError):  # meanwhile, before the file was there
            self.blobs.delete(info.key)
            raise
        told = {"Upload-Offset": str(info.size)}
        if info.sha256:
            told["Repr-Digest"] = digest_header(info.sha256)
        return Response(status_code=200, headers=told)  # no body, as from a bucket

    def tell(self, key: str, size: int) -> Response:
        """How much of a file is here."""
        row = get_by_key(self.office, key)
        info = self.blobs.info(key)
        here = info.size if info else self.blobs.partial_size(key)
        if row["state"] == READY:
            here = row["size"]
        status = 200 if here == size else 202
        return Response(status_code=status, headers={"Upload-Offset": str(here)})


def address_of(scope: Scope) -> str:
    """Path and query as they came: what is decoded may be another link than was signed."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    path = raw.partition(b"?")[0].decode("latin-1")  # some servers give the query too
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def digest_header(sha256: str) -> str:
    """RFC 9530.

    >>> digest_header("00ff")
    'sha-256=:AP8=:'
    """
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def owner_of(key: str) -> str:
    """The client whose file is sent there.

    >>> owner_of("incoming/0c1d/7e8f")
    '0c1d'
    """
    folder, _, rest = key.partition("/")
    return rest.partition("/")[0] or folder


class Comparison:
    """The same file once more, as after a lost answer."""

    def __init__(self, key: str, sha256: str | None) -> None:
        self._key, self._wanted = key, sha256
        self._size, self._hashed = 0, hashlib.sha256()

    def write(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self._size += len(chunk)
            self._hashed.update(chunk)

    def finish(self) -> BlobInfo:
        """Raises UploadDoneError for another file."""
        if self._hashed.hexdigest() != self._wanted:
            raise UploadDoneError
        return BlobInfo(self._key, self._size, self._wanted)


def add_blob_routes(app: FastAPI, office: Office, signer: UrlSigner) -> None:
    """``/blobs/TOKEN``: the token is the permission, so nobody needs a key."""
    if not isinstance(office.blobs, FolderBlobs):
        raise TypeError("a bucket hands files in and out by itself")
    counter = Counter(office, office.blobs, signer)
    router = APIRouter(include_in_schema=False)

    @router.api_route("/blobs/{token}", methods=["GET", "HEAD"])
    def hand_out(request: Request) -> Response:
        return counter.hand_out(request)

    @router.put("/blobs/{token}")
    async def take_in(request: Request) -> Response:
        try:
            return await counter.take_in(request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_LEFT)

    app.include_router(router)
