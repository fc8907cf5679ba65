"""Requests and answers as the HTTP library has them; the same for both clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any
from urllib.parse import urlsplit

import httpx2
from anyio import to_thread

from .. import version
from .flows import Answer, Broken, FilePart, Send, Sink

PIECE_BYTES = 256 * 1024
CONNECT_S, SILENCE_S = 10.0, 60.0
TIMEOUTS = httpx2.Timeout(SILENCE_S, connect=CONNECT_S)
AGENT = f"lendface-python/{version.__version__}"


class Address:
    """Where the server is, and by which key it knows us."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key

    def url_of(self, send: Send) -> str:
        return send.url or self._base_url + send.path

    def headers_of(self, send: Send) -> dict[str, str]:
        """The key goes to the server and nowhere else."""
        own = {} if send.url else {"Authorization": f"Bearer {self._key}"}
        return {"User-Agent": AGENT, **own, **send.headers}

    def broken(self, send: Send, fault: Exception) -> Broken:
        return Broken(urlsplit(self.url_of(send)).netloc, reason_of(fault))


def reason_of(fault: Exception) -> str:
    if isinstance(fault, httpx2.TimeoutException):
        return "it took too long"
    if isinstance(fault, httpx2.ConnectError):
        return "it does not answer"
    return "the connection broke"


def read_file(part: FilePart) -> Iterator[bytes]:
    """A part of a file, with word of how far it is."""
    with part.path.open("rb") as file:
        file.seek(part.start)
        here = part.start
        while here < part.end and (piece := file.read(min(PIECE_BYTES, part.end - here))):
            yield piece
            here += len(piece)
            part.on_bytes(here)


async def read_file_async(part: FilePart) -> AsyncIterator[bytes]:
    """The same; the disk is waited for in a thread."""
    pieces = read_file(part)
    while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
        yield piece


def open_sink(sink: Sink, status: int) -> IO[bytes]:
    """After what is there where the server sends the rest, else from the start."""
    return sink.path.open("ab" if status == 206 else "wb")


def answer_of(response: httpx2.Response, body: bytes) -> Answer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, _json(headers, body), _text(body))


def _json(headers: dict[str, str], body: bytes) -> Any:
    kind = headers.get("content-type", "")
    if "json" not in kind:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _text(body: bytes) -> str:
    return body[:1000].decode(errors="replace")
