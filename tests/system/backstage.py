"""What only whoever runs a server sees: its tables, its files, and its chores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from lendface.errors import DatabaseError
from lendface.facades.forms import FORMS
from lendface.serve.building import Built, build_office
from lendface.service.house import Housekeeping
from lendface.service.office import DAY_MS
from lendface.service.states import LIVE
from lendface.settings import Settings
from lendface.storage.database import sqlite_module
from lendface.storage.disk import files_below
from lendface.storage.tables import deliveries, jobs, ledger, tasks, workers
from system.servers import Server, settings_of, until

Row = dict[str, Any]
T = TypeVar("T")


class Missed(Exception):
    """It was over before anybody looked, as what takes two milliseconds may be; with another job
    it can be tried again."""


def until_seen(attempt: Callable[[], T], tries: int = 30) -> T:
    """Once more where the moment was missed."""
    for _ in range(tries):
        with suppress(Missed):
            return attempt()
    raise AssertionError(f"missed {tries} times")


@dataclass(frozen=True, eq=False)
class Backstage:
    server: Server
    settings: Settings
    built: Built

    # Tables

    def rows(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> list[Row]:
        with self.built.office.database.reading() as connection:
            found = connection.execute(sa.select(table).where(*where)).mappings()
            return [dict(row) for row in found]

    def job(self, job_id: str) -> Row:
        return self.rows(jobs, jobs.c.id == job_id)[0]

    def tasks(self, job_id: str, run: int = 1) -> dict[str, Row]:
        found = self.rows(tasks, tasks.c.job_id == job_id, tasks.c.run == run)
        return {row["name"]: row for row in found}

    def charges(self, job_id: str) -> list[tuple[str, int]]:
        found = self.rows(ledger, ledger.c.job_id == job_id)
        return [(row["reason"], row["units"]) for row in found]

    def deliveries(self, job_id: str) -> list[Row]:
        return self.rows(deliveries, deliveries.c.job_id == job_id)

    def workers(self) -> list[str]:
        """Those who said lately that they live."""
        since_ms = time.time_ns() // 1_000_000 - 5_000
        return [row["executor"] for row in self.rows(workers, workers.c.seen_ms > since_ms)]

    def until_task(self, job_id: str, name: str, state: str = "running", run: int = 1) -> Row:
        """Until a worker is at it, or further."""

        def look() -> Row | None:
            row = self.tasks(job_id, run).get(name)
            return row if row and row["state"] in (state, "done") else None

        return until(look, story=self.server.story, step_s=0.005)

    def at_task(self, job_id: str, name: str, then: Callable[[], object]) -> None:
        """Do ``then`` while a worker is at this task. Raises Missed."""

        def is_there(connection: Any) -> bool:
            query = "SELECT state FROM tasks WHERE job_id = ? AND run = 1 AND name = ?"
            row = connection.execute(query, (job_id, name)).fetchone()
            if row == ("done",):
                raise Missed(name)
            return row == ("running",)

        self.in_the_moment(is_there, then)

    def at_stage(self, job_id: str, stage: str, then: Callable[[], object]) -> None:
        """Do ``then`` while a job is there. Raises Missed."""

        def is_there(connection: Any) -> bool:
            query = "SELECT state, stage FROM jobs WHERE id = ?"
            state, at = connection.execute(query, (job_id,)).fetchone()
            if state not in LIVE:
                raise Missed(stage)
            return (state, at) == ("running", stage)

        self.in_the_moment(is_there, then)

    def in_the_moment(self, is_it: Callable[[Any], bool], then: Callable[[], object]) -> None:
        """Do ``then`` when ``is_it`` says so of the SQLite file; nobody writes to it meanwhile.

        Some moments last for two milliseconds, so this waits for the file as little as it can.
        """
        with closing(sqlite_module().connect(self.database_file, timeout=0)) as connection:
            connection.isolation_level = None

            def look() -> bool:
                if not begins(connection):
                    return False
                try:
                    if is_now := is_it(connection):
                        then()
                    return is_now
                finally:
                    connection.execute("ROLLBACK")

            until(look, story=self.server.story, step_s=0.0002)

    @property
    def database_file(self) -> str:
        return str(self.server.folder / "lendface.db")

    # Files, of a server that keeps them in a folder

    @property
    def blobs(self) -> Path:
        """Where files lie by their keys."""
        return Path(self.settings.blobs) / "blobs"

    def keys(self, prefix: str = "") -> list[str]:
        return [path.relative_to(self.blobs).as_posix()
                for path, _ in files_below(self.blobs / prefix)]  # fmt: skip

    def results(self, job_id: str) -> list[str]:
        return self.keys(f"results/{job_id}")

    def chunks(self, job_id: str) -> list[str]:
        return self.keys(f"work/{job_id}")

    def temporary(self) -> list[Path]:
        """Of puts, uploads and tasks that did not end."""
        kept = Path(self.settings.blobs)
        own = [path for path, _ in files_below(self.settings.scratch_folder)]
        return [
            *(path for name in ("drafts", "partial") for path, _ in files_below(kept / name)),
            *(path for path in own if path.parent.name == "files"),
        ]

    # Chores

    def keep_house(self, later_ms: int = 0) -> Housekeeping:
        """Do all that is due ``later_ms`` from now."""
        office = self.built.office
        later = replace(office, now_ms=lambda: office.now_ms() + later_ms)
        house = Housekeeping(later, "none", self.built.durable.is_at)
        house.tidy()
        return house

    def clean_up(self) -> None:
        """As if a day and an hour had passed, but for what expires."""
        house = self.keep_house()
        office = house.office
        house.office = replace(office, now_ms=lambda: office.now_ms() + DAY_MS + 3_600_000)
        house.clean_ended_jobs()
        house.sweep_orphans()


def begins(connection: Any) -> bool:
    """Whether the file is ours to write; not while somebody else writes."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite_module().OperationalError:
        return False
    return True


@contextmanager
def backstage(server: Server) -> Iterator[Backstage]:
    settings = settings_of(server)
    built = build_office(settings, FORMS)
    try:
        yield Backstage(server, settings, built)
    finally:
        built.close()


def is_up(back: Backstage) -> bool:
    with suppress(DatabaseError):
        return bool(back.workers())
    return False
