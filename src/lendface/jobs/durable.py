"""The durable engine (DBOS): its tables, its queues, and what is asked of it from outside.

Importing it takes a second, so nothing but a server or a worker does. Whoever puts work in uses
``Durable``; only a worker (``worker.py``) runs any. Both share the application's database, so a
job's row and its place in the queue are written in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, DBOSPortableJSONSerializer
from dbos._serialization import DefaultSerializer  # see ``_read_no_pickle``
from dbos._sys_db import SystemDatabase  # see ``Durable._tables``

from ..errors import DatabaseError
from .depth import read_depths
from .reaper import PendingByQueue
from .work import CONTROL, FETCHING, JOBS, NOTIFY, QUICK, RENDER_QUEUES

APP = "lendface"
VERSION = "1"  # raised only when a running job's story can no longer be gone on with
SERIALIZER = DBOSPortableJSONSerializer()  # what we write; see also ``_read_no_pickle``
SCHEMA = "dbos"

JOB, FETCH_FIRST, TASK, DELIVERY = "job", "fetch", "task", "delivery"  # workflows
# In one worker. Jobs mostly wait for tasks elsewhere, and one that is not in hand cannot overtake.
# Fetches and messages mostly wait for strangers' servers, which costs a thread and little more.
AT_A_TIME = {JOBS: 512, FETCHING: 192, NOTIFY: 256, QUICK: 1} | dict.fromkeys(RENDER_QUEUES, 1)
# Of these, what one client may have. Who has a place free goes before who waits longest: the engine
# asks the clients that have something waiting in random order, each for as much as it may have.
# So no priority of one client's keeps another's film from being rendered.
SHARES = {JOBS: 256, FETCHING: 4, NOTIFY: 4, QUICK: 1} | dict.fromkeys(RENDER_QUEUES, 1)
NOBODY = "-"  # whose the work is that was put in before work was somebody's
UNENDED = ("PENDING", "ENQUEUED", "DELAYED")
ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


def _read_no_pickle(_serializer: object, _text: str) -> Any:
    """The engine reads each row as the row itself says, so a row that says it is pickled would run
    whatever its writer wanted: in a worker, from no more than access to the database."""
    raise ValueError("a pickled value is never read")


setattr(DefaultSerializer, "deserialize", _read_no_pickle)  # noqa: B010 - it is declared a method


class Durable:
    """Puts work into the queues and takes it out again. Runs nothing.

    Everything here raises DatabaseError where the database is away; nothing waits for it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        """``engine`` begins transactions by itself (``create_engine(begins_itself=True)``)."""
        self.engine = engine
        self._client = DBOSClient(
            system_database_engine=engine,
            dbos_system_schema=SCHEMA,
            serializer=SERIALIZER,
            application_name=APP,
            lazy=True,
            retry_connection_errors=False,
        )
        # Two things the client has no word for: to migrate with an engine of our own, and to give
        # back a workflow only while it is still the dead executor's (``resume_workflows`` would
        # take it from the living one that has it by now, and begin a cancelled one again).
        self._tables = SystemDatabase.create(
            system_database_url=str(engine.url),
            engine_kwargs={},
            engine=engine,
            schema=SCHEMA,
            serializer=SERIALIZER,
            executor_id=None,
            use_listen_notify=False,
            app_name=APP,
            retry_connection_errors=False,
        )

    def prepare(self, polling_s: float) -> None:
        """Make or renew the engine's tables and its queues. May be called by several at once."""
        with _told_plainly():
            self._tables.run_migrations()
            for name in (*CONTROL, QUICK, *RENDER_QUEUES):
                self._client.register_queue(
                    name,
                    worker_concurrency=AT_A_TIME[name],
                    partition_worker_concurrency=SHARES[name],
                    polling_interval_sec=polling_s,
                    on_conflict="always_update",
                )
        self.adopt()

    def adopt(self) -> None:
        """Give work that names no client, as an earlier version put it in, a share to go by: from
        a queue with shares the engine takes nothing else."""
        with _told_plainly(), self.engine.begin() as connection:
            name_nobody(connection)

    # Work

    def submit(
        self,
        connection: sa.Connection,
        job_id: str,
        run: int,
        *,
        priority: int,
        render_queue: str,
        client_id: str,
        fetches: bool,
    ) -> None:
        """Queue a run of a job, in the caller's transaction. ``priority`` 1 goes first.

        ``fetches``: its files come from elsewhere, at whatever pace, so it is no job in hand
        before they are there.
        """
        workflow_id = (fetch_workflow if fetches else job_workflow)(job_id, run)
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": FETCH_FIRST if fetches else JOB,
                "queue_name": FETCHING if fetches else JOBS,
                "workflow_id": workflow_id,
                "priority": priority,
                "app_version": VERSION,
                "queue_partition_key": client_id,
            },
            job_id,
            run,
            render_queue,
            priority,
            client_id,
        )

    def submit_delivery(
        self,
        connection: sa.Connection,
        delivery_id: str,
        round_number: int,
        attempt: int,
        delay_s: float,
        *,
        sender: str,
        postponed: int = 0,
    ) -> None:
        """Queue one attempt at sending a message, in the caller's transaction.

        ``sender``: whose share of what is sent at a time it takes. ``postponed``: how often this
        very attempt was put off.
        """
        put_off = f"/{postponed}" if postponed else ""
        options: Any = {
            "workflow_name": DELIVERY,
            "queue_name": NOTIFY,
            "workflow_id": f"{DELIVERY}/{delivery_id}/{round_number}/{attempt}{put_off}",
            "app_version": VERSION,
            "queue_partition_key": sender,
        }
        if delay_s > 0:
            options["delay_seconds"] = delay_s
        self._client.enqueue_in_transaction(
            connection, options, delivery_id, round_number, attempt, postponed
        )

    def cancel(self, job_id: str, run: int) -> None:
        """Take a run and its tasks out of the queues. Tasks that run look at the job's state."""
        with _told_plainly():
            self._client.cancel_workflows(workflows_of(job_id, run), cancel_children=True)

    def cancel_tasks(self, job_id: str, run: int) -> None:
        """Take the tasks of a run that failed out of the queues."""
        with _told_plainly():
            waiting = self._client.list_workflows(
                parent_workflow_id=job_workflow(job_id, run),
                status="ENQUEUED",
                load_input=False,
                load_output=False,
            )
            self._client.cancel_workflows([workflow.workflow_id for workflow in waiting])

    def forget(self, job_id: str, run: int) -> None:
        """Delete what the engine knows of a job whose last run, this one, has ended."""
        runs = [name for number in range(1, run + 1) for name in workflows_of(job_id, number)]
        with _told_plainly():
            self._client.delete_workflows(runs, delete_children=True)

    def forget_deliveries(self, at_a_time: int = 1000) -> int:
        """Delete what the engine knows of attempts that were made. Returns how many there were."""
        count = 0
        while True:
            with _told_plainly():
                ended = self._client.list_workflows(
                    name=DELIVERY,
                    status=list(ENDED),
                    limit=at_a_time,
                    load_input=False,
                    load_output=False,
                )
                self._client.delete_workflows([workflow.workflow_id for workflow in ended])
            count += len(ended)
            if len(ended) < at_a_time:
                return count

    # What is known of it

    def is_at(self, job_id: str, run: int) -> bool:
        """Whether the engine has this run of a job before it or in hand."""
        with _told_plainly():
            found = self._client.list_workflows(
                workflow_ids=workflows_of(job_id, run), load_input=False, load_output=False
            )
        return any(workflow.status in UNENDED for workflow in found)

    def find_ended(self, workflow_ids: Collection[str]) -> list[str]:
        """Which of them have ended, in whatever way."""
        with _told_plainly():
            ended = self._client.list_workflows(
                workflow_ids=list(workflow_ids),
                status=list(ENDED),
                load_input=False,
                load_output=False,
            )
        return [workflow.workflow_id for workflow in ended]

    def depth_by_queue(self) -> dict[str, int]:
        """How many workflows wait in each queue."""
        with _told_plainly(), self.engine.connect() as connection:
            return {queue: depth.waiting for queue, depth in read_depths(connection).items()}

    # For the reaper

    def pending_by_executor(self, executor: str | None = None) -> dict[str, PendingByQueue]:
        """What each executor, or this one, is said to do: executor -> queue -> workflow ids."""
        with _told_plainly():
            pending = self._client.list_workflows(
                status="PENDING", executor_id=executor, load_input=False, load_output=False
            )
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for workflow in pending:
            if workflow.executor_id and workflow.queue_name:
                found[workflow.executor_id][workflow.queue_name].append(workflow.workflow_id)
        return dict(found)

    def requeue(self, executor: str, queue: str, workflow_ids: Sequence[str]) -> int:
        """Give work back to the queue it came from, where it is still ``executor``'s.

        Returns how much of it was.
        """
        with _told_plainly():
            return sum(
                self._tables.reenqueue_for_recovery(workflow_id, [executor], queue)
                for workflow_id in workflow_ids
            )

    def close(self) -> None:
        self._client.destroy()
        self._tables.destroy()
        self.engine.dispose()


@contextmanager
def _told_plainly() -> Iterator[None]:
    """What a driver says of an outage, often with an address in it, becomes our own error."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as fault:
        raise DatabaseError from fault
    except sa.exc.DBAPIError as fault:
        if not fault.connection_invalidated:
            raise
        raise DatabaseError from fault


def name_nobody(connection: sa.Connection) -> None:
    """As whose work it is, where that is not said; the engine has no word for it."""
    table = sa.table(
        "workflow_status",
        sa.column("queue_name", sa.Text),
        sa.column("queue_partition_key", sa.Text),
        sa.column("status", sa.Text),
        schema=None if connection.dialect.name == "sqlite" else SCHEMA,
    )
    connection.execute(
        table.update()
        .where(
            table.c.status.in_([sa.literal_column(f"'{status}'") for status in UNENDED]),
            table.c.queue_name.in_(SHARES),
            table.c.queue_partition_key.is_(None),
        )
        .values(queue_partition_key=NOBODY)
    )


def workflows_of(job_id: str, run: int) -> list[str]:
    """What tells the story of a run; each but the first is the child of the one before."""
    return [fetch_workflow(job_id, run), job_workflow(job_id, run)]


def fetch_workflow(job_id: str, run: int) -> str:
    return f"{FETCH_FIRST}/{job_id}/{run}"


def job_workflow(job_id: str, run: int) -> str:
    return f"{JOB}/{job_id}/{run}"


def task_workflow(job_id: str, run: int, task: str) -> str:
    return f"{TASK}/{job_id}/{run}/{task}"
