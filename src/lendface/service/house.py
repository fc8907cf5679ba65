"""What has to be looked after: living workers, time-outs, waiting jobs, old files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice

import sqlalchemy as sa

from ..errors import InternalError, JobTimeoutError
from ..storage.tables import jobs, uploads, workers
from ..trust.audit import SERVER
from ..version import __version__
from . import consents
from . import uploads as files
from .jobs import admit, admit_new, end, lock_to_end, purge_files
from .office import DAY_MS, Office
from .states import CANCELLED, FAILED, FINAL, LIVE, QUEUED, RUNNING, SUCCEEDED

log = logging.getLogger("lendface.house")

HOUR_MS = 3600 * 1000
SOON_MS = 60 * 1000
AT_A_TIME = 100  # rows of one kind in one round, so that a round stays short
SETTLED_MS = 10 * SOON_MS  # after which a job's files are nobody's any more
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
    _next_ms: dict[str, int] = field(default_factory=dict)

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

    def tidy(self) -> None:
        """One round. Each chore is short; what is left waits for the next round."""
        for name, every_ms, chore in (
            ("timeouts", 0, self.end_slow_jobs),
            ("consents", 5_000, self.stop_withdrawn),
            ("admission", 5_000, self.admit_waiting),
            ("lost", SOON_MS, self.find_lost_jobs),
            ("intermediate", 5_000, self.clean_ended_jobs),
            ("expired", SOON_MS, self.purge_expired),
            ("orphans", HOUR_MS, self.sweep_orphans),
        ):
            now_ms = self.office.now_ms()
            if now_ms >= self._next_ms.get(name, 0):
                self._next_ms[name] = now_ms + every_ms
                chore()

    def end_slow_jobs(self) -> None:
        limit_ms = self.office.rules.job_timeout_ms
        late = (jobs.c.state == RUNNING) & (jobs.c.started_ms < self.office.now_ms() - limit_ms)
        error = JobTimeoutError(limit_ms / 1000)
        for job_id in self._ids(late):
            self._fail(job_id, error.code, str(error))

    def stop_withdrawn(self) -> None:
        """Jobs that whoever withdrew a consent had no time to stop."""
        for job_id in consents.find_stranded(self.office):
            consents.stop(self.office, job_id)

    def admit_waiting(self) -> None:
        """Jobs whose place came free without anybody noticing."""
        waiting = (
            sa.select(jobs.c.client_id)
            .distinct()
            .where(jobs.c.state == QUEUED, jobs.c.admitted_ms.is_(None))
        )
        with self.office.database.reading() as connection:
            client_ids = connection.execute(waiting).scalars().all()
        for client_id in client_ids:
            with self.office.database.writing() as connection:
                admit(connection, self.office, client_id)

    def find_lost_jobs(self) -> None:
        """Jobs the engine does not know, as after a database was put back from a backup."""
        quiet = (
            jobs.c.state.in_(LIVE)
            & jobs.c.admitted_ms.is_not(None)
            & (jobs.c.changed_ms < self.office.now_ms() - LOST_MS)
        )
        with self.office.database.reading() as connection:
            query = sa.select(jobs.c.id, jobs.c.run).where(quiet).limit(AT_A_TIME)
            suspects = connection.execute(query).all()
        for job_id, run in suspects:
            if self.is_known(job_id, run):
                continue
            log.warning("a job was lost by the engine", extra={"job_id": job_id})
            if run >= MAX_RUNS:
                self._fail(job_id, InternalError.code, str(InternalError()))
            else:
                self._begin_again(job_id, run)

    def clean_ended_jobs(self) -> None:
        """Chunks of ended jobs; those of failed ones are kept a while for a retry."""
        now_ms = self.office.now_ms()
        old = sa.or_(
            (jobs.c.state == SUCCEEDED) & (jobs.c.finished_ms < now_ms - SOON_MS),
            jobs.c.state.in_((FAILED, CANCELLED))
            & (jobs.c.finished_ms < now_ms - max(self.office.rules.resume_ms, SOON_MS)),
        )
        for job_id in self._ids(old & jobs.c.cleaned_ms.is_(None)):
            blobs = self.office.blobs
            blobs.delete_many([blob.key for blob in blobs.list(f"work/{job_id}/")])
            with self.office.database.writing() as connection:
                connection.execute(
                    jobs.update().where(jobs.c.id == job_id).values(cleaned_ms=now_ms)
                )

    def purge_expired(self) -> None:
        """Files past their time go; the rows stay for the audit, without names and addresses."""
        now_ms = self.office.now_ms()
        with self.office.database.reading() as connection:
            old_uploads = list(
                connection.execute(
                    sa.select(uploads)
                    .where(uploads.c.expires_ms < now_ms, uploads.c.purged_ms.is_(None))
                    .limit(AT_A_TIME)
                ).mappings()
            )
            old_jobs = list(
                connection.execute(
                    sa.select(jobs)
                    .where(
                        jobs.c.expires_ms < now_ms,
                        jobs.c.purged_ms.is_(None),
                        jobs.c.state.in_(FINAL),
                    )
                    .limit(AT_A_TIME)
                ).mappings()
            )
        for upload in old_uploads:
            if not self._is_needed(upload["id"]):
                files.purge(self.office, upload, actor=SERVER)
        for job in old_jobs:
            purge_files(self.office, job, actor=SERVER)
            self.office.queue.forget(job["id"], job["run"])

    def sweep_orphans(self) -> None:
        """What no row tells of any more: halves of writes, and what a worker that was killed had
        made when its job's files were gone already."""
        blobs, before_ms = self.office.blobs, self.office.now_ms() - DAY_MS
        blobs.sweep_unfinished(DAY_MS / 1000, self.office.now_s)
        for owners in ALL_OWNERS:
            old = (blob.key for blob in blobs.list(owners.top) if blob.modified_ms < before_ms)
            while keys := list(islice(old, AT_A_TIME)):
                with self.office.database.reading() as connection:
                    left = owners.left(connection, keys)
                blobs.delete_many(left)

    def _ids(self, condition: sa.ColumnElement[bool]) -> list[str]:
        with self.office.database.reading() as connection:
            query = sa.select(jobs.c.id).where(condition).limit(AT_A_TIME)
            return list(connection.execute(query).scalars())

    def _is_needed(self, upload_id: str) -> bool:
        """Whether a job that has not ended works with it."""
        live = sa.select(jobs.c.request).where(jobs.c.state.in_(LIVE))
        with self.office.database.reading() as connection:
            return any(upload_id in str(request) for request in connection.execute(live).scalars())

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
