"""Our own API as one application, to be mounted at /v1."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse

from ...errors import LendfaceError
from ...service.office import Office
from ...service.rates import RateLimiter
from ...version import __version__
from .. import problems
from ..auth import Door
from ..bodies import PATIENCE_S, BodyLimit
from ..fair_share import FairShare
from . import consents, endpoints, jobs, scans, swaps, uploads, usage
from .documented import describe
from .events import Watching
from .reading import as_page

ROUTERS: Sequence[APIRouter] = tuple(
    room.router for room in (uploads, scans, swaps, jobs, usage, endpoints, consents)
)
DESCRIPTION = """Put faces into films and pictures.

Send a key with every request: `Authorization: Bearer KEY`. Errors are problems by RFC 9457; their
`code` is stable. Jobs are made by POST, watched by GET, by server-sent events or by webhook."""


def build_native(
    office: Office,
    limiter: RateLimiter,
    watching: Watching,
    *,
    streams_results: bool,
    patience_s: float = PATIENCE_S,
    bodies: FairShare | None = None,
) -> FastAPI:
    app = FastAPI(
        title="lendface",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # the framework's page takes scripts from another server
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Door, office=office, limiter=limiter, refuse=problems.answer),
            Middleware(BodyLimit, refuse=problems.answer, patience_s=patience_s, memory=bodies),
        ],
    )
    app.state.office = office
    app.state.watching = watching
    app.state.streams_results = streams_results
    for router in ROUTERS:
        app.include_router(router)
    add_documents(app)
    add_problem_handlers(app)
    return app


def add_documents(app: FastAPI) -> None:
    router = APIRouter(include_in_schema=False)

    @router.get("/openapi.json")
    def read_openapi() -> JSONResponse:
        return JSONResponse(describe(app))

    @router.get("/docs")
    def read_docs() -> HTMLResponse:
        return HTMLResponse(as_page(describe(app)))

    app.include_router(router)


def add_problem_handlers(app: FastAPI) -> None:
    """Whatever goes wrong is told in the form of RFC 9457."""
    app.add_exception_handler(LendfaceError, problems.answer_error)
    app.add_exception_handler(RequestValidationError, problems.answer_invalid)
    app.add_exception_handler(HTTPException, problems.answer_http)
    app.add_exception_handler(Exception, problems.answer_unexpected)
