"""Webhooks: written down with the fact they tell, and sent until somebody takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import LendfaceError, NotFoundError
from ..net.fetch import post
from ..net.schedule import next_delay_s
from ..storage.database import lock_row
from ..storage.tables import deliveries, endpoints
from .office import Message, Office, TellsStart

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
SUPERSEDED = "superseded"
GONE = 410  # the receiver wants no more

Row = Mapping[str, Any]


def announce(connection: sa.Connection, office: Office, job: Row) -> None:
    """Line up what a job's client wants to be told now, in the caller's transaction."""
    form = office.forms.get(job["api"])
    if form is None:
        return
    for message in form.messages(connection, office, job, job["state"]):
        if message.replaces:
            _give_up(connection, office, job["id"], message.replaces)
        line_up(connection, office, job["client_id"], job["api"], message, job["id"])


def announce_start(connection: sa.Connection, office: Office, job: Row) -> None:
    """The same for a job that has just begun to run, in APIs that tell of it."""
    form = office.forms.get(job["api"])
    if isinstance(form, TellsStart):
        for message in form.start_messages(connection, office, job):
            line_up(connection, office, job["client_id"], job["api"], message, job["id"])


def line_up(
    connection: sa.Connection,
    office: Office,
    client_id: str,
    api: str,
    message: Message,
    job_id: str | None = None,
) -> None:
    """Write a message down and queue its first attempt. A message that is there stays as it is."""
    if connection.execute(sa.select(deliveries.c.id).where(deliveries.c.id == message.id)).first():
        return
    connection.execute(
        deliveries.insert().values(
            id=message.id,
            client_id=client_id,
            job_id=job_id,
            endpoint_id=message.endpoint_id,
            api=api,
            type=message.type,
            url=message.url,
            body=message.body,
            state=WAITING,
            round=1,
            attempts=0,
            created_ms=office.now_ms(),
            next_ms=office.now_ms(),
        )
    )
    office.queue.submit_delivery(connection, message.id, 1, 1, 0)


def _give_up(connection: sa.Connection, office: Office, job_id: str, kind: str) -> None:
    """Old news is not sent after what has become of it."""
    connection.execute(
        deliveries.update()
        .where(
            deliveries.c.job_id == job_id,
            deliveries.c.type == kind,
            deliveries.c.state == WAITING,
        )
        .values(state=FAILED, last_error=SUPERSEDED, next_ms=None, finished_ms=office.now_ms())
    )


def attempt(office: Office, delivery_id: str, round_number: int, number: int) -> None:
    """Send a message once; where it fails, queue the next attempt.

    Done again after a crash it may reach the receiver twice, with the same message id.
    """
    with office.database.reading() as connection:
        row = _find(connection, delivery_id)
    if row is None or row["state"] != WAITING or row["round"] != round_number:
        return
    if row["attempts"] >= number:  # this attempt was written down already
        return
    status, error = _send(office, row)
    _write_down(office, row, number, status, error)


def _send(office: Office, row: Row) -> tuple[int | None, str | None]:
    """The receiver's status, or the code of what kept us from getting one."""
    try:
        letter = office.forms[row["api"]].seal(office, row)
        result = post(row["url"], letter.body, dict(letter.headers), office.rules.fetch)
    except LendfaceError as error:  # also a secret that cannot be read
        return None, error.code
    return result.status, None


def _write_down(
    office: Office, row: Row, number: int, status: int | None, error: str | None
) -> None:
    now_ms = office.now_ms()
    with office.database.writing() as connection:
        now = lock_row(connection, deliveries, row["id"])
        if now is None or now.state != WAITING:  # its endpoint was deleted meanwhile
            return
        if now.round != row["round"] or now.attempts >= number:
            return
        changes: dict[str, Any] = {
            "attempts": number,
            "last_status": status,
            "last_error": error,
            "next_ms": None,
        }
        if status is not None and _is_taken(row["api"], status):
            changes |= {"state": DELIVERED, "finished_ms": now_ms}
        else:
            delay_s = None if status == GONE else next_delay_s(number)
            if delay_s is None:
                changes |= {"state": FAILED, "finished_ms": now_ms}
            else:
                changes["next_ms"] = now_ms + round(delay_s * 1000)
                office.queue.submit_delivery(
                    connection, row["id"], row["round"], number + 1, delay_s
                )
        connection.execute(
            deliveries.update().where(deliveries.c.id == row["id"]).values(**changes)
        )
        if status == GONE and row["endpoint_id"]:
            connection.execute(
                endpoints.update()
                .where(endpoints.c.id == row["endpoint_id"])
                .values(disabled_ms=now_ms)
            )


def _is_taken(api: str, status: int) -> bool:
    """One vendor's receivers answer 200 and nothing else."""
    return status == 200 if api == "akool" else 200 <= status < 300


def list_deliveries(
    office: Office,
    client_id: str,
    *,
    job_id: str | None = None,
    limit: int = 50,
    before: tuple[int, str] | None = None,
) -> Sequence[Row]:
    """Newest first."""
    query = sa.select(deliveries).where(deliveries.c.client_id == client_id)
    if job_id:
        query = query.where(deliveries.c.job_id == job_id)
    if before:
        query = query.where(sa.tuple_(deliveries.c.created_ms, deliveries.c.id) < before)
    query = query.order_by(deliveries.c.created_ms.desc(), deliveries.c.id.desc()).limit(limit)
    with office.database.reading() as connection:
        return list(connection.execute(query).mappings())


def replay(office: Office, client_id: str, delivery_id: str) -> Row:
    """Send a message again from the start, with its own id. Raises NotFoundError."""
    with office.database.writing() as connection:
        row = lock_row(connection, deliveries, delivery_id)
        if row is None or row.client_id != client_id:
            raise NotFoundError("delivery")
        now_ms = office.now_ms()
        connection.execute(
            deliveries.update()
            .where(deliveries.c.id == delivery_id)
            .values(
                state=WAITING,
                round=row.round + 1,
                attempts=0,
                last_status=None,
                last_error=None,
                next_ms=now_ms,
                finished_ms=None,
            )
        )
        office.queue.submit_delivery(connection, delivery_id, row.round + 1, 1, 0)
        found = _find(connection, delivery_id)
    if found is None:
        raise NotFoundError("delivery")
    return found


def _find(connection: sa.Connection, delivery_id: str) -> Row | None:
    query = sa.select(deliveries).where(deliveries.c.id == delivery_id)
    return connection.execute(query).mappings().first()
