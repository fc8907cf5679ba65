"""How many values a large JSON body may hold: each takes many times what it takes in the body."""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import LendfaceError, RequestError
from .bodies import has_body

SMALL_BYTES = 1 << 20  # up to here a body may hold whatever it likes
MAX_VALUES = 1 << 16
BEFORE_VALUES = (b",", b"[", b"{")  # one of these stands before each value but the first


class FewValues:
    """ASGI: refuses large bodies of many values; what is large in a body is a picture's text.

    Thirty megabytes of ``[{},{},...]`` would take half a gigabyte and seconds to read.
    """

    def __init__(self, app: ASGIApp, refuse: Callable[[Scope, LendfaceError], Response]) -> None:
        """``app`` gets bodies that were read as a whole before."""
        self._app, self._refuse = app, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(Headers(scope=scope)):
            return await self._app(scope, receive, send)
        first = await receive()
        if has_many_values(first.get("body", b"")):
            text = f"a body over {SMALL_BYTES} bytes holds at most {MAX_VALUES} values"
            error = RequestError(text)
            return await self._refuse(scope, error)(scope, receive, send)
        return await self._app(scope, _again(first, receive), send)


def has_many_values(body: bytes) -> bool:
    if len(body) <= SMALL_BYTES:
        return False
    return sum(body.count(mark) for mark in BEFORE_VALUES) > MAX_VALUES


def _again(first: Message, receive: Receive) -> Receive:
    """A ``receive`` that gives ``first`` once more."""
    left = [first]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
