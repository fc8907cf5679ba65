"""One task, tried until it is done, has failed, or nobody wants it any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from ..errors import CancelledError, InternalError, LendfaceError, TaskKilledWorkerError
from .gate import Gate, park
from .work import Work

MAX_ATTEMPTS = 3
WAITS_S = (0.5, 1, 2, 4, 8, 16, 30)  # while a database or a bucket is away: a minute in all

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

    @property
    def stage(self) -> str:
        return self.name.split("/")[0]


def do(
    task: Task,
    work: Work,
    gate: Gate,
    executor: str,
    pause: Callable[[float], object] = lambda seconds: threading.Event().wait(seconds),
) -> Outcome:
    """Do a task. Whatever happens is an outcome; only the end of the process is not.

    A task that was begun three times and never ended has killed its worker each time: the attempt
    is written down before the work begins.
    """
    waits = iter(WAITS_S)
    while True:
        try:
            with gate.inside():
                return _once(task, work, gate, executor)
        except _Again as again:
            wait_s = next(waits, None)
            if wait_s is None:
                return _failed(again.cause)
            pause(wait_s)


class _Again(Exception):
    """Something outside of the task is away for a while."""

    def __init__(self, cause: LendfaceError) -> None:
        self.cause = cause


def _once(task: Task, work: Work, gate: Gate, executor: str) -> Outcome:
    key = (task.job_id, task.run, task.name)
    try:
        attempt = work.claim(*key, executor)
        if attempt is None:
            return Outcome(stopped=True)
        if attempt > MAX_ATTEMPTS:
            return _failed(TaskKilledWorkerError(task.stage, MAX_ATTEMPTS))
        return Outcome(value=work.perform(*key, lambda: gate.is_broken_off))
    except CancelledError:
        if gate.is_broken_off:
            work.unclaim(*key)
            gate.leave_for_good()
            park()
        return Outcome(stopped=True)
    except LendfaceError as error:
        if error.may_pass:
            raise _Again(error) from error
        return _failed(error)
    except Exception:
        log.exception("task failed", extra={"job_id": task.job_id, "task": task.name})
        return _failed(InternalError())


def _failed(error: LendfaceError) -> Outcome:
    return Outcome(error=[error.code, str(error)])
