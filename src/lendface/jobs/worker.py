"""A worker process: takes work from its queues until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import sqlalchemy as sa
from dbos import DBOS
from dbos import error as dbos_error

from ..errors import ExecutorTakenError
from .attempts import Attempts
from .chores import Chore, Chores
from .durable import APP, SCHEMA, SERIALIZER, VERSION, Durable
from .gate import Gate
from .locks import Locks
from .reaper import InHand, Reaper, alive
from .work import JOBS, Work
from .workflows import register

log = logging.getLogger("lendface.jobs")

ENDS = (signal.SIGTERM, signal.SIGINT)
FORGET_S = 60.0  # between two looks at what messages left behind in the engine
LOST_ROUNDS = 5  # in a row, after which our name is somebody else's
TAKE_STEP_S = 0.2
GOODBYE_S = 1.0  # for the keeper to end its round


class House(Protocol):
    """What has to be looked after beside the tasks."""

    def beat(self, executor: str, queues: Sequence[str]) -> None:
        """This worker lives."""
        ...

    def leave(self, executor: str) -> None:
        """This worker ends in good order."""
        ...

    def chores(self) -> Sequence[tuple[str, float, Callable[[], None]]]:
        """Time-outs, waiting jobs, old files: each by name, with the seconds between two turns.

        Each is done by one worker at a time, and beside the others."""
        ...


@dataclass(frozen=True)
class WorkerOptions:
    executor: str  # the same again after a restart, and never two alive
    queues: tuple[str, ...]
    polling_s: float = 0.2
    beat_s: float = 2.0
    drain_s: float = 20.0  # how long running tasks may go on after SIGTERM
    unclaim_s: float = 5.0  # and then, for those that are broken off to say so
    take_s: float = 2.0  # how long to try for our name: a reaper may look at it just now
    is_supervised: bool = False  # a parent holds our standard input open while it lives


def run_worker(
    options: WorkerOptions,
    engine: sa.Engine,
    durable: Durable,
    locks: Locks,
    work: Work,
    house: House,
    on_ready: Callable[[], None] = lambda: None,
    tidy: Callable[[], None] = lambda: None,
    close: Callable[[], None] = lambda: None,
) -> NoReturn:
    """Work until SIGTERM, SIGINT or the parent's end. Does not return: it ends the process.

    ``tidy`` puts this worker's own things in order, in every round of its keeper; ``close`` leaves
    nothing of them. ``engine`` is for the durable engine alone. Raises ExecutorTakenError where
    another process works under the same name, DatabaseError.
    """
    take_name(options, locks)
    gate, in_hand, stop = Gate(), InHand(), Stop()
    attempts, reaper = Attempts(work, gate, options.executor), Reaper(durable, locks)
    stop.listen(watch_parent=options.is_supervised)
    reaper.reap_own(options.executor)
    status = 1
    try:
        launch(
            options,
            engine,
            lambda: register(work, attempts, gate, in_hand, durable, options.polling_s),
        )
        keeper = Keeper(options, locks, reaper, house, in_hand, stop, tidy)
        keeper.start()
        if JOBS in options.queues:
            Chores(chores_of(house, durable), locks, stop.event).start()
        on_ready()
        stop.wait()
        if not gate.close(0 if stop.is_orphan else options.drain_s):
            gate.wait_until_empty(options.unclaim_s)
        attempts.give_back_all()
        keeper.say_goodbye()
        status = 0
    except Exception:
        log.exception("the worker broke")
    finally:
        _try(close, "own files were left")
        leave_now(status)


def chores_of(house: House, durable: Durable) -> Sequence[Chore]:
    chores = [Chore(*chore) for chore in house.chores()]
    return [
        *chores,
        Chore("deliveries", FORGET_S, durable.forget_deliveries),
        Chore("adoption", FORGET_S, durable.adopt),  # an API process of before may live on
    ]


def leave_now(status: int) -> NoReturn:
    """End the process. What still waits in threads is somebody else's from now on; nothing of it
    may be written down as an outcome, so there is no orderly end of the interpreter."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # closed, or nobody reads it any more
            stream.flush()
    os._exit(status)


def take_name(options: WorkerOptions, locks: Locks) -> None:
    """Raises ExecutorTakenError."""
    name, tries = alive(options.executor), 1 + round(options.take_s / TAKE_STEP_S)
    for tries_left in reversed(range(tries)):
        if locks.hold(name):
            return
        if tries_left:
            threading.Event().wait(TAKE_STEP_S)
    raise ExecutorTakenError(options.executor)


def launch(options: WorkerOptions, engine: sa.Engine, declare: Callable[[], None]) -> None:
    """Start the durable engine in this process."""
    engine_log = logging.getLogger("dbos")
    engine_log.addHandler(logging.NullHandler())  # or it brings its own; ours are at the root
    engine_log.addFilter(_is_worth_a_line)
    config: Any = {
        "name": APP,
        "system_database_engine": engine,
        "dbos_system_schema": SCHEMA,
        "executor_id": options.executor,
        "application_version": VERSION,
        "serializer": SERIALIZER,
        "log_level": "WARNING",
        "run_migrations": False,
        "use_listen_notify": False,  # we wait for nothing that it would tell
    }
    DBOS(config=config)
    declare()
    DBOS.listen_queues(list(options.queues))
    DBOS.launch()


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Not where somebody cancelled a job that was running."""
    fault = record.exc_info[1] if record.exc_info else None
    return not isinstance(fault, dbos_error.DBOSAwaitedWorkflowCancelledError)


class Stop:
    """The end, however it is announced."""

    def __init__(self, parent_file: int = 0) -> None:
        """``parent_file`` is a file number whose other end the parent holds: standard input."""
        self.event = threading.Event()
        self.is_orphan = False
        self._parent_file = parent_file
        # A signal that comes just before we begin to wait for a lock or an event does not end the
        # wait; what it has written into a pipe by then is there to be read.
        self._news, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def listen(self, *, watch_parent: bool) -> None:
        """From the main thread."""
        signal.set_wakeup_fd(self._writer)
        for number in ENDS:
            signal.signal(number, _let_pass)
        if watch_parent:
            threading.Thread(target=self._watch_parent, daemon=True, name="parent").start()

    def announce(self) -> None:
        """From any thread."""
        with suppress(BlockingIOError):  # announced thousands of times already
            os.write(self._writer, b"\0")

    def wait(self) -> None:
        while os.read(self._news, 1)[0] not in (0, *ENDS):
            pass
        self.event.set()

    def _watch_parent(self) -> None:
        """The end of our input is the parent's end; what it may write is nothing to us."""
        with suppress(OSError):  # no input at all: no parent either
            while os.read(self._parent_file, 1024):
                pass
        self.is_orphan = True
        self.announce()


def _let_pass(_number: int, _frame: object) -> None:
    """The signal's number is in the pipe; without a handler it would end us at once."""


class Keeper(threading.Thread):
    """Says that this worker lives, and finds work that nobody does."""

    def __init__(
        self,
        options: WorkerOptions,
        locks: Locks,
        reaper: Reaper,
        house: House,
        in_hand: InHand,
        stop: Stop,
        tidy_own: Callable[[], None],
    ) -> None:
        super().__init__(daemon=True, name="keeper")
        self._tidy_own = tidy_own
        self._options, self._locks, self._reaper = options, locks, reaper
        self._house, self._in_hand, self._end = house, in_hand, stop
        self._has_name = True
        self._lost_rounds = 0  # in a row

    def run(self) -> None:
        self.round()
        while not self._end.event.wait(self._options.beat_s):
            self.round()

    def round(self) -> None:
        """One look at everything. What cannot be done now is done in the next round."""
        for look in (
            self._keep_name,
            self._beat,
            self._sweep,
            self._sweep_own,
            self._tidy_own,
        ):
            _try(look, "housekeeping was put off")

    def say_goodbye(self) -> None:
        """The others see at once that we are gone, and that what we had is free."""
        self.join(GOODBYE_S)
        executor = self._options.executor
        _try(lambda: self._house.leave(executor), "no goodbye")
        if self._has_name:
            _try(lambda: self._reaper.reap_own(executor), "no goodbye")

    def _keep_name(self) -> None:
        """Another process may have taken our name while the database was away: it stays theirs."""
        self._has_name = False
        self._has_name = self._locks.keep()
        self._lost_rounds = 0 if self._has_name else self._lost_rounds + 1
        if self._lost_rounds == LOST_ROUNDS:
            log.error("another worker has our name", extra={"executor": self._options.executor})
            self._end.announce()

    def _beat(self) -> None:
        self._house.beat(self._options.executor, self._options.queues)

    def _sweep(self) -> None:
        self._reaper.sweep()

    def _sweep_own(self) -> None:
        if self._has_name:  # or it may be another's of our name
            self._reaper.sweep_own(self._options.executor, self._in_hand.ids())


def _try(action: Callable[[], object], what_if_not: str) -> None:
    try:
        action()
    except Exception as fault:
        log.warning(what_if_not, extra={"reason": type(fault).__name__})
