"""The server's whole application, as uvicorn runs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.types import ASGIApp

from ..errors import KeyMissingError
from ..facades.akool.app import PREFIXES as AKOOL
from ..facades.akool.app import akool_app
from ..facades.akool.envelopes import OLDER
from ..facades.akool.incoming import AkoolOptions
from ..facades.auth import key_of
from ..facades.beside import Beside
from ..facades.bodies import BODIES
from ..facades.cors import OpenPaths
from ..facades.fair_share import FairShare
from ..facades.pace import LeastPace
from ..facades.server import build_app as build_api
from ..facades.youcam.app import youcam_app
from ..facades.youcam.terms import PREFIX as YOUCAM
from ..facades.youcam.terms import Terms
from ..service.clients import ADMIN, find_client, require_scope
from ..service.office import DAY_MS
from ..service.rates import RateLimiter
from ..settings import MIB, Settings, executor_name
from ..storage.signing import ROUTE, UrlSigner
from .building import Built
from .checks import blob_folder, uses_bucket
from .connections import Connections
from .metrics import ConnectionMetrics, RequestMetrics, add_metrics, new_registry
from .telemetry import NoTracer, TracedRequests, open_tracer


def build_app(
    built: Built,
    is_closing: Callable[[], bool] = lambda: False,
    connections: Connections | None = None,
) -> ASGIApp:
    links, registry = built.office.links, new_registry()
    if connections is not None:
        registry.register(ConnectionMetrics(connections))
    limiter = RateLimiter(lambda: time.monotonic_ns() // 1_000_000)
    bodies = FairShare(body_bytes(built.settings), BODIES)
    akool = akool_app(built.office, limiter, akool_options(built), bodies)
    api = build_api(
        built.office,
        signer=links if isinstance(links, UrlSigner) else None,
        limiter=limiter,
        cors_origins=[o.strip() for o in built.settings.cors_origins.split(",") if o.strip()],
        open_paths=open_paths_of(built.settings),
        is_closing=is_closing,
        least=LeastPace(built.settings.body_bytes_per_s),
        bodies=bodies,
        apps_by_path={
            YOUCAM: youcam_app(built.office, youcam_terms(built.settings), bodies=bodies)
        },
        apps_beside=[Beside(AKOOL, akool)],
    )
    add_metrics(
        api,
        built.office,
        registry,
        admit=lambda request: admit_admin(built, request),
        folders=disks(built),
    )
    counted = RequestMetrics(api, registry)
    tracer = open_tracer(built.settings, executor_name("api"))
    return counted if isinstance(tracer, NoTracer) else TracedRequests(counted, tracer)


def open_paths_of(settings: Settings) -> OpenPaths:
    """What pages of any origin may call: the vendors' APIs, and links to files.

    Not what needs no key: by the browser of a visitor who reaches this server, a page could call
    it that does not.
    """
    if not settings.cors_vendors:
        return OpenPaths()
    keyless = {OLDER} if settings.akool_detect_client else set()
    prefixes = (prefix for prefix in AKOOL if prefix not in keyless)
    return OpenPaths((*prefixes, f"{YOUCAM}/", ROUTE))


def body_bytes(settings: Settings) -> int:
    """For the bodies of requests; one alone may have half, and the largest has to find room: a
    photo in base64."""
    return max(settings.body_memory_mb, 3 * settings.max_photo_mb) * MIB


def akool_options(built: Built) -> AkoolOptions:
    settings = built.settings
    return AkoolOptions(
        base_url=settings.base_url,
        processing_webhooks=settings.akool_processing_webhooks,
        nested_detect=settings.akool_nested_detect,
        detect_client=settings.akool_detect_client or None,
        detect_s=settings.akool_detect_s,
        streams_results=isinstance(built.office.links, UrlSigner),
    )


def youcam_terms(settings: Settings) -> Terms:
    return Terms(
        base_url=settings.base_url,
        holds_limits=settings.youcam_limits,
        poll_window_s=settings.youcam_poll_window_s,
        keep_ms=round(settings.youcam_keep_days * DAY_MS),
        max_requests=settings.youcam_max_requests,
    )


def admit_admin(built: Built, request: Request) -> None:
    """Whoever has a key with the scope ``admin``, or anybody where the operator wants it so.

    Raises KeyRefusedError, ScopeMissingError, DatabaseError.
    """
    if built.settings.metrics_open:
        return
    key = key_of(request.headers)
    if not key:
        raise KeyMissingError
    require_scope(find_client(built.office, key), ADMIN)


def disks(built: Built) -> Mapping[str, Path]:
    """Those of this machine that fill up."""
    settings = built.settings
    folders = {"data": settings.folder}
    return folders if uses_bucket(settings) else {**folders, "files": blob_folder(settings)}
