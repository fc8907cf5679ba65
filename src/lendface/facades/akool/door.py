"""Who may come in, and with what: a key in either header, a token, or a raw key as a token."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import KeyRefusedError
from ...service.clients import Client, find_client, find_unrevoked
from ...service.office import Office
from ...service.rates import RateLimiter
from ...service.tokens import find_client_by_token, is_token
from ..auth import OWS, Door
from ..bodies import BodyLimit
from ..fair_share import FairShare
from .envelopes import OLDER, RESULTS, path_of, refuse

GET_TOKEN = "/api/open/v3/getToken"
SMALL_BYTES = 1 << 16  # of a body from somebody without a key
PATIENCE_S = 120.0  # pictures may be in a body
BEARER = re.compile(rf"(?i)\Abearer([{OWS}]+|\Z)")
NOBODY = "-"  # a key that nobody has


class Entrance:
    """ASGI: tokens are asked for and results fetched without a key; all else passes a door."""

    def __init__(
        self,
        app: ASGIApp,
        office: Office,
        limiter: RateLimiter,
        max_bytes: int,
        detect_client: str | None,
        memory: FairShare | None = None,
    ) -> None:
        """``detect_client`` is on whose account the older detection works without a key."""
        room = BodyLimit(app, refuse, max_bytes, PATIENCE_S, memory)
        self._open = BodyLimit(app, refuse, SMALL_BYTES, memory=memory)
        self._guarded = Door(room, office, limiter, refuse, credential_of, find_caller)
        self._older = self._guarded
        if detect_client:

            def find(office: Office, credential: str) -> Client:
                try:
                    return find_caller(office, credential)
                except KeyRefusedError:
                    return find_unrevoked(office, detect_client)

            self._older = Door(room, office, limiter, refuse, credential_or_nobody, find)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = self._way(path_of(scope)) if scope["type"] == "http" else self._guarded
        await way(scope, receive, send)

    def _way(self, path: str) -> ASGIApp:
        if path == GET_TOKEN or path.startswith(RESULTS):
            return self._open
        return self._older if path == OLDER else self._guarded


def find_caller(office: Office, credential: str) -> Client:
    """Raises KeyRefusedError."""
    if is_token(credential):
        return find_client_by_token(office, credential)
    return find_client(office, credential)


def credential_of(headers: Headers) -> str | None:
    """Authorization wins, even when what it holds is no good.

    >>> credential_of(Headers({"Authorization": "Bearer t", "x-api-key": "k"}))
    't'
    >>> credential_of(Headers({"Authorization": "Bearer ", "x-api-key": "k"}))
    'k'
    """
    given = BEARER.sub("", headers.get("authorization", "").strip(OWS))
    return given or headers.get("x-api-key", "").strip(OWS) or None


def credential_or_nobody(headers: Headers) -> str:
    return credential_of(headers) or NOBODY
