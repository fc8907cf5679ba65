"""Webhooks: written down with the fact they tell, and sent until somebody takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ..errors import LendfaceError, NotFoundError, UrlTimeoutError
from ..net.fetch import post
from ..net.schedule import next_delay_s
from ..storage.database import lock_row
from ..storage.tables import deliveries, endpoints
from .office import Message, Office, TellsStart
from .receivers import LATE_S, host_of

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
SUPERSEDED = "superseded"
PAUSED = "receiver_paused"  # it was late so often in a row that it was not even tried
TEST = "endpoint.test"
PUT_OFF_S, LONGEST_PUT_OFF_S = 2.0, 60.0  # where too many are at a host just now
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
    sender = sender_of(client_id, message.type)
    office.queue.submit_delivery(connection, message.id, 1, 1, 0, sender=sender)


def sender_of(client_id: str, kind: str) -> str:
    """Whose share of what is sent at a time a message takes. A test has one of its own: it neither
    waits for what the client's jobs have to tell nor holds it up."""
    return f"{client_id}/test" if kind == TEST else client_id


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


def attempt(
    office: Office, delivery_id: str, round_number: int, number: int, postponed: int = 0
) -> None:
    """Send a message once; where it fails, queue the next attempt.

    Done again after a crash it may reach the receiver twice, with the same message id. To a
    receiver that was late several times in a row nothing is sent for a while: that counts as an
    attempt, so the schedule goes on, but the last one is always made. Where too many are being
    sent to one host, the attempt is put off, ``postponed`` times so far, and does not count.
    """
    with office.database.reading() as connection:
        row = _find(connection, delivery_id)
    if row is None or not _is_due(row, round_number, number):
        return
    if row["type"] == TEST:  # somebody waits for what comes of it
        _write_down(office, row, number, *_send(office, row))
        return
    receivers, host = office.receivers, host_of(row["url"])
    pause_s = receivers.pause_left_s(row["client_id"], host, office.now_ms())
    if pause_s and next_delay_s(number) is not None:
        _write_down(office, row, number, None, PAUSED, pause_s)
        return
    with receivers.sending(host) as has_place:
        if has_place:
            _write_down(office, row, number, *_send(office, row))
    if not has_place:
        _put_off(office, row, number, postponed)


def _is_due(row: Any, round_number: int, number: int) -> bool:
    """Whether this attempt is still to be made, and was not written down already."""
    return row["state"] == WAITING and row["round"] == round_number and row["attempts"] < number


def _send(office: Office, row: Row) -> tuple[int | None, str | None]:
    """The receiver's status, or the code of what kept us from getting one."""
    began_ms, status, error = office.now_ms(), None, None
    try:
        letter = office.forms[row["api"]].seal(office, row)
        status = post(row["url"], letter.body, dict(letter.headers), office.rules.fetch).status
    except LendfaceError as fault:  # also a secret that cannot be read
        error = fault.code
    now_ms = office.now_ms()
    is_taken = status is not None and _is_taken(row["api"], status)
    is_late = error == UrlTimeoutError.code or now_ms - began_ms >= LATE_S * 1000
    office.receivers.note(
        row["client_id"], host_of(row["url"]), now_ms, is_late=is_late and not is_taken
    )
    return status, error


def _put_off(office: Office, row: Row, number: int, postponed: int) -> None:
    """The same attempt a little later."""
    delay_s = min(PUT_OFF_S * 2 ** min(postponed, 10), LONGEST_PUT_OFF_S)
    with office.database.writing() as connection:
        now = lock_row(connection, deliveries, row["id"])
        if now is None or not _is_due(now._mapping, row["round"], number):
            return
        next_ms = office.now_ms() + round(delay_s * 1000)
        connection.execute(
            deliveries.update().where(deliveries.c.id == row["id"]).values(next_ms=next_ms)
        )
        _queue(connection, office, row, number, delay_s, postponed + 1)


def _queue(
    connection: sa.Connection,
    office: Office,
    row: Row,
    number: int,
    delay_s: float,
    postponed: int = 0,
) -> None:
    office.queue.submit_delivery(
        connection,
        row["id"],
        row["round"],
        number,
        delay_s,
        sender=sender_of(row["client_id"], row["type"]),
        postponed=postponed,
    )


def _write_down(
    office: Office,
    row: Row,
    number: int,
    status: int | None,
    error: str | None,
    pause_s: float = 0.0,
) -> None:
    """``pause_s``: how long the receiver is left alone at least."""
    now_ms = office.now_ms()
    with office.database.writing() as connection:
        now = lock_row(connection, deliveries, row["id"])  # its endpoint may be deleted by now
        if now is None or not _is_due(now._mapping, row["round"], number):
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
                delay_s = max(delay_s, pause_s)
                changes["next_ms"] = now_ms + round(delay_s * 1000)
                _queue(connection, office, row, number + 1, delay_s)
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
        found = _find(connection, delivery_id)
        if found is None:
            raise NotFoundError("delivery")
        _queue(connection, office, found, 1, 0)
    return found


def _find(connection: sa.Connection, delivery_id: str) -> Row | None:
    query = sa.select(deliveries).where(deliveries.c.id == delivery_id)
    return connection.execute(query).mappings().first()
