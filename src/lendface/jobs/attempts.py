"""One task, tried until it is done, has failed, or nobody wants it any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, TypedDict, TypeVar

from ..errors import (
    CancelledError,
    DiskFullError,
    InternalError,
    LendfaceError,
    TaskKilledWorkerError,
)
from .gate import Gate
from .work import Work

T = TypeVar("T")

MAX_ATTEMPTS = 3
WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # while a bucket is away: a minute in all

log = logging.getLogger("lendface.jobs")


class Outcome(TypedDict, total=False):
    """What is written down of a task: exactly one of these, in plain values."""

    value: Any
    error: list[str]  # code, sentence
    stopped: bool


@dataclass(frozen=True)
class Task:
    job_id: str
    run: int
    name: str
    is_apart: bool = False  # as ``Gate.inside`` has it

    @property
    def key(self) -> tuple[str, int, str]:
        return self.job_id, self.run, self.name

    @property
    def stage(self) -> str:
        return self.name.split("/")[0]


class Attempts:
    """What one worker tries. Every call comes from inside the gate.

    An attempt is written down before the work begins, so a task that was begun three times and
    never ended has ended its worker each time. Through no fault of its own it is given back: when
    the worker is told to stop, and while something outside of it is away.
    """

    def __init__(
        self, work: Work, gate: Gate, executor: str, waits_s: Sequence[float] = WAITS_S
    ) -> None:
        self._work, self._gate, self._executor, self._waits_s = work, gate, executor, waits_s
        self._lock = threading.Lock()
        self._in_hand: set[Task] = set()

    def do(self, task: Task) -> Outcome:
        """Do a task. Whatever happens is an outcome; only the end of the process is not."""
        try:
            waits_s = iter(self._waits_s)
            while True:
                try:
                    return self._attempt(task)
                except LendfaceError as error:
                    wait_s = next(waits_s, None)
                    if not error.may_pass or wait_s is None:
                        return _failed(error)
                    self._wait(wait_s, error)
        except Exception:
            log.exception("task failed", extra={"job_id": task.job_id, "task": task.name})
            return _failed(InternalError())

    def surely(self, action: Callable[[], T]) -> T:
        """Until it is done: a database that is away or has no room is waited for, however long."""
        for wait_s in self._for_ever():
            try:
                return action()
            except LendfaceError as error:
                if not (error.may_pass or isinstance(error, DiskFullError)):
                    raise
                self._wait(wait_s, error)
        raise AssertionError

    def give_back_all(self) -> None:
        """For the end of the process: what still runs did not fail."""
        with self._lock:
            left = list(self._in_hand)
        for task in left:
            self._unclaim_if_possible(task)

    def _attempt(self, task: Task) -> Outcome:
        attempt = self._claim(task)
        if attempt != MAX_ATTEMPTS or task.is_apart:
            return self._perform(task, attempt)
        # It was there when its worker ended twice, perhaps only beside the task that did it. Alone
        # it can neither be blamed for another nor another for it.
        self._give_back(task)
        with self._gate.alone():
            return self._perform(task, self._claim(task))

    def _perform(self, task: Task, attempt: int | None) -> Outcome:
        try:
            if attempt is None:
                return Outcome(stopped=True)
            if attempt > MAX_ATTEMPTS:
                return _failed(TaskKilledWorkerError(task.stage, MAX_ATTEMPTS))
            return Outcome(value=self._work.perform(*task.key, lambda: self._gate.is_broken_off))
        except CancelledError:
            if self._gate.is_broken_off:
                self._unclaim_if_possible(task)
                self._gate.leave_for_good()
            return Outcome(stopped=True)
        except LendfaceError as error:
            if error.may_pass:
                self._give_back(task)
            raise
        finally:
            self._put_down(task)

    # Counting

    def _claim(self, task: Task) -> int | None:
        attempt = self.surely(lambda: self._work.claim(*task.key, self._executor))
        if attempt is not None:
            with self._lock:
                self._in_hand.add(task)
        return attempt

    def _give_back(self, task: Task) -> None:
        if self._put_down(task):
            self.surely(lambda: self._work.unclaim(*task.key))

    def _unclaim_if_possible(self, task: Task) -> None:
        if not self._put_down(task):
            return
        try:
            self._work.unclaim(*task.key)
        except Exception as fault:
            log.warning("an attempt stays counted", extra={"reason": type(fault).__name__})

    def _put_down(self, task: Task) -> bool:
        """Whether it was in hand until now: of two that give a task back one really does."""
        with self._lock:
            was_in_hand = task in self._in_hand
            self._in_hand.discard(task)
            return was_in_hand

    # Waiting

    def _for_ever(self) -> Iterator[float]:
        return chain(self._waits_s, repeat(self._waits_s[-1]))

    def _wait(self, wait_s: float, error: LendfaceError) -> None:
        log.warning("tried again in a while", extra={"code": error.code})
        self._gate.pause(wait_s)
        if self._gate.is_closed:
            self._gate.leave_for_good()


def _failed(error: LendfaceError) -> Outcome:
    return Outcome(error=[error.code, str(error)])
