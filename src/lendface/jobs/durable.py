"""The durable engine (DBOS): its tables, its queues, and what is asked of it from outside.

Importing it takes a second, so nothing but a server or a worker does. Whoever puts work in uses
``Durable``; only a worker (``worker.py``) runs any. Both share the application's database, so a
job's row and its place in the queue are written in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer
from dbos import error as dbos_error
from dbos._sys_db import SystemDatabase  # the only way to migrate with an engine of our own

from .work import CONTROL, JOBS, NOTIFY, QUICK, RENDER_QUEUES

APP = "lendface"
VERSION = "1"  # raised only when a running job's story can no longer be gone on with
SERIALIZER = DBOSPortableJSONSerializer()  # never pickle: the database must not be able to run code
SCHEMA = "dbos"

JOB, TASK, DELIVERY = "job", "task", "delivery"  # workflows
AT_A_TIME = {JOBS: 32, NOTIFY: 4, QUICK: 1} | dict.fromkeys(RENDER_QUEUES, 1)  # in one worker


class Durable:
    """Puts work into the queues and takes it out again. Runs nothing."""

    def __init__(self, engine: sa.Engine) -> None:
        """``engine`` begins transactions by itself (``create_engine(begins_itself=True)``)."""
        self.engine = engine
        self._client = DBOSClient(
            system_database_engine=engine,
            dbos_system_schema=SCHEMA,
            serializer=SERIALIZER,
            application_name=APP,
            lazy=True,
        )

    def prepare(self, polling_s: float) -> None:
        """Make or renew the engine's tables and its queues. May be called by several at once."""
        database = SystemDatabase.create(
            system_database_url=str(self.engine.url),
            engine_kwargs={},
            engine=self.engine,
            schema=SCHEMA,
            serializer=SERIALIZER,
            executor_id=None,
        )
        database.run_migrations()
        for name in (*CONTROL, QUICK, *RENDER_QUEUES):
            self._client.register_queue(
                name,
                worker_concurrency=AT_A_TIME[name],
                polling_interval_sec=polling_s,
                on_conflict="always_update",
            )

    def submit(
        self,
        connection: sa.Connection,
        job_id: str,
        run: int,
        *,
        priority: int,
        render_queue: str,
    ) -> None:
        """Queue a run of a job, in the caller's transaction. ``priority`` 1 goes first."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": JOB,
                "queue_name": JOBS,
                "workflow_id": job_workflow(job_id, run),
                "priority": priority,
                "app_version": VERSION,
            },
            job_id,
            run,
            render_queue,
            priority,
        )

    def submit_delivery(
        self,
        connection: sa.Connection,
        delivery_id: str,
        round_number: int,
        attempt: int,
        delay_s: float,
    ) -> None:
        """Queue one attempt at sending a message, in the caller's transaction."""
        options: Any = {
            "workflow_name": DELIVERY,
            "queue_name": NOTIFY,
            "workflow_id": f"{DELIVERY}/{delivery_id}/{round_number}/{attempt}",
            "app_version": VERSION,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        self._client.enqueue_in_transaction(connection, options, delivery_id, round_number, attempt)

    def cancel(self, job_id: str, run: int) -> None:
        """Take a run and its tasks out of the queues. Tasks that run look at the job's state."""
        try:
            self._client.cancel_workflow(job_workflow(job_id, run), cancel_children=True)
        except dbos_error.DBOSNonExistentWorkflowError:
            return

    def forget(self, job_id: str, run: int) -> None:
        """Delete what the engine knows of a run that has ended."""
        self._client.delete_workflow(job_workflow(job_id, run), delete_children=True)

    def is_at(self, job_id: str, run: int) -> bool:
        """Whether the engine has this run of a job before it or in hand."""
        found = self._client.list_workflows(
            workflow_ids=[job_workflow(job_id, run)], load_input=False, load_output=False
        )
        return any(w.status in ("PENDING", "ENQUEUED", "DELAYED") for w in found)

    def pending_by_executor(self) -> dict[str, dict[str, list[str]]]:
        """What each executor is doing: executor -> queue -> workflow ids."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for workflow in self._client.list_workflows(status="PENDING", load_input=False):
            if workflow.executor_id and workflow.queue_name:
                found[workflow.executor_id][workflow.queue_name].append(workflow.workflow_id)
        return found

    def requeue(self, queue: str, workflow_ids: Sequence[str]) -> None:
        """Give the work of a dead executor back to the queue it came from."""
        self._client.resume_workflows(list(workflow_ids), queue_name=queue)

    def depth_by_queue(self) -> dict[str, int]:
        """How many workflows wait in each queue."""
        depths = dict.fromkeys((*CONTROL, QUICK, *RENDER_QUEUES), 0)
        for workflow in self._client.list_workflows(
            status="ENQUEUED", load_input=False, load_output=False
        ):
            depths[workflow.queue_name or JOBS] = depths.get(workflow.queue_name or JOBS, 0) + 1
        return depths

    def close(self) -> None:
        self._client.destroy()
        self.engine.dispose()


def job_workflow(job_id: str, run: int) -> str:
    return f"{JOB}/{job_id}/{run}"


def task_workflow(job_id: str, run: int, task: str) -> str:
    return f"{TASK}/{job_id}/{run}/{task}"
