"""Akool's API as one application. It can stand beside others, or alone on a host of its own."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from ...errors import LendfaceError
from ...service.office import Office
from ...service.rates import RateLimiter
from ...service.watching import JobFeed
from ...version import __version__
from ..fair_share import FairShare
from . import detection, envelopes, live, results, submit, tokens
from .door import Entrance
from .incoming import AkoolOptions

ROUTERS: Sequence[APIRouter] = tuple(
    room.router for room in (tokens, submit, results, detection, live)
)
# How the addresses of this API begin.
PREFIXES = ("/api/open/", "/interface/detect-api/", "/detect", "/results/akool/")
JSON_BYTES = 1 << 20  # of a body, beside one picture in it
POLL_S = 0.1  # at jobs for whose end requests wait


def akool_app(
    office: Office,
    limiter: RateLimiter,
    options: AkoolOptions,
    bodies: FairShare | None = None,
) -> FastAPI:
    """Addresses are the vendor's own, from the root of the host. ``bodies``: the memory for
    bodies."""
    app = FastAPI(
        title="lendface for clients of Akool",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,  # some clients do not say that they send JSON
        middleware=[
            Middleware(
                Entrance,
                office=office,
                limiter=limiter,
                max_bytes=office.rules.max_photo_bytes * 4 // 3 + JSON_BYTES,
                detect_client=options.detect_client,
                memory=bodies,
            )
        ],
    )
    app.state.office = office
    app.state.options = options
    app.state.feed = JobFeed(office, POLL_S)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(results.files)
    app.add_exception_handler(LendfaceError, envelopes.answer_error)
    app.add_exception_handler(RequestValidationError, envelopes.answer_invalid)
    app.add_exception_handler(HTTPException, envelopes.answer_http)
    app.add_exception_handler(Exception, envelopes.answer_unexpected)
    return app
