"""A worker process: takes work from its queues until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
from dbos import DBOS

from ..errors import ExecutorTakenError
from .durable import APP, SCHEMA, SERIALIZER, VERSION, Durable
from .gate import Gate
from .locks import Locks
from .reaper import Reaper, alive
from .work import JOBS, Work
from .workflows import register

log = logging.getLogger("lendface.jobs")

CHORES = "chores"
UNCLAIM_S = 5.0  # for tasks that are broken off to say so


class House(Protocol):
    """What has to be looked after beside the tasks."""

    def beat(self, executor: str, queues: Sequence[str]) -> None:
        """This worker lives."""
        ...

    def leave(self, executor: str) -> None:
        """This worker ends in good order."""
        ...

    def tidy(self) -> None:
        """Time-outs, waiting jobs, old files. Called by one worker at a time."""
        ...


@dataclass(frozen=True)
class WorkerOptions:
    executor: str  # the same again after a restart, and never two alive
    queues: tuple[str, ...]
    polling_s: float = 0.2
    beat_s: float = 2.0
    drain_s: float = 20.0  # how long running tasks may go on after SIGTERM
    is_supervised: bool = False  # a parent holds our standard input open while it lives


def run_worker(
    options: WorkerOptions,
    engine: sa.Engine,
    durable: Durable,
    locks: Locks,
    work: Work,
    house: House,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Work until SIGTERM, SIGINT or the parent's end. Does not return: it ends the process.

    ``engine`` is for the durable engine alone. Raises ExecutorTakenError where another process
    works under the same name.
    """
    if not locks.hold(alive(options.executor)):
        raise ExecutorTakenError(options.executor)
    gate, stop, reaper = Gate(), Stop(), Reaper(durable, locks)
    stop.listen(watch_parent=options.is_supervised)
    house.beat(options.executor, options.queues)
    reaper.reap_own(options.executor)
    launch(options, engine, work, gate)
    keeper = Keeper(options, locks, reaper, house, stop.event)
    keeper.start()
    on_ready()
    stop.event.wait()
    has_ended = gate.close(0 if stop.is_orphan else options.drain_s)
    if not has_ended:
        gate.wait_until_empty(UNCLAIM_S)
    keeper.say_goodbye()
    sys.stdout.flush()
    sys.stderr.flush()
    # What still waits in threads is somebody else's from now on; nothing of it may be written
    # down as an outcome, so there is no orderly end of the interpreter.
    os._exit(0)


def launch(options: WorkerOptions, engine: sa.Engine, work: Work, gate: Gate) -> None:
    """Start the durable engine in this process."""
    config: Any = {
        "name": APP,
        "system_database_engine": engine,
        "dbos_system_schema": SCHEMA,
        "executor_id": options.executor,
        "application_version": VERSION,
        "serializer": SERIALIZER,
        "log_level": "ERROR",
        "run_migrations": False,
        "use_listen_notify": engine.dialect.name == "postgresql",
    }
    DBOS(config=config)
    register(work, gate, options.executor, options.polling_s)
    DBOS.listen_queues(list(options.queues))
    DBOS.launch()


class Stop:
    """The end, however it is announced."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.is_orphan = False

    def listen(self, *, watch_parent: bool) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.event.set())
        if watch_parent:
            threading.Thread(target=self._watch_parent, daemon=True, name="parent").start()

    def _watch_parent(self) -> None:
        """The parent never writes; the end of our input is its end."""
        os.read(sys.stdin.fileno(), 1)
        self.is_orphan = True
        self.event.set()


class Keeper(threading.Thread):
    """Says that this worker lives, finds those that do not, and keeps house."""

    def __init__(
        self,
        options: WorkerOptions,
        locks: Locks,
        reaper: Reaper,
        house: House,
        stop: threading.Event,
    ) -> None:
        super().__init__(daemon=True, name="keeper")
        self._options, self._locks, self._reaper = options, locks, reaper
        self._house, self._stop = house, stop

    def run(self) -> None:
        while not self._stop.wait(self._options.beat_s):
            self.round()

    def round(self) -> None:
        """One look at everything. A database that is away is asked again in the next round."""
        try:
            self._locks.keep()
            self._house.beat(self._options.executor, self._options.queues)
            self._reaper.sweep()
            if JOBS in self._options.queues:
                with self._locks.borrow(CHORES) as is_mine:
                    if is_mine:
                        self._house.tidy()
        except Exception as fault:
            log.warning("housekeeping was put off", extra={"reason": type(fault).__name__})

    def say_goodbye(self) -> None:
        try:
            self._house.leave(self._options.executor)
        except Exception as fault:
            log.warning("no goodbye", extra={"reason": type(fault).__name__})
