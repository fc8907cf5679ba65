"""A stored file as an HTTP answer: whole or in part, and never as a page of ours."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..storage.blobs import BlobInfo, Blobs
from ..storage.ranges import applies, is_known, parse_range
from ..storage.signing import attachment

OCTETS = "application/octet-stream"

# What clients upload must not run as if it came from us.
ALWAYS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Stored:
    """A file and how it is to be called."""

    blobs: Blobs
    info: BlobInfo
    content_type: str | None = None
    file_name: str | None = None  # None: to be shown, not saved

    @property
    def etag(self) -> str:
        return self.info.etag or f'"{self.info.sha256}"'

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """Of the very file that was looked at. Raises BlobMissingError, BlobChangedError."""
        return self.blobs.read(self.info.key, start, end, etag=self.info.etag)


def is_first_look(request: Request) -> bool:
    """Whether a file is asked for from its beginning, and not a further part of it by a player."""
    part = request.headers.get("range", "bytes=0-")
    return request.method == "GET" and part.replace(" ", "").startswith("bytes=0-")


def answer_file(request: Request, stored: Stored) -> Response:
    """GET and HEAD, with Range, If-Range and If-None-Match. Raises RangeNotSatisfiableError."""
    asked, size = request.headers, stored.info.size
    if is_known(asked.get("if-none-match"), stored.etag):
        return Response(status_code=304, headers={"ETag": stored.etag})
    counts = applies(asked.get("if-range"), stored.etag)
    part = parse_range(asked.get("range") if counts else None, size)
    start, end = (part.start, part.end) if part else (0, size)
    told = headers_for(stored) | {"Content-Length": str(end - start)}
    if part:
        told["Content-Range"] = part.content_range
    status = 206 if part else 200
    if request.method == "HEAD":
        return Response(status_code=status, headers=told)
    return Streamed(stored.read(start, end), status, told)


class Streamed(StreamingResponse):
    """Closes the file however the answer ends: with the client gone it would stay open until
    somebody collects what nobody holds any more."""

    def __init__(self, chunks: Iterator[bytes], status: int, headers: Mapping[str, str]) -> None:
        super().__init__(chunks, status, headers)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._chunks, Generator):
                self._chunks.close()


def headers_for(stored: Stored) -> dict[str, str]:
    return ALWAYS | {
        "Content-Type": stored.content_type or OCTETS,
        "Content-Disposition": attachment(stored.file_name) if stored.file_name else "inline",
        "ETag": stored.etag,
    }
