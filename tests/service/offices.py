"""An office for tests: a real database and real files in a folder, and a queue that nobody serves.

Jobs stay queued; ``end_job`` and ``start_job`` do to them what workers would.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lendface.net.fetch import FetchPolicy
from lendface.net.guard import parse_allow
from lendface.pipeline.limits import Limits
from lendface.service.clients import NewClient, create_client
from lendface.service.jobs import end, lock_to_end
from lendface.service.office import MessageForm, Office, Rules
from lendface.service.sealing import Sealer
from lendface.service.states import RUNNING, JobState
from lendface.storage.database import Database
from lendface.storage.folder_blobs import FolderBlobs
from lendface.storage.signing import UrlSigner
from lendface.storage.tables import jobs
from services.databases import make_tables

SECRET = bytes(range(32))
BASE_URL = "http://testserver"
BEGAN_MS = 1_790_000_000_000
MIB = 1 << 20


@dataclass
class Clock:
    """Stands still until a test moves it."""

    ms: int = BEGAN_MS

    def __call__(self) -> int:
        return self.ms

    def pass_s(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@dataclass(frozen=True)
class Attempt:
    """One at sending a message, as it was queued."""

    delivery_id: str
    number: int
    delay_s: float
    sender: str
    postponed: int


@dataclass
class RecordingQueue:
    """Plays ``service.office.Queue``; remembers what it was asked."""

    submitted: list[tuple[str, int]] = field(default_factory=list)  # job, run
    sent: list[tuple[str, int, int]] = field(default_factory=list)  # delivery, round, attempt
    clients: dict[str, str] = field(default_factory=dict)  # by job
    fetching: list[str] = field(default_factory=list)  # jobs with files that lie elsewhere
    attempts: list[Attempt] = field(default_factory=list)  # the same as ``sent``, with all of it
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    forgotten: list[tuple[str, int]] = field(default_factory=list)

    def submit(
        self,
        connection: sa.Connection,
        job_id: str,
        run: int,
        *,
        priority: int,
        render_queue: str,
        client_id: str,
        fetches: bool,
    ) -> None:
        self.submitted.append((job_id, run))
        self.clients[job_id] = client_id
        if fetches:
            self.fetching.append(job_id)

    def submit_delivery(
        self,
        connection: sa.Connection,
        delivery_id: str,
        round_number: int,
        attempt: int,
        delay_s: float,
        *,
        sender: str,
        postponed: int = 0,
    ) -> None:
        self.sent.append((delivery_id, round_number, attempt))
        self.attempts.append(Attempt(delivery_id, attempt, delay_s, sender, postponed))

    def cancel(self, job_id: str, run: int) -> None:
        self.cancelled.append((job_id, run))

    def forget(self, job_id: str, run: int) -> None:
        self.forgotten.append((job_id, run))


class WriteTransactions:
    """Which threads are inside a transaction of ``engine`` that may write."""

    def __init__(self, engine: sa.Engine) -> None:
        self._here = threading.local()
        sa.event.listen(engine, "begin", self._begin)
        for event in ("commit", "rollback"):
            sa.event.listen(engine, event, self._end)

    @property
    def is_inside(self) -> bool:
        """Whether the calling thread is."""
        return getattr(self._here, "is_inside", False)

    def _begin(self, connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        reads = options.get("is_reading") or options.get("postgresql_readonly")
        self._here.is_inside = not reads

    def _end(self, _connection: sa.Connection) -> None:
        self._here.is_inside = False


class BlobsOutsideOfWrites(FolderBlobs):
    """Files in a folder that must not be asked for within a transaction that may write: a bucket
    takes its time, and everybody else who writes would wait for it."""

    def __init__(self, root: Path, transactions: WriteTransactions) -> None:
        super().__init__(root)
        self._transactions = transactions

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            assert not self._transactions.is_inside, f"blobs.{name} within a write transaction"
        return super().__getattribute__(name)


def make_rules(**changes: Any) -> Rules:
    """Small limits, and this machine's own servers may be reached."""
    given: dict[str, Any] = {
        "limits": Limits(max_bytes=64 * MIB),
        "photo_limits": Limits(max_bytes=8 * MIB),
        "fetch": FetchPolicy(max_bytes=64 * MIB, allow=parse_allow("127.0.0.1")),
        "max_photo_bytes": 8 * MIB,
        "rate_per_minute": 1_000_000,
    }
    return Rules(**given | changes)


@contextmanager
def open_office(
    folder: Path,
    *,
    database_url: str | None = None,
    base_url: str = BASE_URL,
    clock: Clock | None = None,
    forms: Mapping[str, MessageForm] | None = None,
    **rules: Any,
) -> Iterator[Office]:
    """An office whose everything lies in ``folder``, or on the database that is given."""
    database = Database(database_url or f"sqlite:///{folder / 'lendface.db'}")
    make_tables(database)
    try:
        yield Office(
            database=database,
            blobs=BlobsOutsideOfWrites(folder / "blobs", WriteTransactions(database.engine)),
            links=UrlSigner(SECRET, base_url),
            sealer=Sealer(SECRET),
            queue=RecordingQueue(),
            rules=make_rules(**rules),
            now_ms=clock or Clock(),
            forms=forms or {},
        )
    finally:
        database.close()


def new_client(office: Office, name: str = "a client", **facts: Any) -> NewClient:
    return create_client(office, name, **facts)


def start_job(office: Office, job_id: str, stage: str = "scan", **changes: Any) -> None:
    """As if a worker had begun it."""
    changes |= {"state": RUNNING.value, "stage": stage, "started_ms": office.now_ms()}
    change_job(office, job_id, **changes)


def change_job(office: Office, job_id: str, **changes: Any) -> None:
    changes |= {"changed_ms": office.now_ms()}
    with office.database.writing() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(**changes))


def end_job(office: Office, job_id: str, state: JobState, **changes: Any) -> None:
    """As a worker ends it: with messages, units and the next job's turn."""
    with office.database.writing() as connection:
        end(connection, office, lock_to_end(connection, job_id), state, **changes)
