"""What every request goes through first: it gets an id, a line in the log, and always an answer."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import BodyTooSlowError
from .bodies import has_body
from .pace import LeastPace, Pace
from .problems import UnexpectedError, answer

log = logging.getLogger("lendface.http")

HEADER = "x-request-id"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")  # an id that a proxy in front of us gave
# Slashes and control characters that came percent-encoded.
NO_NAME = re.compile(rb"%(?=[01][0-9a-f]|7f|2f)", re.IGNORECASE)


class Front:
    """ASGI: the outermost layer. ``clock_s`` only measures how long something takes.

    Every body has to come with the ``least`` pace, whoever reads it.
    """

    def __init__(
        self, app: ASGIApp, clock_s: Callable[[], float], least: LeastPace | None = None
    ) -> None:
        self._app = app
        self._clock_s = clock_s
        self._least = least or LeastPace()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        scope["path"] = path_of(scope)
        pace = Pace(self._least, self._clock_s)
        visit = Visit(scope, receive, send, self._clock_s(), pace)
        try:
            await self._app(scope, visit.receive, visit.send)
        except Exception:
            log.exception("request failed", extra=visit.facts())
            if visit.status is None:
                await answer(scope, UnexpectedError())(scope, receive, visit.send)
        finally:
            ms = round((self._clock_s() - visit.began_s) * 1000)
            log.info("request", extra={**visit.facts(), "ms": ms})
        return None


class Visit:
    """One request on its way."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, began_s: float, pace: Pace
    ) -> None:
        headers = Headers(scope=scope)
        given = headers.get(HEADER, "")
        self.began_s = began_s
        self.status: int | None = None
        self._state = scope.setdefault("state", {})
        self._state["request_id"] = given if GIVEN.fullmatch(given) else str(uuid.uuid4())
        self._scope = scope
        self._receive, self._send = receive, send
        self._is_read = not has_body(headers)
        self._pace = pace

    @property
    def id(self) -> str:
        """An API may write the id in its own way."""
        return self._state["request_id"]

    async def receive(self) -> Message:
        """Raises BodyTooSlowError; where an answer has begun, the client counts as gone instead."""
        if self._is_read:
            return await self._receive()
        try:
            message = await self._pace.next(self._receive)
        except BodyTooSlowError:
            if self.status is None:
                raise
            return {"type": "http.disconnect"}
        self._is_read = self._is_read or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """A connection on which a body still comes is closed: else we read on for nobody."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self.id
            if not self._is_read:
                headers["connection"] = "close"
        await self._send(message)

    def facts(self) -> dict[str, Any]:
        """For the log. Of the address only the pattern: addresses hold signatures."""
        client = self._scope.get("state", {}).get("client")
        return {
            "request_id": self.id,
            "method": method_of(self._scope),
            "route": route_of(self._scope),
            "status": self.status or 0,
            "client_id": client.id if client else None,
        }


def path_of(scope: Scope) -> str:
    """The path with its percent-encoded letters decoded, but no slash or control character.

    These are part of no name here. Decoded, a line's end after an address would lead to the same
    route as the address itself, and an encoded slash would part what is one name.
    """
    raw = (scope.get("raw_path") or b"").partition(b"?")[0]  # some servers give the query too
    if not NO_NAME.search(raw):
        return scope["path"]
    return scope.get("root_path", "") + unquote(NO_NAME.sub(b"%25", raw).decode("latin-1"))


def method_of(scope: Scope) -> str:
    """``other`` for those we do not know: a stranger may write there what they like."""
    return scope["method"] if scope["method"] in METHODS else "other"


def route_of(scope: Scope) -> str:
    """The pattern of the route a request took, like ``/v1/swaps/{swap_id}``.

    Of one that was refused before, or that no route takes, only the API it came to.
    """
    return scope.get("root_path", "") + getattr(scope.get("route"), "path", "")
