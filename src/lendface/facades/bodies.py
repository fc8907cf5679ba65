"""Small bodies, read whole before anybody looks at them: JSON, and a vendor's small pictures."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    LendfaceError,
    RequestError,
    TooManyAtOnceError,
)
from .fair_share import FairShare

JSON_BYTES = 1 << 20
PATIENCE_S = 30.0  # for the whole of a small body
MEMORY_BYTES = 256 << 20  # for all bodies at once
BODIES = "large requests"  # what that memory is for

# A value of JSON costs as much memory as this many bytes of text, whatever few bytes it has: a
# body of nothing but "[]," would take twenty times its size. A photo is one value.
VALUE_BYTES = 64
MAX_VALUES = 250_000


class BodyLimit:
    """ASGI: reads the body, at most ``max_bytes`` in ``patience_s``, then lets the request in.

    What it holds is counted against ``memory`` until the request has been answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        refuse: Callable[[Scope, LendfaceError], Response],
        max_bytes: int = JSON_BYTES,
        patience_s: float = PATIENCE_S,
        memory: FairShare | None = None,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._max_bytes = max_bytes
        self._patience_s = patience_s
        self._memory = memory or FairShare(MEMORY_BYTES, BODIES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            return await self._app(scope, receive, send)
        with Held(self._memory, subject_of(scope)) as held:
            try:
                is_whole = await self._read(Headers(scope=scope), receive, held)
            except LendfaceError as error:
                return await self._refuse(scope, error)(scope, receive, send)
            if not is_whole:  # nobody is there any more
                return None
            return await self._app(scope, replay(held.body(), receive), send)

    async def _read(self, headers: Headers, receive: Receive, held: Held) -> bool:
        """Raises BodyTooLargeError, BodyTooSlowError, RequestError, TooManyAtOnceError."""
        declared = declared_bytes(headers) or 0
        if declared > self._max_bytes:
            raise BodyTooLargeError(self._max_bytes)
        held.check_room_for(declared)
        try:
            with anyio.fail_after(self._patience_s):
                return await self._collect(receive, held)
        except TimeoutError:
            raise BodyTooSlowError(self._patience_s) from None

    async def _collect(self, receive: Receive, held: Held) -> bool:
        """Whether all of it came."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            held.add(message.get("body", b""))
            if held.size > self._max_bytes:
                raise BodyTooLargeError(self._max_bytes)
            if not message.get("more_body", False):
                return True


class Held:
    """What has come of one body, and the memory it is given."""

    def __init__(self, memory: FairShare, subject: str) -> None:
        self._body = bytearray()
        self._memory, self._subject = memory, subject
        self._values = self._taken = 0

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.give_back(self._subject, self._taken)

    def check_room_for(self, declared: int) -> None:
        """Before any of it was sent; what is only announced takes no room from others.

        Raises TooManyAtOnceError.
        """
        if not self._memory.has_room(self._subject, declared):
            raise TooManyAtOnceError(BODIES)

    def add(self, chunk: bytes) -> None:
        """Raises TooManyAtOnceError, RequestError."""
        if not chunk:
            return
        values = sum(map(chunk.count, (b",", b"[", b"{")))
        self._values += values
        if self._values > MAX_VALUES:
            raise RequestError(f"the body has more than {MAX_VALUES} values")
        amount = len(chunk) + values * VALUE_BYTES
        self._memory.take(self._subject, amount)
        self._taken += amount
        self._body += chunk

    @property
    def size(self) -> int:
        return len(self._body)

    def body(self) -> bytes:
        """All of it, once: it is not kept here beside what is made of it."""
        body, self._body = bytes(self._body), bytearray()
        return body


def subject_of(scope: Scope) -> str:
    """Who sends this: a client, or before anybody is known an address."""
    client = scope.get("state", {}).get("client")
    if client is not None:
        return client.id
    address = scope.get("client")
    return f"address {address[0]}" if address else "somebody"


def has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def declared_bytes(headers: Headers) -> int | None:
    """What Content-Length says; None without one. Raises RequestError."""
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise RequestError("Content-Length must be a plain number")
    return int(text)


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives ``body`` first."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return first.pop() if first else await receive()

    return again
