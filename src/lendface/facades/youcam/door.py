"""The door of this API: a key or a token, from an address, and not too often."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress

from anyio.to_thread import run_sync
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import AccessTokenError, KeyMissingError, KeyRefusedError, LendfaceError
from ...service.clients import READ, WRITE, Client, find_client, require_scope
from ...service.office import Office
from ...service.rates import RateLimiter
from ...service.tokens import find_client_by_token, is_token
from ..auth import READING, key_of
from .envelope import refuse
from .terms import WINDOW_S, Terms

LOGIN = re.compile(r".*/v1\.[0-9]/client/auth")


class Door:
    """ASGI: lets a client in, as ``scope["state"]["client"]``; to a login it lets anybody in."""

    def __init__(self, app: ASGIApp, office: Office, terms: Terms, limiter: RateLimiter) -> None:
        self._app = app
        self._office = office
        self._terms = terms
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        number_request(scope)
        try:
            if scope["method"] == "POST" and LOGIN.fullmatch(scope["path"]):
                self._count_address(scope, self._terms.max_requests)
            else:
                scope.setdefault("state", {})["client"] = await self._admit(scope)
        except LendfaceError as error:
            return await refuse(scope, error)(scope, receive, send)
        return await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> Client:
        """Raises KeyRefusedError, RateLimitedError, ScopeMissingError, DatabaseError."""
        try:
            client = await run_sync(identify, self._office, key_of(Headers(scope=scope)))
        except KeyRefusedError:
            self._count_address(scope, self._terms.max_requests)
            raise
        limit = self._limit_of(client)
        self._count_address(scope, max(limit, self._terms.max_requests))
        self._limiter.take(f"client {client.id}", limit)
        require_scope(client, READ if scope["method"] in READING else WRITE)
        return client

    def _count_address(self, scope: Scope, limit: int) -> None:
        address = scope.get("client")
        if address:
            self._limiter.take(f"address {address[0]}", limit)

    def _limit_of(self, client: Client) -> int:
        """The vendor's, or what the operator gave this client."""
        if client.rate_per_minute is None:
            return self._terms.max_requests
        return max(1, client.rate_per_minute * WINDOW_S // 60)


def identify(office: Office, key: str | None) -> Client:
    """Raises KeyRefusedError."""
    if not key:
        raise KeyMissingError
    if not is_token(key):
        return find_client(office, key)
    try:
        return find_client_by_token(office, key)
    except KeyRefusedError:
        raise AccessTokenError from None


def number_request(scope: Scope) -> None:
    """The request's id as this API has it: a large number."""
    state = scope.setdefault("state", {})
    with suppress(ValueError):  # an id that a proxy gave stays as it is
        state["request_id"] = str(uuid.UUID(state.get("request_id", "")).int)
