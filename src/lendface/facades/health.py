"""Whether this process lives, and whether it can do its work: for whoever runs the server."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse

from ..errors import LendfaceError
from ..service.office import Office


def add_health(app: FastAPI, office: Office) -> None:
    """``/healthz`` and ``/readyz``, for which nobody needs a key."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def is_alive() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    def is_ready() -> JSONResponse:
        states = {"database": state_of(lambda: ask(office)), "files": state_of(office.blobs.check)}
        is_well = all(state == "ok" for state in states.values())
        return JSONResponse(
            {"status": "ok" if is_well else "unavailable", **states}, 200 if is_well else 503
        )

    app.include_router(router)


def ask(office: Office) -> None:
    """Raises DatabaseError."""
    with office.database.reading() as connection:
        connection.execute(sa.select(1))


def state_of(check: Callable[[], None]) -> str:
    """``ok`` or the code of what is wrong."""
    try:
        check()
    except LendfaceError as error:
        return error.code
    return "ok"
