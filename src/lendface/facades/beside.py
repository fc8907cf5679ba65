"""Another API on the same server, with addresses of its own choosing."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send


class Beside(BaseRoute):
    """Gives an application all requests whose path begins in one of several ways.

    It sees the whole path, where a mounted one would see only the rest. A beginning that does not
    end in a slash is a whole path itself.
    """

    def __init__(self, prefixes: Sequence[str], app: ASGIApp) -> None:
        self._folders = tuple(prefix for prefix in prefixes if prefix.endswith("/"))
        self._paths = frozenset(prefixes) - frozenset(self._folders)
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        is_its = path in self._paths or path.startswith(self._folders)
        return (Match.FULL if scope["type"] == "http" and is_its else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
