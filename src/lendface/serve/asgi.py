"""The server's whole application, as uvicorn runs it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from ..facades.server import build_app as build_api
from ..storage.signing import UrlSigner
from .building import Built


def build_app(built: Built, is_closing: Callable[[], bool] = lambda: False) -> ASGIApp:
    links = built.office.links
    return build_api(
        built.office,
        signer=links if isinstance(links, UrlSigner) else None,
        cors_origins=[o.strip() for o in built.settings.cors_origins.split(",") if o.strip()],
        is_closing=is_closing,
    )
