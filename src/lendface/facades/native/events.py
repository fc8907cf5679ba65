"""Progress of one job as server-sent events (https://html.spec.whatwg.org, section 9.2)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import anyio
from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import format_sse_event

from ...errors import LendfaceError, NotFoundError
from ...service import jobs
from ...service.office import Office
from ...service.states import FINAL
from .views import job_view, progress_for

HEARTBEAT = b": still here\n\n"
RETRY_MS = 2000  # after which a browser comes again
AT_ONCE = 8  # looks at the database at a time, whatever the number of watchers
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, eq=False)
class Watching:
    """How jobs are watched in this process."""

    poll_s: float = 0.5
    heartbeat_s: float = 15.0
    is_closing: Callable[[], bool] = lambda: False  # the server wants to stop
    limiter: anyio.CapacityLimiter | None = None


@dataclass(frozen=True)
class Snapshot:
    """A job as it stands."""

    data: str  # JSON
    id: str  # the same while nothing but the guess of the end changes
    is_final: bool

    def as_event(self) -> bytes:
        return format_sse_event(
            data_str=self.data,
            event="end" if self.is_final else "progress",
            id=self.id,
            retry=RETRY_MS,
        )


def take_snapshot(office: Office, client_id: str, job_id: str) -> Snapshot:
    """Raises NotFoundError, DatabaseError."""
    job = jobs.get_job(office, client_id, job_id)
    view = job_view(job, progress_for(office, job))
    facts = view.model_dump_json(exclude={"eta_s"})
    return Snapshot(
        view.model_dump_json(),
        hashlib.sha256(facts.encode()).hexdigest()[:16],
        job["state"] in FINAL,
    )


async def follow(
    request: Request, office: Office, client_id: str, job_id: str, last_id: str | None
) -> Response:
    """A stream that ends with the job; 204 where its end was seen already, so that a browser
    does not come again. Raises NotFoundError."""
    watching: Watching = request.app.state.watching
    first = await look(watching, office, client_id, job_id)
    if first.is_final and first.id == last_id:
        return Response(status_code=204)
    stream = events(watching, office, client_id, job_id, first, last_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers=HEADERS)


async def look(watching: Watching, office: Office, client_id: str, job_id: str) -> Snapshot:
    return await run_sync(take_snapshot, office, client_id, job_id, limiter=watching.limiter)


async def events(
    watching: Watching,
    office: Office,
    client_id: str,
    job_id: str,
    snapshot: Snapshot,
    last_id: str | None,
) -> AsyncIterator[bytes]:
    """Whatever is new, twice a second; a comment now and then where nothing is."""
    silent_s = 0.0
    while True:
        if snapshot.id != last_id:
            yield snapshot.as_event()
            last_id, silent_s = snapshot.id, 0.0
        if snapshot.is_final or watching.is_closing():
            return
        await anyio.sleep(watching.poll_s)
        silent_s += watching.poll_s
        if silent_s >= watching.heartbeat_s:
            yield HEARTBEAT
            silent_s = 0.0
        try:
            snapshot = await look(watching, office, client_id, job_id)
        except NotFoundError:  # deleted meanwhile
            yield format_sse_event(data_str="null", event="end")
            return
        except LendfaceError as error:
            if not error.may_pass:
                raise
