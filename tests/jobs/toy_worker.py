"""A worker process whose tasks only write down that they were done.

What a task does is told by files in a folder: ``hold-TASK`` is a named pipe it waits on, so that a
test can kill the worker in the middle; ``crash-TASK`` ends the process there and then. A line of
``log`` is written when a task begins and when it ends.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from lendface.errors import CancelledError, NoVideoError
from lendface.jobs.durable import Durable
from lendface.jobs.locks import FileLocks, PostgresLocks
from lendface.jobs.worker import WorkerOptions, run_worker
from lendface.storage.database import create_engine, is_sqlite

CHUNKS = ["chunk/0", "chunk/1", "chunk/2"]


class ToyWork:
    """Counts attempts in files, so they outlive the process."""

    def __init__(self, folder: Path, executor: str) -> None:
        self.folder, self.executor = folder, executor

    def write(self, *words: object) -> None:
        line = " ".join(str(word) for word in (self.executor, *words)) + "\n"
        with (self.folder / "log").open("a") as log:
            log.write(line)  # one short write, so lines of several processes stay whole

    def claim(self, job_id: str, run: int, task: str, executor: str) -> int | None:
        if (self.folder / f"unwanted-{job_id}").exists():
            return None
        counter = self.folder / f"attempts-{job_id}-{run}-{task.replace('/', '.')}"
        with counter.open("a") as file:
            file.write("x")
        return counter.stat().st_size

    def unclaim(self, job_id: str, run: int, task: str) -> None:
        counter = self.folder / f"attempts-{job_id}-{run}-{task.replace('/', '.')}"
        os.truncate(counter, counter.stat().st_size - 1)
        self.write("unclaimed", job_id, task)

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        self.write("begin", job_id, task)
        name = task.replace("/", ".")
        if (self.folder / f"crash-{name}").exists():
            os.kill(os.getpid(), 9)
        if (self.folder / f"fail-{name}").exists():
            raise NoVideoError("clip.mp4")
        hold = self.folder / f"hold-{name}"
        if hold.exists():
            with hold.open() as pipe:
                if pipe.read() == "stop" and is_stopping():
                    raise CancelledError
        self.write("end", job_id, task)
        return {"scan": CHUNKS, "fetch": True, "probe": True}.get(task)

    def fail(self, job_id: str, run: int, code: str, message: str) -> None:
        self.write("failed", job_id, code)

    def deliver(self, delivery_id: str, round_number: int, attempt: int) -> None:
        self.write("delivered", delivery_id, attempt)


class ToyHouse:
    def beat(self, executor: str, queues: Sequence[str]) -> None: ...
    def leave(self, executor: str) -> None: ...
    def tidy(self) -> None: ...


def main(values: dict[str, Any]) -> None:
    folder, url = Path(values["folder"]), values["url"]
    engine = create_engine(url, begins_itself=True)
    locks = (
        FileLocks(folder / "locks")
        if is_sqlite(url)
        else PostgresLocks(sa.create_engine(url, poolclass=sa.NullPool))
    )
    options = WorkerOptions(
        executor=values["executor"],
        queues=tuple(values["queues"]),
        polling_s=0.05,
        beat_s=0.2,
        drain_s=values.get("drain_s", 0.5),
        is_supervised=True,
    )
    work = ToyWork(folder, values["executor"])
    durable = Durable(create_engine(url, begins_itself=True))
    run_worker(options, engine, durable, locks, work, ToyHouse(), lambda: work.write("ready"))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
