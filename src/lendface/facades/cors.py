"""Which pages may call: a browser asks before it lets one, and the answer is in headers.

Vendors' clients run in pages, too. Their requests carry a key in a header and there are no cookies,
so a page can do nothing with a visitor's browser that it could not do from its own server; what it
calls is therefore open to pages of any origin. Links to files hold their own permission, so they
are open as well. See decision 16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
ASKED_HEADERS = (
    *("Authorization", "X-Api-Key", "Content-Type", "Content-Range", "Range", "If-Range"),
    *("If-None-Match", "Idempotency-Key", "Last-Event-ID", "X-Request-Id"),
)
TOLD_HEADERS = (
    *("X-Request-Id", "Retry-After", "Upload-Offset", "Repr-Digest", "Location"),
    *("ETag", "Accept-Ranges", "Content-Range", "Content-Length", "Content-Disposition"),
)
PREFLIGHT_S = 600
OPEN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": ", ".join(TOLD_HEADERS),
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT = OPEN | {
    "Access-Control-Allow-Methods": ", ".join(METHODS),
    "Access-Control-Allow-Headers": ", ".join(ASKED_HEADERS),
    "Access-Control-Max-Age": str(PREFLIGHT_S),
}


class OpenPaths:
    """Those that pages of any origin may call. One that does not end in a slash is a whole path."""

    def __init__(self, prefixes: Sequence[str] = ()) -> None:
        self._folders = tuple(prefix for prefix in prefixes if prefix.endswith("/"))
        self._paths = frozenset(prefixes) - frozenset(self._folders)

    def headers_of(self, scope: Scope) -> Mapping[str, str]:
        """What every answer to a request has, whoever gives it and whatever it is."""
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        is_open = path in self._paths or path.startswith(self._folders)
        return OPEN if scope["type"] == "http" and is_open else {}


class Cors:
    """ASGI: lets ``origins`` call everything, and any origin what is open."""

    def __init__(self, app: ASGIApp, origins: Sequence[str], open_paths: OpenPaths) -> None:
        self._app, self._open = app, open_paths
        self._named = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=list(METHODS),
            allow_headers=list(ASKED_HEADERS),
            expose_headers=list(TOLD_HEADERS),
            max_age=PREFLIGHT_S,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = self._open.headers_of(scope)
        if not told:
            return await self._named(scope, receive, send)
        if scope["method"] == "OPTIONS":  # no browser sends a key with it
            return await Response(status_code=204, headers=PREFLIGHT)(scope, receive, send)
        return await self._app(scope, receive, telling(told, send))


def telling(told: Mapping[str, str], send: Send) -> Callable[[Message], Any]:
    """A ``send`` that adds these headers."""

    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(told)
        await send(message)

    return send_more
