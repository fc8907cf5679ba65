"""Files by signed links, for a server that keeps them in a folder; a bucket does this by itself.

PUT brings a whole file, or with Content-Range a part of it. An answer with status 202 and
``Upload-Offset`` says from where to go on; ``Content-Range: bytes */SIZE`` with no body asks.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
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
from .serving import Stored, answer_file, is_first_look
from .streams import AT_ONCE, STALL_S, Incoming, receive_into

CLIENT_LEFT = 400  # nobody reads this answer


@dataclass(frozen=True, eq=False)
class Counter:
    """Where files are handed in and out."""

    office: Office
    blobs: FolderBlobs
    signer: UrlSigner
    limiter: anyio.CapacityLimiter
    stall_s: float = STALL_S

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
        """Raises LinkRefusedError, WrongUploadError, UploadOffsetError, UploadBusyError and what
        the disk refuses."""
        grant, part, asks_only = self.read_request(request)
        await to_thread.run_sync(check_link, self.office, grant.key)
        size = grant.size or 0
        if asks_only:
            return await to_thread.run_sync(self.tell, grant.key, size)
        length = part.end - part.start if part else size
        declared = declared_bytes(request.headers)
        if declared not in (None, length):
            raise WrongUploadError(f"Content-Length is {declared}, and the part has {length} bytes")

        def write(incoming: Incoming) -> BlobInfo | None:
            return self.store(grant.key, part, incoming, size)

        info = await receive_into(write, request, length, self.limiter, self.stall_s)
        if info is None:
            return await to_thread.run_sync(self.tell, grant.key, size)
        return await to_thread.run_sync(self.accept, info)

    def read_request(self, request: Request) -> tuple[Grant, SentRange | None, bool]:
        """What may be sent, the part that is sent (None: all), and whether nothing is, and the
        client only asks. Raises LinkRefusedError, RequestError."""
        grant = self.grant(request)
        header = request.headers.get("content-range")
        part = parse_content_range(header) if header is not None else None
        total = declared_bytes(request.headers)
        if header is not None:
            total = part.total_size if part else int(header.rpartition("/")[2])
        grant.check_upload(request.headers.get("content-type"), total)
        return grant, part, header is not None and part is None

    def store(
        self, key: str, part: SentRange | None, chunks: Iterable[bytes], size: int
    ) -> BlobInfo | None:
        """None while parts are missing. In a thread."""
        row = get_by_key(self.office, key)
        if part and row["state"] == READY:
            raise UploadOffsetError(row["size"])
        if part:
            return self.blobs.append(key, part.start, chunks, total_size=size)
        if row["state"] == READY:
            return compare(key, chunks, row["sha256"])
        if self.blobs.partial_size(key):  # from the start again
            return self.blobs.put(key, chunks, max_bytes=size)
        return self.blobs.append(key, 0, chunks, total_size=size)

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
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def digest_header(sha256: str) -> str:
    """RFC 9530.

    >>> digest_header("00ff")
    'sha-256=:AP8=:'
    """
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def compare(key: str, chunks: Iterable[bytes], sha256: str | None) -> BlobInfo:
    """The same file once more, as after a lost answer. Raises UploadDoneError for another."""
    size, hashed = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        hashed.update(chunk)
    if hashed.hexdigest() != sha256:
        raise UploadDoneError
    return BlobInfo(key, size, sha256)


def add_blob_routes(
    app: FastAPI, office: Office, signer: UrlSigner, stall_s: float = STALL_S
) -> None:
    """``/blobs/TOKEN``: the token is the permission, so nobody needs a key."""
    if not isinstance(office.blobs, FolderBlobs):
        raise TypeError("a bucket hands files in and out by itself")
    counter = Counter(office, office.blobs, signer, anyio.CapacityLimiter(AT_ONCE), stall_s)
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
