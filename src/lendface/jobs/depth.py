"""How much waits in each queue, in one cheap look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from .work import CONTROL, QUICK, RENDER_QUEUES

SCHEMA = "dbos"  # on PostgreSQL
WAITING, RUNNING = "ENQUEUED", "PENDING"
QUEUES = (*CONTROL, QUICK, *RENDER_QUEUES)


@dataclass(frozen=True)
class Depth:
    """One queue."""

    waiting: int = 0
    running: int = 0
    oldest_ms: int | None = None  # when what waits longest was put in


def read_depths(connection: sa.Connection) -> Mapping[str, Depth]:
    """Every queue's depth, by its name; all the work is done by the database.

    The durable engine has no word for this: it lists workflows one by one.
    """
    workflows = sa.table(
        "workflow_status",
        sa.column("queue_name", sa.Text),
        sa.column("status", sa.Text),
        sa.column("created_at", sa.BigInteger),
        schema=None if connection.dialect.name == "sqlite" else SCHEMA,
    ).c
    # Written out, not bound: only so is the engine's index of what is in flight of any use.
    in_flight = [sa.literal_column(f"'{word}'") for word in (WAITING, RUNNING)]
    is_waiting = workflows.status == in_flight[0]
    query = (
        sa.select(
            workflows.queue_name,
            sa.func.count().filter(is_waiting),
            sa.func.count().filter(~is_waiting),
            sa.func.min(workflows.created_at).filter(is_waiting),
        )
        .where(workflows.status.in_(in_flight), workflows.queue_name.in_(QUEUES))
        .group_by(workflows.queue_name)
    )
    found = {queue: Depth(*numbers) for queue, *numbers in connection.execute(query)}
    return {queue: found.get(queue, Depth()) for queue in QUEUES}
