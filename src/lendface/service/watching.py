"""Jobs that somebody waits for, and the keys they came with: one reader of the database for all.

However many wait in a process, each look is a few statements over the jobs that are watched. Who
waits sleeps until there is news, so those to whom nothing happens cost nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import sqlalchemy as sa
from anyio.to_thread import run_sync

from ..errors import InternalError, LendfaceError, NotFoundError
from ..storage.tables import jobs, tasks
from .clients import Caller, refused_callers
from .jobs import FAR, JobProgress, progress_in
from .office import Office
from .states import QUEUED, RUNNING

log = logging.getLogger("lendface.watching")

AT_A_TIME = 500  # ids in one statement
LEAST_REST = 9  # times as long as a look took; so looking takes a tenth of a core at most

Row = Mapping[str, Any]
Mark = tuple[Any, ...]  # the same while there is nothing new to tell of a job

_ids = sa.bindparam("ids", expanding=True)
MARKS = sa.select(
    *(jobs.c[name] for name in ("id", "state", "stage", "run", "frames_total", "changed_ms")),
    jobs.c.deleted_ms,
).where(jobs.c.id.in_(_ids))
_scanned = sa.case((tasks.c.name == "scan", tasks.c.frames_done), else_=0)
DONE = (
    sa.select(tasks.c.job_id, sa.func.sum(tasks.c.frames_done), sa.func.sum(_scanned))
    .join(jobs, sa.and_(jobs.c.id == tasks.c.job_id, jobs.c.run == tasks.c.run))
    .where(tasks.c.job_id.in_(_ids))
    .group_by(tasks.c.job_id)
)
_turn = (jobs.c.priority, jobs.c.created_ms, jobs.c.id)
_queue = (
    sa.select(jobs.c.id, sa.func.row_number().over(order_by=_turn).label("place"))
    .where(jobs.c.state == QUEUED)
    .order_by(*_turn)
    .limit(FAR)
    .subquery()
)
PLACES = sa.select(_queue).where(_queue.c.id.in_(_ids))
ROWS = sa.select(jobs).where(jobs.c.id.in_(_ids))


@dataclass(frozen=True, eq=False)
class Seen:
    """A job as it stood at one look."""

    job: Row
    progress: JobProgress


@dataclass(frozen=True)
class News:
    """What one look found."""

    marks: Mapping[str, Mark]  # of the jobs that are there
    seen: Mapping[str, Seen]  # those that have changed
    refused: Mapping[Caller, LendfaceError]  # who may not look any more, and why


class Watch:
    """One who waits for news of one job. Of several changes only the last is told."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()
        self._seen: Seen | None = None
        self._fault: LendfaceError | None = None

    async def next(self, timeout_s: float | None = None) -> Seen | None:
        """The job, once there is news of it; None after ``timeout_s``, and when the server stops.

        Raises NotFoundError where it was deleted, KeyRefusedError or ScopeMissingError where
        whoever waits may not look any more, and what broke the reader.
        """
        with anyio.move_on_after(timeout_s):
            await self._bell.wait()
        self._bell.clear()
        if self._fault is not None:
            raise self._fault
        seen, self._seen = self._seen, None
        return seen

    def tell(self, seen: Seen) -> None:
        self._seen = seen
        self._bell.set()

    def fail(self, fault: LendfaceError) -> None:
        self._fault = fault
        self._bell.set()

    def wake(self) -> None:
        self._bell.set()


@dataclass
class Watched:
    """One job, and all who watch it."""

    watches: dict[Watch, Caller]
    mark: Mark | None = None
    seen: Seen | None = None


class JobFeed:
    """Reads every ``poll_s`` seconds while somebody watches. Belongs to one event loop."""

    def __init__(
        self, office: Office, poll_s: float, is_closing: Callable[[], bool] = lambda: False
    ) -> None:
        self._office, self._poll_s, self._is_closing = office, poll_s, is_closing
        self._watched: dict[str, Watched] = {}
        self._callers: Counter[Caller] = Counter()
        self._reader: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, job_id: str, caller: Caller) -> Iterator[Watch]:
        """News of a job from now on, at first how it stands."""
        watch = Watch()
        watched = self._watched.setdefault(job_id, Watched({}))
        watched.watches[watch] = caller
        self._callers[caller] += 1
        if watched.seen is not None:
            watch.tell(watched.seen)
        self._read_on()
        try:
            yield watch
        finally:
            del watched.watches[watch]
            self._callers[caller] -= 1
            if not self._callers[caller]:
                del self._callers[caller]
            if not watched.watches and self._watched.get(job_id) is watched:
                del self._watched[job_id]

    def _read_on(self) -> None:
        """There is a reader while there is somebody to read for."""
        loop = asyncio.get_running_loop()
        if self._reader is None or self._reader.done() or self._reader.get_loop() is not loop:
            self._reader = loop.create_task(self._read())

    async def _read(self) -> None:
        loop, limiter = asyncio.get_running_loop(), anyio.CapacityLimiter(1)
        while self._watched:
            began_s = loop.time()
            marks = {job_id: watched.mark for job_id, watched in self._watched.items()}
            try:
                asked = (self._office, marks, list(self._callers))
                news = await run_sync(look, *asked, limiter=limiter)
                self._spread(news, marks)
            except LendfaceError as fault:
                if not fault.may_pass:
                    self._fail(fault)
            except Exception:
                log.exception("watched jobs could not be read")
                self._fail(InternalError())
            if self._is_closing():
                self._wake()
            await asyncio.sleep(max(self._poll_s, LEAST_REST * (loop.time() - began_s)))

    def _spread(self, news: News, asked: Collection[str]) -> None:
        for job_id in asked:
            watched = self._watched.get(job_id)
            if watched is None:
                continue
            if job_id not in news.marks:
                for watch in watched.watches:
                    watch.fail(NotFoundError("job"))
            elif job_id in news.seen:
                watched.mark, watched.seen = news.marks[job_id], news.seen[job_id]
                for watch in watched.watches:
                    watch.tell(watched.seen)
        if news.refused:
            for watch, caller in self._everybody():
                if caller in news.refused:
                    watch.fail(news.refused[caller])

    def _fail(self, fault: LendfaceError) -> None:
        for watch, _ in self._everybody():
            watch.fail(fault)

    def _wake(self) -> None:
        for watch, _ in self._everybody():
            watch.wake()

    def _everybody(self) -> Iterator[tuple[Watch, Caller]]:
        for watched in self._watched.values():
            yield from watched.watches.items()


def look(office: Office, marks: Mapping[str, Mark | None], callers: Collection[Caller]) -> News:
    """What is new of jobs since they had these marks. Raises DatabaseError."""
    with office.database.reading() as connection:
        found = read_marks(connection, marks)
        changed = [job_id for job_id, mark in found.items() if marks[job_id] != mark]
        seen = {
            row["id"]: Seen(row, progress_in(connection, office, row))
            for row in map(_mapping_of, _rows_of(connection, ROWS, changed))
        }
        return News(found, seen, refused_callers(connection, callers, office.now_ms()))


def read_marks(connection: sa.Connection, job_ids: Collection[str]) -> dict[str, Mark]:
    """Of those jobs that are there and not deleted."""
    rows = [row for row in _rows_of(connection, MARKS, job_ids) if row.deleted_ms is None]
    running = [row.id for row in rows if row.state == RUNNING]
    queued = [row.id for row in rows if row.state == QUEUED]
    done = {row[0]: tuple(row[1:]) for row in _rows_of(connection, DONE, running)}
    places = {row.id: row.place for row in _rows_of(connection, PLACES, queued)}
    return {row.id: (*row, done.get(row.id), places.get(row.id)) for row in rows}


def _rows_of(
    connection: sa.Connection, query: sa.Select[Any], ids: Collection[str]
) -> Iterator[sa.Row[Any]]:
    every = list(ids)
    for start in range(0, len(every), AT_A_TIME):
        yield from connection.execute(query, {"ids": every[start : start + AT_A_TIME]})


def _mapping_of(row: sa.Row[Any]) -> Row:
    return row._mapping
