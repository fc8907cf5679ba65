"""Progress of one job as server-sent events (https://html.spec.whatwg.org, section 9.2).

All streams of a process hear from one reader of the database (``service.watching``). A stream ends
with its job, with the key or client it was opened by, when the server stops, and when it has been
open for ``max_age_s``: its client comes again and says what it has seen, and where nobody is there
any more nobody comes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import anyio
from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from fastapi.sse import format_sse_event
from starlette.types import Receive, Scope, Send

from ...errors import KeyRefusedError, NotFoundError, ScopeMissingError, TooManyStreamsError
from ...service import jobs
from ...service.clients import READ, Caller, Client
from ...service.office import Office
from ...service.states import FINAL
from ...service.watching import JobFeed, Row, Seen
from .. import problems
from .views import JobProgress, job_view, progress_for

HEARTBEAT = b": still here\n\n"
RETRY_MS = 2000  # after which a browser comes again
AT_ONCE = 8  # first looks at the database at a time
POLL_S, HEARTBEAT_S, MAX_AGE_S = 0.5, 15.0, 600.0
MAX_STREAMS = 256  # of one client, in one process
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, eq=False)
class Watching:
    """How jobs are watched in this process."""

    feed: JobFeed
    heartbeat_s: float = HEARTBEAT_S
    max_age_s: float = MAX_AGE_S
    max_streams: int = MAX_STREAMS
    is_closing: Callable[[], bool] = lambda: False  # the server wants to stop
    limiter: anyio.CapacityLimiter | None = None
    open_by_client: Counter[str] = field(default_factory=Counter)

    def check_room(self, client_id: str) -> None:
        """Raises TooManyStreamsError."""
        if self.open_by_client[client_id] >= self.max_streams:
            raise TooManyStreamsError(self.max_streams)

    @contextmanager
    def place(self, client_id: str) -> Iterator[None]:
        """One stream's. Raises TooManyStreamsError."""
        self.check_room(client_id)
        self.open_by_client[client_id] += 1
        try:
            yield
        finally:
            self.open_by_client[client_id] -= 1
            if not self.open_by_client[client_id]:
                del self.open_by_client[client_id]


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
    return snapshot_of(job, progress_for(office, job))


def snapshot_of(job: Row, progress: JobProgress) -> Snapshot:
    view = job_view(job, progress)
    facts = view.model_dump_json(exclude={"eta_s"})
    return Snapshot(
        view.model_dump_json(),
        hashlib.sha256(facts.encode()).hexdigest()[:16],
        job["state"] in FINAL,
    )


_written: WeakKeyDictionary[Seen, Snapshot] = WeakKeyDictionary()


def snapshot_of_seen(seen: Seen) -> Snapshot:
    """Written once for all who watch the job."""
    if seen not in _written:
        _written[seen] = snapshot_of(seen.job, seen.progress)
    return _written[seen]


async def follow(
    request: Request, office: Office, client: Client, job_id: str, last_id: str | None
) -> Response:
    """A stream that ends with the job; 204 where its end was seen already, so that a browser
    does not come again. Raises NotFoundError, TooManyStreamsError."""
    watching: Watching = request.app.state.watching
    watching.check_room(client.id)
    first = await run_sync(take_snapshot, office, client.id, job_id, limiter=watching.limiter)
    if first.is_final and first.id == last_id:
        return Response(status_code=204)
    caller = Caller(client.id, client.key_id, READ)
    return EventStream(watching, caller, job_id, first, last_id)


class EventStream(Response):
    """The stream, which has its place for as long as it is sent."""

    def __init__(
        self,
        watching: Watching,
        caller: Caller,
        job_id: str,
        first: Snapshot,
        last_id: str | None,
    ) -> None:
        super().__init__()
        self._watching, self._client_id = watching, caller.client_id
        content = events(watching, caller, job_id, first, last_id)
        self._stream = StreamingResponse(content, media_type="text/event-stream", headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._watching.place(self._client_id):
                await self._stream(scope, receive, send)
        except TooManyStreamsError as error:  # others came while we looked
            await problems.answer(scope, error)(scope, receive, send)


async def events(
    watching: Watching, caller: Caller, job_id: str, snapshot: Snapshot, last_id: str | None
) -> AsyncIterator[bytes]:
    """Whatever is new, as soon as it is; a comment now and then where nothing is."""
    ends_s = anyio.current_time() + watching.max_age_s
    with watching.feed.watch(job_id, caller) as watch:
        while True:
            if snapshot.id != last_id:
                yield snapshot.as_event()
                last_id = snapshot.id
            left_s = ends_s - anyio.current_time()
            if snapshot.is_final or watching.is_closing() or left_s <= 0:
                return
            try:
                seen = await watch.next(min(watching.heartbeat_s, left_s))
            except NotFoundError:  # deleted meanwhile
                yield format_sse_event(data_str="null", event="end")
                return
            except (KeyRefusedError, ScopeMissingError):
                return  # whoever comes again is told why
            if seen is None:
                yield HEARTBEAT
            else:
                snapshot = snapshot_of_seen(seen)
