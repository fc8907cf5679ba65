"""Small bodies, read whole before anybody looks at them: JSON, and a vendor's small pictures."""

from __future__ import annotations

from collections.abc import Callable

import anyio
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import BodyTooLargeError, BodyTooSlowError, LendfaceError, RequestError

JSON_BYTES = 1 << 20
PATIENCE_S = 30.0  # for the whole of a small body


class BodyLimit:
    """ASGI: reads the body, at most ``max_bytes`` in ``patience_s``, then lets the request in."""

    def __init__(
        self,
        app: ASGIApp,
        refuse: Callable[[Scope, LendfaceError], Response],
        max_bytes: int = JSON_BYTES,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._max_bytes = max_bytes
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            return await self._app(scope, receive, send)
        try:
            body = await self._read(Headers(scope=scope), receive)
        except LendfaceError as error:
            return await self._refuse(scope, error)(scope, receive, send)
        if body is None:  # nobody is there any more
            return None
        return await self._app(scope, replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        """Raises BodyTooLargeError, BodyTooSlowError, RequestError."""
        if (declared_bytes(headers) or 0) > self._max_bytes:
            raise BodyTooLargeError(self._max_bytes)
        try:
            with anyio.fail_after(self._patience_s):
                return await self._collect(receive)
        except TimeoutError:
            raise BodyTooSlowError(self._patience_s) from None

    async def _collect(self, receive: Receive) -> bytes | None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > self._max_bytes:
                raise BodyTooLargeError(self._max_bytes)
            if not message.get("more_body", False):
                return bytes(body)


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
