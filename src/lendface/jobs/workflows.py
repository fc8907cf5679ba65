"""The story of a job. A killed worker resumes it at the first unfinished task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Semaphore
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error

from ..errors import InternalError, LendfaceError
from .attempts import Attempts, Outcome, Task
from .durable import (
    DELIVERY,
    FETCH_FIRST,
    JOB,
    NOBODY,
    TASK,
    VERSION,
    Durable,
    job_workflow,
    task_workflow,
)
from .gate import Gate
from .reaper import InHand
from .waiting import Waiting
from .work import CHUNK, FETCH, FINISH, JOBS, JOIN, PROBE, QUICK, SCAN, Work

log = logging.getLogger("lendface.jobs")

HERE_AT_A_TIME = 32  # light tasks in one worker; the other jobs in hand wait
LATER_STAGES_FIRST = {JOIN: 0, CHUNK: 1, SCAN: 2, PROBE: 3}


class Ended(Exception):
    """The job has failed, or nobody wants it any more."""

    def __init__(self, error: tuple[str, str] | None = None) -> None:
        self.error = error


def register(
    work: Work,
    attempts: Attempts,
    gate: Gate,
    in_hand: InHand,
    durable: Durable,
    polling_s: float,
) -> None:
    """Declare the workflows; once in a process, before the engine is launched."""
    waiting, here_at_a_time = Waiting(durable.find_ended, polling_s), Semaphore(HERE_AT_A_TIME)

    @DBOS.step(name="do_task")
    def do_task(job_id: str, run: int, task: str, is_apart: bool = False) -> Outcome:
        return attempts.do(Task(job_id, run, task, is_apart))

    @DBOS.step(name="fail_job")
    def fail_job(job_id: str, run: int, code: str, message: str) -> None:
        _told(lambda: attempts.surely(lambda: work.fail(job_id, run, code, message)))
        _told(lambda: attempts.surely(lambda: durable.cancel_tasks(job_id, run)))

    @DBOS.step(name="deliver")
    def deliver(delivery_id: str, round_number: int, attempt: int, postponed: int) -> None:
        message = delivery_id, round_number, attempt, postponed
        _told(lambda: attempts.surely(lambda: work.deliver(*message)))

    # Attempts are counted by ``Attempts``, so the engine's own limit is off for all but messages.

    @DBOS.workflow(name=TASK, max_recovery_attempts=None)
    def run_task(job_id: str, run: int, task: str) -> Outcome:
        with held(), gate.inside():
            return do_task(job_id, run, task)

    @DBOS.workflow(name=DELIVERY)
    def run_delivery(delivery_id: str, round_number: int, attempt: int, postponed: int = 0) -> None:
        with held(), gate.inside(is_apart=True):
            deliver(delivery_id, round_number, attempt, postponed)

    @DBOS.workflow(name=FETCH_FIRST, max_recovery_attempts=None)
    def run_fetch(job_id: str, run: int, render_queue: str, priority: int, client_id: str) -> str:
        """Fetch what lies elsewhere; then the job is put in, and takes up no place before."""

        def go() -> None:
            with gate.inside(is_apart=True):
                has_more = _value_of(do_task(job_id, run, FETCH, is_apart=True))
            with (
                SetWorkflowID(job_workflow(job_id, run)),
                SetEnqueueOptions(
                    priority=priority, app_version=VERSION, queue_partition_key=client_id
                ),
            ):
                rest = job_id, run, render_queue, priority, client_id, has_more
                DBOS.enqueue_workflow(JOBS, run_job, *rest)

        return tell(job_id, run, go)

    @DBOS.workflow(name=JOB, max_recovery_attempts=None)
    def run_job(
        job_id: str,
        run: int,
        render_queue: str,
        priority: int,
        client_id: str = NOBODY,
        has_more: bool | None = None,
    ) -> str:
        """Probe, scan and plan, render chunk by chunk, join, tell.

        ``has_more``: whether there is more to do than to fetch, where that was done; None: its
        files are here or were sent here, and that is looked at first.
        """

        def here(task: str) -> Any:
            with here_at_a_time, gate.inside():
                return _value_of(do_task(job_id, run, task))

        def there(tasks: Sequence[str]) -> list[Any]:
            handles = []
            for task in tasks:
                queue = QUICK if task == PROBE else render_queue
                with (
                    SetWorkflowID(task_workflow(job_id, run, task)),
                    SetEnqueueOptions(
                        priority=rank(task, priority),
                        app_version=VERSION,
                        queue_partition_key=client_id,
                    ),
                ):
                    handles.append(DBOS.enqueue_workflow(queue, run_task, job_id, run, task))
            return [_value_of(result(handle)) for handle in handles]

        def go() -> None:
            is_to_be_done = here(FETCH) if has_more is None else has_more
            if is_to_be_done and there([PROBE]) == [True]:
                [chunks] = there([SCAN])
                if chunks:
                    there(chunks)
                    there([JOIN])
            here(FINISH)

        return tell(job_id, run, go)

    def tell(job_id: str, run: int, story: Callable[[], None]) -> str:
        """A story, and where it does not come to its end, why."""
        with held():
            try:
                story()
            except Ended as end:
                if end.error is None:
                    return "stopped"
                error = end.error
            except Exception:
                log.exception("a job's story broke off", extra={"job_id": job_id})
                error = InternalError.code, str(InternalError())
            else:
                return "done"
            with gate.inside():
                fail_job(job_id, run, *error)
            return "failed"

    def result(handle: Any) -> Outcome:
        waiting.wait(handle.get_workflow_id())
        try:
            return handle.get_result(polling_interval_sec=polling_s)
        except dbos_error.DBOSAwaitedWorkflowCancelledError:
            return Outcome(stopped=True)

    @contextmanager
    def held() -> Iterator[None]:
        with in_hand.holding(str(DBOS.workflow_id)):
            yield


def rank(task: str, priority: int) -> int:
    """A task's place among its client's own in its queue; the lowest goes first.

    Of jobs with the same priority the one that is further on goes first: one after the other is
    done sooner, and none later, than all at the same time.

    >>> [rank(task, 50) for task in ("probe", "scan", "chunk/7", "join")]
    [203, 202, 201, 200]
    """
    return priority * len(LATER_STAGES_FIRST) + LATER_STAGES_FIRST[task.split("/")[0]]


def _value_of(outcome: Outcome) -> Any:
    if "error" in outcome:
        code, message = outcome["error"]
        raise Ended((code, message))
    if outcome.get("stopped"):
        raise Ended
    return outcome["value"]


def _told(action: Callable[[], None]) -> None:
    """What goes wrong here goes to the log: nobody waits for it, and done again it would go
    wrong again."""
    try:
        action()
    except LendfaceError as error:
        log.warning("not done", extra={"code": error.code})
    except Exception:
        log.exception("not done")
