"""Whether this process lives, and whether it can do its work: for whoever runs the server."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

import sqlalchemy as sa
from fastapi import APIRouter, FastAPI
from starlette.responses import JSONResponse

from ..errors import InternalError, LendfaceError
from ..service.office import Office

log = logging.getLogger("lendface.health")

REMEMBERED_S = 1.0  # strangers may ask as often as they like; the disk is not asked as often
PATIENCE_S = 2.0  # with what does not answer
OK, UNANSWERED = "ok", "unanswered"


def add_health(
    app: FastAPI, office: Office, clock_s: Callable[[], float], patience_s: float = PATIENCE_S
) -> None:
    """``/healthz`` and ``/readyz``, for which nobody needs a key."""
    router = APIRouter(include_in_schema=False)
    readiness = Readiness(
        {"database": lambda: ask(office), "files": lambda: office.blobs.check()},
        clock_s,
        patience_s,
    )

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def is_alive() -> JSONResponse:
        return JSONResponse({"status": OK})

    @router.api_route("/readyz", methods=["GET", "HEAD"])
    async def is_ready() -> JSONResponse:
        states = await readiness.look()
        is_well = all(state == OK for state in states.values())
        return JSONResponse(
            {"status": OK if is_well else "unavailable", **states}, 200 if is_well else 503
        )

    app.include_router(router)


class Readiness:
    """What this process needs, by whether it answers."""

    def __init__(
        self,
        checks: Mapping[str, Callable[[], None]],
        clock_s: Callable[[], float],
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._looks = {name: Look(check, clock_s, patience_s) for name, check in checks.items()}

    async def look(self) -> Mapping[str, str]:
        waited = [look.state() for look in self._looks.values()]
        return dict(zip(self._looks, await asyncio.gather(*waited), strict=True))


class Look:
    """One check, in a thread of its own and never in two at once: many may ask how it stands, and
    none of them holds a thread while it hangs.

    It is made once a second at most. Used from the event loop alone.
    """

    def __init__(
        self, check: Callable[[], None], clock_s: Callable[[], float], patience_s: float
    ) -> None:
        self._check, self._clock_s, self._patience_s = check, clock_s, patience_s
        self._running: Future[str] | None = None
        self._began_s = -math.inf
        self._known: str | None = None

    async def state(self) -> str:
        """``ok``, the code of what is wrong, or ``unanswered`` where the check takes too long.

        Whoever finds a check under way is told what is known from the last one.
        """
        self._note_end()
        is_old = self._clock_s() - self._began_s >= REMEMBERED_S
        is_first = self._running is None and is_old
        if is_first:
            self._begin()
        if self._running is not None and (is_first or self._known is None):
            await self._wait(self._running)
            self._note_end()
        if self._running is not None and self._left_s() <= 0:
            self._known = UNANSWERED
        return self._known or UNANSWERED

    def _begin(self) -> None:
        self._running, self._began_s = Future(), self._clock_s()
        # A daemon: the process can end although it hangs.
        threading.Thread(target=run, args=(self._check, self._running), daemon=True).start()

    async def _wait(self, running: Future[str]) -> None:
        ended = asyncio.wrap_future(running)
        await asyncio.wait([ended], timeout=max(0.0, self._left_s()))

    def _left_s(self) -> float:
        return self._began_s + self._patience_s - self._clock_s()

    def _note_end(self) -> None:
        if self._running is not None and self._running.done():
            self._known, self._running = self._running.result(), None


def run(check: Callable[[], None], ended: Future[str]) -> None:
    ended.set_result(state_of(check))


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
    except Exception:
        log.exception("a check failed")
        return InternalError.code
    return OK
