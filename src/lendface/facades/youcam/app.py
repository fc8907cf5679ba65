"""This API as one application, to be mounted at ``terms.PREFIX``."""

from __future__ import annotations

import time

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.middleware import Middleware

from ...service.office import Office
from ...service.rates import RateLimiter
from ...version import __version__
from ..bodies import BodyLimit
from ..fair_share import FairShare
from . import legacy, routes
from .door import Door
from .envelope import add_failures, refuse
from .terms import WINDOW_S, Terms


class Failure(BaseModel):
    """What every failure looks like."""

    status: int
    error: str
    error_code: str


def youcam_app(
    office: Office,
    terms: Terms,
    limiter: RateLimiter | None = None,
    bodies: FairShare | None = None,
) -> FastAPI:
    """``limiter`` has a window of ``WINDOW_S``; it is this process's own. ``bodies``: the memory
    for bodies."""
    if limiter is None:
        limiter = RateLimiter(lambda: time.monotonic_ns() // 1_000_000, WINDOW_S * 1000)
    app = FastAPI(
        title="YouCam S2S",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,
        responses={"4XX": {"model": Failure}, "5XX": {"model": Failure}},
        middleware=[
            Middleware(Door, office=office, terms=terms, limiter=limiter),
            Middleware(BodyLimit, refuse=refuse, memory=bodies),
        ],
    )
    app.state.office = office
    app.state.terms = terms
    for router in (routes.v1_0, routes.v1, routes.v2, legacy.router):
        app.include_router(router)
    add_failures(app)
    return app
