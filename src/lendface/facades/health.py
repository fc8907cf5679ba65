"""Whether this process lives, and whether it can do its work: for whoever runs the server."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse

from ..errors import LendfaceError
from ..service.office import Office

REMEMBERED_S = 1.0  # strangers may ask as often as they like; the disk is not asked as often


def add_health(app: FastAPI, office: Office, clock_s: Callable[[], float]) -> None:
    """``/healthz`` and ``/readyz``, for which nobody needs a key."""
    router = APIRouter(include_in_schema=False)
    readiness = Readiness(office, clock_s)

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def is_alive() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    def is_ready() -> JSONResponse:
        states = readiness.look()
        is_well = all(state == "ok" for state in states.values())
        return JSONResponse(
            {"status": "ok" if is_well else "unavailable", **states}, 200 if is_well else 503
        )

    app.include_router(router)


class Readiness:
    """What this process needs, by whether it answers; looked at once a second at most."""

    def __init__(self, office: Office, clock_s: Callable[[], float]) -> None:
        self._office, self._clock_s = office, clock_s
        self._lock = threading.Lock()
        self._seen_s = -math.inf
        self._states: Mapping[str, str] = {}

    def look(self) -> Mapping[str, str]:
        with self._lock:
            if self._clock_s() - self._seen_s >= REMEMBERED_S:
                self._states = {
                    "database": state_of(lambda: ask(self._office)),
                    "files": state_of(self._office.blobs.check),
                }
                self._seen_s = self._clock_s()
            return self._states


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
