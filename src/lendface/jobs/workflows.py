"""The story of a job. A killed worker resumes it at the first unfinished task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dbos import DBOS, SetEnqueueOptions, SetWorkflowID
from dbos import error as dbos_error

from .attempts import Outcome, Task, do
from .durable import DELIVERY, JOB, TASK, VERSION, task_workflow
from .gate import Gate
from .work import FETCH, FINISH, JOIN, PROBE, QUICK, SCAN, Work


class Ended(Exception):
    """The job has failed, or nobody wants it any more."""

    def __init__(self, error: tuple[str, str] | None = None) -> None:
        self.error = error


def register(work: Work, gate: Gate, executor: str, polling_s: float) -> None:
    """Declare the workflows; once in a process, before the engine is launched."""

    @DBOS.step(name="do_task")
    def do_task(job_id: str, run: int, task: str) -> Outcome:
        return do(Task(job_id, run, task), work, gate, executor)

    @DBOS.step(name="fail_job")
    def fail_job(job_id: str, run: int, code: str, message: str) -> None:
        with gate.inside():
            work.fail(job_id, run, code, message)

    @DBOS.step(name="deliver")
    def deliver(delivery_id: str, round_number: int, attempt: int) -> None:
        with gate.inside():
            work.deliver(delivery_id, round_number, attempt)

    @DBOS.workflow(name=TASK)
    def run_task(job_id: str, run: int, task: str) -> Outcome:
        return do_task(job_id, run, task)

    @DBOS.workflow(name=DELIVERY)
    def run_delivery(delivery_id: str, round_number: int, attempt: int) -> None:
        deliver(delivery_id, round_number, attempt)

    @DBOS.workflow(name=JOB)
    def run_job(job_id: str, run: int, render_queue: str, priority: int) -> str:
        """Fetch, probe, scan and plan, render chunk by chunk, join, tell."""

        def here(task: str) -> Any:
            return _value_of(do_task(job_id, run, task))

        def there(queue: str, tasks: Sequence[str]) -> list[Any]:
            handles = []
            for task in tasks:
                with (
                    SetWorkflowID(task_workflow(job_id, run, task)),
                    SetEnqueueOptions(priority=priority, app_version=VERSION),
                ):
                    handles.append(DBOS.retrieve_queue(queue).enqueue(run_task, job_id, run, task))
            return [_value_of(_result(handle, polling_s)) for handle in handles]

        try:
            if here(FETCH) and there(QUICK, [PROBE]) == [True]:
                [chunks] = there(render_queue, [SCAN])
                if chunks:
                    there(render_queue, chunks)
                    there(render_queue, [JOIN])
            here(FINISH)
        except Ended as end:
            if end.error:
                fail_job(job_id, run, *end.error)
                return "failed"
            return "stopped"
        return "done"


def _result(handle: Any, polling_s: float) -> Outcome:
    try:
        return handle.get_result(polling_interval_sec=polling_s)
    except dbos_error.DBOSAwaitedWorkflowCancelledError:
        return Outcome(stopped=True)


def _value_of(outcome: Outcome) -> Any:
    if "error" in outcome:
        code, message = outcome["error"]
        raise Ended((code, message))
    if outcome.get("stopped"):
        raise Ended
    return outcome["value"]
