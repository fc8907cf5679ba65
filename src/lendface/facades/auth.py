"""The door: whose key it is, whether it may do this, and whether not too often.

It stands before everything else, so that without a key not even the shape of an answer is told.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import KeyMissingError, LendfaceError
from ..service.clients import READ, WRITE, Client, find_client, require_scope
from ..service.office import Office
from ..service.rates import RateLimiter

Refuse = Callable[[Scope, LendfaceError], Response]

OWS = " \t"  # what may stand around a header's value (RFC 9110, section 5.6.3)
READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Door:
    """ASGI: lets a client in, as ``scope["state"]["client"]``, or answers with ``refuse``."""

    def __init__(
        self,
        app: ASGIApp,
        office: Office,
        limiter: RateLimiter,
        refuse: Refuse,
        find_key: Callable[[Headers], str | None] | None = None,
        find: Callable[[Office, str], Client] = find_client,
    ) -> None:
        self._app = app
        self._office = office
        self._limiter = limiter
        self._refuse = refuse
        self._find_key = find_key or key_of
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            client = await self._admit(scope)
        except LendfaceError as error:
            return await self._refuse(scope, error)(scope, receive, send)
        scope.setdefault("state", {})["client"] = client
        return await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Client:
        """Raises KeyRefusedError, RateLimitedError, ScopeMissingError, DatabaseError."""
        key = self._find_key(Headers(scope=scope))
        if not key:
            raise KeyMissingError
        client = await run_sync(self._find, self._office, key)
        limit = client.rate_per_minute or self._office.rules.rate_per_minute
        self._limiter.take(client.id, limit)
        require_scope(client, READ if scope["method"] in READING else WRITE)
        return client


def key_of(headers: Headers) -> str | None:
    """The key of a request, from either of the two headers it may come in.

    >>> key_of(Headers({"Authorization": "bearer k1"})), key_of(Headers({"X-Api-Key": "k2"}))
    ('k1', 'k2')
    """
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and key.strip(OWS):
        return key.strip(OWS)
    return headers.get("x-api-key", "").strip(OWS) or None
