"""What has to be looked after: living workers, time-outs, waiting jobs, old files.

Each chore goes through what it has to do page by page. What fails of a page is told and passed
over, and so is no longer first when the chore has its next turn.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import sqlalchemy as sa

from ..errors import InternalError, JobTimeoutError
from ..storage.tables import jobs, uploads, workers
from ..trust.audit import SERVER
from ..version import __version__
from . import consents
from . import uploads as files
from .batches import code_of, do_all, do_each
from .jobs import admit, admit_new, end, find_admissible, lock_to_end, purge_files
from .office import DAY_MS, Office
from .states import CANCELLED, FAILED, LIVE, QUEUED, RUNNING, SUCCEEDED

log = logging.getLogger("lendface.house")

HOUR_MS = 3600 * 1000
SOON_MS = 60 * 1000
AT_A_TIME = 100  # rows read, and files deleted, at once
LOST_PAGES = 10  # of jobs about which the engine is asked in one turn, one by one
LOST_MS = 5 * SOON_MS  # without a sign, before the engine is asked whether it knows the job
MAX_RUNS = 3  # of a job the engine lost


@dataclass(frozen=True)
class Owners:
    """Whose the blobs are whose keys begin alike."""

    top: str
    column: sa.Column[str]
    is_kept: sa.ColumnElement[bool]
    name_of: Callable[[str], str]  # from a key to a value of the column

    def left(self, connection: sa.Connection, keys: Sequence[str]) -> list[str]:
        """Those of the keys that nobody owns any more."""
        names = {self.name_of(key) for key in keys}
        query = sa.select(self.column).where(self.column.in_(names), self.is_kept)
        owned = set(connection.execute(query).scalars())
        return [key for key in keys if self.name_of(key) not in owned]


def job_of(key: str) -> str:
    return key.split("/")[1]


def scan_of(key: str) -> str:
    """
    >>> scan_of("scans/client/5f1e/face-1.jpg")
    'scans/client/5f1e'
    """
    return key.rpartition("/")[0]


ALL_OWNERS = (
    Owners("work", jobs.c.id, jobs.c.cleaned_ms.is_(None), job_of),
    Owners("results", jobs.c.id, jobs.c.purged_ms.is_(None), job_of),
    Owners("scans", jobs.c.scan_key, jobs.c.purged_ms.is_(None), scan_of),
    Owners("uploads", uploads.c.blob_key, uploads.c.purged_ms.is_(None), str),
    Owners("incoming", uploads.c.incoming_key, uploads.c.state == files.WAITING, str),
)


def left_by_all(connection: sa.Connection, keys: Collection[str]) -> list[str]:
    """Those of the keys of blobs that nobody owns any more."""
    return [
        key
        for owners in ALL_OWNERS
        for key in owners.left(connection, [k for k in keys if k.startswith(f"{owners.top}/")])
    ]


@dataclass(eq=False)
class Housekeeping:
    """Plays the role of ``jobs.worker.House``."""

    office: Office
    provider: str
    is_known: Callable[[str, int], bool]  # whether the engine is still at a run of a job
    started_ms: int = 0
    _places: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # where turns broke off

    def beat(self, executor: str, queues: Sequence[str]) -> None:
        now_ms = self.office.now_ms()
        self.started_ms = self.started_ms or now_ms
        with self.office.database.writing() as connection:
            update = workers.update().where(workers.c.executor == executor)
            if connection.execute(update.values(seen_ms=now_ms)).rowcount:
                return
            connection.execute(
                workers.insert().values(
                    executor=executor,
                    queues=list(queues),
                    provider=self.provider,
                    version=__version__,
                    started_ms=self.started_ms,
                    seen_ms=now_ms,
                )
            )

    def leave(self, executor: str) -> None:
        with self.office.database.writing() as connection:
            connection.execute(workers.delete().where(workers.c.executor == executor))

    def chores(self) -> Sequence[tuple[str, float, Callable[[], None]]]:
        """Each by name, with the seconds between two turns. They may be done side by side."""
        return (
            ("timeouts", 2, self.end_slow_jobs),
            ("consents", 5, self.stop_withdrawn),
            ("admission", 5, self.admit_waiting),
            ("lost", SOON_MS / 1000, self.find_lost_jobs),
            ("intermediate", 5, self.clean_ended_jobs),
            ("expired", SOON_MS / 1000, self.purge_expired),
            ("orphans", HOUR_MS / 1000, self.sweep_orphans),
        )

    def tidy(self) -> None:
        """One turn of every chore, one after the other. What fails keeps no other back."""
        for name, _, do in self.chores():
            try:
                do()
            except Exception as fault:
                log.error("a chore failed", extra={"chore": name, "code": code_of(fault)})

    def end_slow_jobs(self) -> None:
        limit_ms = self.office.rules.job_timeout_ms
        before_ms = self.office.now_ms() - limit_ms
        late = sa.select(jobs.c.id, jobs.c.started_ms).where(
            jobs.c.state == RUNNING, jobs.c.started_ms < before_ms
        )
        error = JobTimeoutError(limit_ms / 1000)
        for page in self._pages("timeouts", late, jobs.c.started_ms, jobs.c.id):
            do_each("timeouts", page, lambda job: self._fail(job.id, error.code, str(error)))

    def stop_withdrawn(self) -> None:
        """Jobs that whoever withdrew a consent had no time to stop."""
        unstopped = consents.find_unstopped(self.office)
        do_each("consents", unstopped, partial(consents.stop_resting, self.office))

    def admit_waiting(self) -> None:
        """Jobs whose place came free without anybody noticing."""
        with self.office.database.reading() as connection:
            client_ids = find_admissible(connection, self.office)
        do_each("admission", client_ids, self._admit)

    def find_lost_jobs(self) -> None:
        """Jobs the engine does not know, as after a database was put back from a backup."""
        quiet = sa.select(jobs.c.id, jobs.c.run).where(
            jobs.c.admitted_ms.is_not(None),
            jobs.c.finished_ms.is_(None),
            jobs.c.changed_ms < self.office.now_ms() - LOST_MS,
        )
        for page in islice(self._pages("lost", quiet, jobs.c.id), LOST_PAGES):
            do_each("lost", page, lambda job: self._begin_if_lost(job.id, job.run))

    def clean_ended_jobs(self) -> None:
        """Chunks of ended jobs; those of failed ones are kept a while for a retry."""
        now_ms = self.office.now_ms()
        kept_ms = max(self.office.rules.resume_ms, SOON_MS)
        for state, wait_ms in ((SUCCEEDED, SOON_MS), (FAILED, kept_ms), (CANCELLED, kept_ms)):
            old = sa.select(jobs.c.id, jobs.c.finished_ms).where(
                jobs.c.state == state,
                jobs.c.finished_ms < now_ms - wait_ms,
                jobs.c.cleaned_ms.is_(None),
            )
            for page in self._pages(f"intermediate {state}", old, jobs.c.finished_ms, jobs.c.id):
                do_each("intermediate", page, lambda job: self._clean(job.id))

    def purge_expired(self) -> None:
        """Files past their time go; the rows stay for the audit, without names and addresses."""
        do_each("expired", (self._purge_uploads, self._purge_jobs), lambda purge: purge())

    def sweep_orphans(self) -> None:
        """What no row tells of any more: halves of writes, and what a worker that was killed had
        made when its job's files were gone already."""
        before_ms = self.office.now_ms() - DAY_MS
        sweeps = [self._sweep_unfinished]
        sweeps += [partial(self._sweep_orphans_of, owners, before_ms) for owners in ALL_OWNERS]
        do_each("orphans", sweeps, lambda sweep: sweep())

    # Within

    def _pages(
        self, name: str, query: sa.Select[Any], *order: sa.Column[Any]
    ) -> Iterator[Sequence[sa.Row[Any]]]:
        """What a query finds, ``AT_A_TIME`` rows after the other; the columns of ``order`` are
        among its own and tell the rows apart.

        Where a turn is broken off, the next one under this ``name`` goes on behind the page it was
        at: rows that break it off come round again, and are not the first for ever.
        """
        while True:
            after = self._places.get(name)
            ordered = query.order_by(*order).limit(AT_A_TIME)
            if after is not None:
                ordered = ordered.where(sa.tuple_(*order) > after)
            with self.office.database.reading() as connection:
                rows = connection.execute(ordered).all()
            is_last = len(rows) < AT_A_TIME
            if is_last:
                self._places.pop(name, None)
            else:
                self._places[name] = tuple(getattr(rows[-1], column.name) for column in order)
            if rows:
                yield rows
            if is_last:
                return

    def _admit(self, client_id: str) -> None:
        with self.office.database.writing() as connection:
            admit(connection, self.office, client_id)

    def _begin_if_lost(self, job_id: str, run: int) -> None:
        if self.is_known(job_id, run):
            return
        log.warning("a job was lost by the engine", extra={"job_id": job_id})
        if run >= MAX_RUNS:
            self._fail(job_id, InternalError.code, str(InternalError()))
        else:
            self._begin_again(job_id, run)

    def _clean(self, job_id: str) -> None:
        blobs, now_ms = self.office.blobs, self.office.now_ms()
        blobs.delete_many([blob.key for blob in blobs.list(f"work/{job_id}/")])
        with self.office.database.writing() as connection:
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(cleaned_ms=now_ms))

    def _purge_uploads(self) -> None:
        """But for those that a job which has not ended is made of."""
        names = ("id", "client_id", "blob_key", "incoming_key", "expires_ms")
        old = sa.select(*(uploads.c[name] for name in names)).where(
            uploads.c.expires_ms < self.office.now_ms(),
            uploads.c.purged_ms.is_(None),
            ~files.IS_NEEDED,
        )
        for page in self._pages("uploads", old, uploads.c.expires_ms, uploads.c.id):
            rows = [row._mapping for row in page]
            do_all("uploads", rows, partial(files.purge_many, self.office, actor=SERVER))

    def _purge_jobs(self) -> None:
        names = ("id", "client_id", "kind", "run", "expires_ms")
        old = sa.select(*(jobs.c[name] for name in names)).where(
            jobs.c.expires_ms < self.office.now_ms(),
            jobs.c.purged_ms.is_(None),
            jobs.c.finished_ms.is_not(None),
        )
        for page in self._pages("jobs", old, jobs.c.expires_ms, jobs.c.id):
            do_each("jobs", page, self._purge_job)

    def _purge_job(self, job: sa.Row[Any]) -> None:
        self.office.queue.forget(job.id, job.run)
        purge_files(self.office, job._mapping, actor=SERVER)  # last: a row that is purged is done

    def _sweep_unfinished(self) -> None:
        self.office.blobs.sweep_unfinished(DAY_MS / 1000, self.office.now_s)

    def _sweep_orphans_of(self, owners: Owners, before_ms: int) -> None:
        blobs = self.office.blobs
        old = (blob.key for blob in blobs.list(owners.top) if blob.modified_ms < before_ms)
        while keys := list(islice(old, AT_A_TIME)):
            with self.office.database.reading() as connection:
                left = owners.left(connection, keys)
            do_all("orphans", left, blobs.delete_many)

    def _fail(self, job_id: str, code: str, message: str) -> None:
        with self.office.database.writing() as connection:
            job = lock_to_end(connection, job_id)
            if job["state"] not in LIVE:
                return
            end(connection, self.office, job, FAILED, error_code=code, error_message=message)
        self.office.queue.cancel(job_id, job["run"])

    def _begin_again(self, job_id: str, run: int) -> None:
        with self.office.database.writing() as connection:
            job = lock_to_end(connection, job_id)
            if job["run"] != run or job["state"] not in LIVE:
                return
            changes = {
                "state": QUEUED.value,
                "stage": QUEUED.value,
                "run": run + 1,
                "admitted_ms": None,
                "changed_ms": self.office.now_ms(),
            }
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(**changes))
            admit_new(connection, self.office, job)
