"""Workers as real processes, and a test's hands on them."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobs.toy_worker import TASKS, Toys, work
from lendface.jobs.durable import APP, SCHEMA, Durable
from lendface.jobs.work import CONTROL, QUICK
from lendface.jobs.worker import WorkerOptions
from lendface.storage.database import create_engine, is_sqlite

POLLING_S = 0.05
DEADLINE_S = 300.0  # never waited for where all is well
STEP_S = 0.01
INTERNAL_QUEUE = "_dbos_internal_queue"

# A worker is forked from a process that has all modules loaded, since loading them takes longer
# than most tests. It shares nothing else with it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["lendface.jobs.worker", "lendface.storage.database", "psycopg", "pysqlite3.dbapi2"]
)


def until(condition: Callable[[], Any], what: Callable[[], str] = str) -> None:
    """Waits for a condition; fails with what ``what`` tells when it does not come true."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise AssertionError(f"it never came true\n{what()}")
        threading.Event().wait(STEP_S)


@dataclass
class Worker:
    """One process. Its standard input is open as long as its parent lives."""

    name: str
    process: ForkServerProcess
    parent: Connection

    def kill(self) -> None:
        """As the kernel does when memory is short: at once, without a word."""
        self.process.kill()
        self.process.join(DEADLINE_S)

    def terminate(self) -> None:
        self.process.terminate()

    def orphan(self) -> None:
        """Its parent ends."""
        self.parent.close()

    def wait(self) -> int | None:
        """The exit code."""
        self.process.join(DEADLINE_S)
        return self.process.exitcode

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    def close(self) -> None:
        self.kill()
        self.process.close()
        self.parent.close()


@dataclass
class Crew:
    folder: Path
    url: str
    workers: list[Worker] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.toys = Toys(self.folder)
        self.toys.make()
        self.engine = create_engine(self.url)
        self.durable = Durable(create_engine(self.url, begins_itself=True))
        self.durable.prepare(POLLING_S)

    # Workers

    def start(self, name: str, *queues: str, is_awaited: bool = True, **options: Any) -> Worker:
        """By default it is ready when this returns. Who renders also takes quick looks."""
        queues = (*queues, QUICK) if "cpu" in queues else queues
        had = self.count(name, "ready")
        reader, writer = FORKS.Pipe(duplex=False)
        chosen = replace(
            WorkerOptions(
                name, queues, POLLING_S, beat_s=0.3, drain_s=0.2, take_s=30.0, is_supervised=True
            ),
            **options,
        )
        process = FORKS.Process(
            target=_run, args=(self.folder, self.url, chosen, reader), daemon=True
        )
        process.start()
        reader.close()
        worker = Worker(name, process, writer)
        self.workers.append(worker)
        if is_awaited:
            self.until(lambda: self.count(name, "ready") > had)
        return worker

    def start_both(self, **options: Any) -> tuple[Worker, Worker]:
        """One for the light work and one that renders."""
        control = self.start("control", *CONTROL, is_awaited=False, **options)
        render = self.start("render", "cpu", is_awaited=False, **options)
        self.until(lambda: self.count("control", "ready") and self.count("render", "ready"))
        return control, render

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        print(self.story())
        self.durable.close()
        self.engine.dispose()

    # Jobs

    def submit(
        self,
        *job_ids: str,
        priority: int = 50,
        run: int = 1,
        client_id: str = "a client",
        fetches: bool = False,
    ) -> None:
        with self.engine.begin() as connection:
            for job_id in job_ids:
                self.durable.submit(
                    connection,
                    job_id,
                    run,
                    priority=priority,
                    render_queue="cpu",
                    client_id=client_id,
                    fetches=fetches,
                )

    def send(
        self,
        delivery_id: str,
        attempt: int = 1,
        delay_s: float = 0,
        *,
        round_number: int = 1,
        sender: str = "a client",
        postponed: int = 0,
    ) -> None:
        """Queue an attempt at a message."""
        with self.engine.begin() as connection:
            self.durable.submit_delivery(
                connection,
                delivery_id,
                round_number,
                attempt,
                delay_s,
                sender=sender,
                postponed=postponed,
            )

    def order(self, verb: str, job_id: str, task: str = "") -> None:
        self.toys.order(verb, job_id, task).touch()

    def lift(self, verb: str, job_id: str, task: str = "") -> None:
        self.toys.order(verb, job_id, task).unlink()

    # What happened

    def end_of(self, job_id: str) -> str | None:
        """How a job ended: ``done`` or the code of an error."""
        path = self.folder / "ended" / job_id
        return path.read_text() if path.exists() else None

    def until_ended(self, *job_ids: str) -> None:
        """The job, and what the engine thinks of it."""
        self.until(lambda: all(self.end_of(job_id) for job_id in job_ids))
        self.until(lambda: not any(self.durable.is_at(job_id, 1) for job_id in job_ids))

    def count(self, who: str | None, what: str, *of: str) -> int:
        """How often ``who``, or anybody, did so."""
        wanted = [what, *of]
        return sum(
            line[1 : 1 + len(wanted)] == wanted and who in (None, line[0])
            for line in self.toys.lines()
        )

    def who(self, what: str, *of: str) -> list[str]:
        """Who did so, in order."""
        wanted = [what, *of]
        return [line[0] for line in self.toys.lines() if line[1 : 1 + len(wanted)] == wanted]

    def tasks(self, what: str, job_id: str) -> list[str]:
        """The tasks of a job that began, or ended, in order."""
        return [line[3] for line in self.toys.lines() if line[1:3] == [what, job_id]]

    def attempts(self, job_id: str, task: str) -> int:
        """How many are counted."""
        path = self.toys.attempts(job_id, 1, task)
        return path.stat().st_size if path.exists() else 0

    def until(self, condition: Callable[[], Any]) -> None:
        until(condition, self.story)

    def until_begun(self, job_id: str, task: str, times: int = 1) -> None:
        self.until(lambda: self.count(None, "begin", job_id, task) >= times)

    # Looking into the engine

    def rows(self, columns: str, where: str = "TRUE") -> list[tuple[Any, ...]]:
        """Of the engine's own table."""
        table = "workflow_status" if is_sqlite(self.url) else f"{SCHEMA}.workflow_status"
        query = sa.text(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY created_at")
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def story(self) -> str:
        """Everything that helps to understand a failure."""
        said = (self.folder / "stderr").read_text() if (self.folder / "stderr").exists() else ""
        columns = "workflow_uuid, status, queue_name, executor_id, recovery_attempts"
        try:
            rows = "\n".join(map(str, self.rows(columns)))
        except sa.exc.SQLAlchemyError as fault:
            rows = str(fault)
        return "\n".join(["--- log", (self.folder / "log").read_text(), "--- engine", rows,
                          "--- stderr", said])  # fmt: skip


def done_once(crew: Crew, job_id: str, *, again: tuple[str, ...] = ()) -> None:
    """The job ended right; no task was done twice but those ``again`` that were broken off."""
    assert crew.end_of(job_id) == "done"
    assert sorted(crew.tasks("end", job_id)) == sorted(TASKS)
    assert sorted(crew.tasks("begin", job_id)) == sorted([*TASKS, *again])


def _run(folder: Path, url: str, options: WorkerOptions, parent: Connection) -> None:
    os.setsid()
    os.dup2(parent.fileno(), 0)
    parent.close()
    said = os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    work(folder, url, options)


__all__ = ["APP", "INTERNAL_QUEUE", "Crew", "Worker", "done_once", "until"]
