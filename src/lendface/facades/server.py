"""The whole server as one ASGI application: the native API, links to files, health."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from ..service.office import Office
from ..service.rates import RateLimiter
from ..service.watching import JobFeed
from ..storage.signing import UrlSigner
from ..version import __version__
from .beside import Beside
from .blob_routes import add_blob_routes
from .bodies import PATIENCE_S
from .cors import Cors, OpenPaths
from .fair_share import FairShare
from .front import Front
from .health import add_health
from .native.app import add_problem_handlers, build_native
from .native.events import (
    AT_ONCE,
    HEARTBEAT_S,
    MAX_AGE_S,
    MAX_STREAMS,
    POLL_S,
    Watching,
)
from .pace import LeastPace

THREADS = 6


@asynccontextmanager
async def few_threads(_app: FastAPI) -> AsyncIterator[None]:
    """More threads than this would only keep each other from ending their transactions."""
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def build_app(
    office: Office,
    *,
    signer: UrlSigner | None = None,
    limiter: RateLimiter | None = None,
    cors_origins: Sequence[str] = (),
    open_paths: OpenPaths | None = None,
    is_closing: Callable[[], bool] = lambda: False,
    poll_s: float = POLL_S,
    heartbeat_s: float = HEARTBEAT_S,
    max_age_s: float = MAX_AGE_S,
    max_streams: int = MAX_STREAMS,
    patience_s: float = PATIENCE_S,
    least: LeastPace | None = None,
    bodies: FairShare | None = None,
    apps_by_path: Mapping[str, ASGIApp] | None = None,
    apps_beside: Sequence[Beside] = (),
) -> FastAPI:
    """The application of one process.

    ``signer`` is ``office.links`` where files lie in a folder: then we hand them in and out
    ourselves; None for a bucket. ``is_closing`` ends streams of events when the server stops; a
    client has at most ``max_streams``, none older than ``max_age_s``.
    ``patience_s`` is how long we wait for the whole of a small body, and ``least`` how fast every
    body has to come. ``bodies`` is the memory for small bodies, which other APIs may share.
    Pages of ``cors_origins`` may call all of it, and any page ``open_paths``.
    ``apps_by_path`` and ``apps_beside`` are other APIs, each with doors and errors of its own;
    these under a path of ours, those at their vendor's.
    """
    app = FastAPI(
        lifespan=few_threads,
        title="lendface",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Cors, origins=cors_origins, open_paths=open_paths or OpenPaths()),
            Middleware(Front, clock_s=time.monotonic, least=least),
        ],
    )
    add_problem_handlers(app)
    add_health(app, office, time.monotonic)
    if signer:
        add_blob_routes(app, office, signer)
    watching = Watching(
        JobFeed(office, poll_s, is_closing),
        heartbeat_s,
        max_age_s,
        max_streams,
        is_closing,
        anyio.CapacityLimiter(AT_ONCE),
    )
    if limiter is None:
        limiter = RateLimiter(lambda: time.monotonic_ns() // 1_000_000)
    native = build_native(
        office,
        limiter,
        watching,
        streams_results=signer is not None,
        patience_s=patience_s,
        bodies=bodies,
    )
    app.mount("/v1", native)
    for path, other in (apps_by_path or {}).items():
        app.mount(path, other)
    app.router.routes.extend(apps_beside)
    return app
