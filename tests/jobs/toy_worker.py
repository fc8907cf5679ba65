"""A worker process whose tasks only write down that they were done.

What a task does is told by files in the folder ``orders``, so that a test can kill the worker in
the middle: ``hold-JOB-TASK`` keeps it busy for as long as the file is there (``stubborn-`` even
when the worker is told to stop), ``crash-`` ends the process, ``fail-`` the job, ``away-`` is a
bucket that does not answer. A line of ``log`` is written when a task begins and when it ends.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lendface.errors import CancelledError, NoVideoError, StorageUnavailableError
from lendface.jobs.durable import Durable
from lendface.jobs.locks import FileLocks, Locks, PostgresLocks
from lendface.jobs.worker import WorkerOptions, run_worker
from lendface.storage.database import create_engine, is_sqlite

CHUNKS = ["chunk/0", "chunk/1", "chunk/2"]
TASKS = ["fetch", "probe", "scan", *CHUNKS, "join", "finish"]
STEP_S = 0.01  # between two looks at an order


@dataclass(frozen=True)
class Toys:
    """The folder that stands for everything outside of the durable engine."""

    folder: Path

    def make(self) -> None:
        for name in ("orders", "attempts", "ended"):
            (self.folder / name).mkdir()
        (self.folder / "log").touch()

    def order(self, verb: str, job_id: str, task: str = "") -> Path:
        return self.folder / "orders" / "-".join((verb, job_id, task.replace("/", ".")))

    def attempts(self, job_id: str, run: int, task: str) -> Path:
        return self.folder / "attempts" / f"{job_id}-{run}-{task.replace('/', '.')}"

    def lines(self) -> list[list[str]]:
        """executor, what, of what"""
        return [line.split() for line in (self.folder / "log").read_text().splitlines()]

    def write(self, *words: object) -> None:
        """One short write, so that lines of several processes stay whole."""
        with (self.folder / "log").open("a") as log:
            log.write(" ".join(str(word) for word in words) + "\n")


class ToyWork:
    """Counts attempts in files, so they outlive the process."""

    def __init__(self, toys: Toys, executor: str) -> None:
        self.toys, self.executor = toys, executor

    def claim(self, job_id: str, run: int, task: str, executor: str) -> int | None:
        if self.toys.order("unwanted", job_id).exists() or self.end_of(job_id).exists():
            return None
        counter = self.toys.attempts(job_id, run, task)
        with counter.open("a") as file:
            file.write("x")
        return counter.stat().st_size

    def unclaim(self, job_id: str, run: int, task: str) -> None:
        counter = self.toys.attempts(job_id, run, task)
        os.truncate(counter, counter.stat().st_size - 1)
        self.write("unclaimed", job_id, task)

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        self.write("begin", job_id, task)
        self.hold(job_id, task, is_stopping)
        if self.toys.order("crash", job_id, task).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        if self.toys.order("fail", job_id, task).exists():
            raise NoVideoError("clip.mp4")
        if self.toys.order("away", job_id, task).exists():
            raise StorageUnavailableError
        if task == "finish":
            self.end(job_id, "done")
        self.write("end", job_id, task)
        is_short = self.toys.order("short", job_id).exists()  # only to be scanned
        return {"scan": [] if is_short else CHUNKS, "fetch": True, "probe": True}.get(task)

    def hold(self, job_id: str, task: str, is_stopping: Callable[[], bool]) -> None:
        held, unwanted = self.toys.order("hold", job_id, task), self.toys.order("unwanted", job_id)
        stubborn = self.toys.order("stubborn", job_id, task)
        while held.exists() or stubborn.exists():
            if unwanted.exists() or (is_stopping() and not stubborn.exists()):
                self.write("stopped", job_id, task)
                raise CancelledError
            threading.Event().wait(STEP_S)

    def fail(self, job_id: str, run: int, code: str, message: str) -> None:
        self.end(job_id, code)

    def deliver(self, delivery_id: str, round_number: int, attempt: int, postponed: int) -> None:
        put_off = f"/{postponed}" if postponed else ""
        self.write("delivered", delivery_id, f"{round_number}/{attempt}{put_off}")
        self.hold(delivery_id, "deliver", lambda: False)
        if self.toys.order("crash", delivery_id).exists():
            self.toys.order("crash", delivery_id).unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def end(self, job_id: str, how: str) -> None:
        """The first end is the end, as in a table."""
        whole = self.toys.folder / "ended" / f"{job_id}.{os.getpid()}.{threading.get_ident()}"
        whole.write_text(how)
        try:
            os.link(whole, self.end_of(job_id))
        except FileExistsError:
            return
        finally:
            whole.unlink()
        self.write("ended", job_id, how)

    def end_of(self, job_id: str) -> Path:
        return self.toys.folder / "ended" / job_id

    def write(self, *words: object) -> None:
        self.toys.write(self.executor, *words)


@dataclass(frozen=True)
class ToyHouse:
    toys: Toys

    def beat(self, executor: str, queues: Sequence[str]) -> None: ...

    def leave(self, executor: str) -> None:
        self.toys.write(executor, "left")

    def chores(self) -> tuple[()]:
        return ()


def work(folder: Path, url: str, options: WorkerOptions) -> None:
    """Does not return."""
    logging.basicConfig(format=f"{options.executor} %(levelname)s %(message)s %(reason)s")
    logging.getLogger().handlers[0].setFormatter(_Plain(options.executor))
    toys = Toys(folder)
    toy_work = ToyWork(toys, options.executor)
    run_worker(
        options,
        create_engine(url, begins_itself=True, pool_size=20),
        Durable(create_engine(url, begins_itself=True)),
        locks_at(folder, url),
        toy_work,
        ToyHouse(toys),
        lambda: toy_work.write("ready"),
    )


def locks_at(folder: Path, url: str) -> Locks:
    if is_sqlite(url):
        return FileLocks(folder / "locks")
    return PostgresLocks(create_engine(url, pool_size=1))


class _Plain(logging.Formatter):
    """With the facts that our log lines carry beside their sentence."""

    FACTS = ("reason", "code", "queue", "tasks", "task", "job_id")

    def __init__(self, executor: str) -> None:
        super().__init__(f"%(asctime)s {executor} %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        facts = [f"{name}={getattr(record, name)}" for name in self.FACTS if hasattr(record, name)]
        return " ".join([super().format(record), *facts])
