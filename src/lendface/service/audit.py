"""What was done, to what, and for whom: a chain of entries that is only ever added to.

An entry is written in the transaction that does what it tells, so that neither is there without
the other. On SQLite that transaction holds the whole file, so two never take the same place. On
PostgreSQL a lock makes them wait for each other from the entry to the transaction's end: whoever
writes one does so last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from ..errors import ContentRefusedError, ProtectedFaceError, RefusedError
from ..storage.database import Database
from ..storage.tables import audit
from ..trust.audit import BEFORE_ALL, HOLDER, OPERATOR, SERVER, Break, Entry, find_breaks

__all__ = [
    "HOLDER",
    "OPERATOR",
    "SERVER",
    "Verdict",
    "newest",
    "read",
    "reason_of",
    "record",
    "record_alone",
    "record_lowered",
    "record_settings",
    "telling_refusals",
    "verify",
]

LOCK = 0x1E4DFACE_A0D17  # of PostgreSQL's advisory locks, which are numbers
AT_A_TIME = 2000  # entries read in one transaction, so that writers never wait long

# Made once: to make a statement takes longer than to carry it out.
ADD = audit.insert()
LAST = sa.select(audit.c.id, audit.c.hash).order_by(audit.c.id.desc()).limit(1)
ALONE = sa.select(sa.func.pg_advisory_xact_lock(LOCK))
PAGE = (
    sa.select(audit)
    .where(
        audit.c.id > sa.bindparam("after"),
        audit.c.at_ms >= sa.bindparam("since_ms"),
        audit.c.at_ms < sa.bindparam("until_ms"),
    )
    .order_by(audit.c.id)
    .limit(AT_A_TIME)
)
FOR_EVER_MS = 1 << 62


def record(
    connection: sa.Connection,
    action: str,
    subject: str | None,
    client_id: str | None,
    detail: Mapping[str, Any],
    now_ms: int,
    actor: str | None = None,
) -> Entry:
    """Write it down as the newest entry, in the transaction that does it, and last in it.

    Last, since on PostgreSQL nobody else can write one until that transaction ends: to wait for a
    row after it would let two wait for each other.

    ``action`` is a thing and what befell it, such as ``key.revoked``; ``subject`` is that thing's
    id, ``client_id`` whose it is. ``detail`` is plain values, neither secret nor personal: of what
    is either, only ids and keyed digests, since an entry outlives every erasure. ``actor`` did it;
    without it the client, or where there is none the operator.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(ALONE)
    last = connection.execute(LAST).first()
    number, previous = (last[0] + 1, last[1]) if last else (1, BEFORE_ALL)
    who = actor or client_id or OPERATOR
    entry = Entry(number, now_ms, action, who, client_id, subject, dict(detail), previous).sealed()
    connection.execute(ADD, row_of(entry))
    return entry


def record_alone(
    database: Database,
    action: str,
    subject: str | None,
    client_id: str | None,
    detail: Mapping[str, Any],
    now_ms: int,
    actor: str | None = None,
) -> Entry:
    """``record`` of what changes nothing else in the database, such as a refusal."""

    def write(connection: sa.Connection) -> Entry:
        return record(connection, action, subject, client_id, detail, now_ms, actor)

    return database.write_together(write)


class Clerk(Protocol):
    """What this room needs of an office."""

    @property
    def database(self) -> Database: ...

    @property
    def now_ms(self) -> Callable[[], int]: ...


@contextmanager
def telling_refusals(clerk: Clerk, client_id: str, job_id: str | None = None) -> Iterator[None]:
    """A refusal is written down with its rule, though nothing else may come of it.

    Before it is a job it leaves no row, and it is the client who did it; in a worker the server.
    """
    try:
        yield
    except RefusedError as error:
        record_alone(
            clerk.database,
            "job.refused",
            job_id,
            client_id,
            reason_of(error),
            clerk.now_ms(),
            None if job_id is None else SERVER,
        )
        raise


def reason_of(error: RefusedError) -> dict[str, Any]:
    """Plain values: the code that the client is told, and the rule that it is not.

    >>> reason_of(ContentRefusedError("nudity", 7.48))
    {'code': 'content_refused', 'rule': 'nudity', 'time_s': 7.48}
    """
    told: dict[str, Any] = {"code": error.code}
    match error:
        case ContentRefusedError(rule=rule, time_s=time_s, face=face):
            told |= {"rule": rule, "time_s": time_s, "face": face}
        case ProtectedFaceError(entry_id=entry_id):
            told |= {"entry": entry_id}
    return {name: value for name, value in told.items() if value is not None}


SETTINGS_CHANGED = "settings.changed"
GUARDS_LOWERED = "guards.lowered"


def record_settings(
    database: Database, place: str, settings: Mapping[str, str], now_ms: int
) -> bool:
    """Write down the settings that count in a ``place``, unless its last entry says the same.

    Whether there was something to write. ``before`` in the entry is what was different.
    """
    last = (
        sa.select(audit.c.detail)
        .where(audit.c.action == SETTINGS_CHANGED, audit.c.subject == place)
        .order_by(audit.c.id.desc())
        .limit(1)
    )
    with database.writing() as connection:
        detail = connection.execute(last).scalar() or {}
        known = detail.get("settings", {})
        if known == settings:
            return False
        before = {name: known[name] for name in known if settings.get(name) != known[name]}
        told = {"settings": dict(settings), "before": before}
        record(connection, SETTINGS_CHANGED, place, None, told, now_ms)
    return True


def record_lowered(database: Database, place: str, lowered: Mapping[str, Any], now_ms: int) -> None:
    """What of the guards is off or lowered in a ``place``, whether or not it was so before."""
    if lowered:
        record_alone(database, GUARDS_LOWERED, place, None, lowered, now_ms)


def newest(database: Database) -> tuple[int, str]:
    """Number and hash of the newest entry; keep them elsewhere."""
    with database.reading() as connection:
        last = connection.execute(LAST).first()
    return (last[0], last[1]) if last else (0, BEFORE_ALL)


@dataclass(frozen=True)
class Verdict:
    """What was found of the whole chain."""

    entries: int
    head: str  # hash of the newest entry; keep it elsewhere
    breaks: tuple[Break, ...]

    @property
    def holds(self) -> bool:
        return not self.breaks


def verify(database: Database, head: str | None = None) -> Verdict:
    """Follow the chain from its first entry to its newest.

    ``head`` is what an earlier verdict said, kept where nobody who can write to the database can.
    """
    count, newest = 0, BEFORE_ALL

    def counted() -> Iterator[Entry]:
        nonlocal count, newest
        for entry in read(database):
            count, newest = count + 1, entry.hash
            yield entry

    breaks = tuple(find_breaks(counted(), head))
    return Verdict(count, newest, breaks)


def read(
    database: Database, since_ms: int | None = None, until_ms: int | None = None
) -> Iterator[Entry]:
    """The entries of a span of time, oldest first, and those that are added meanwhile."""
    after = -1
    span = {
        "since_ms": -FOR_EVER_MS if since_ms is None else since_ms,
        "until_ms": FOR_EVER_MS if until_ms is None else until_ms,
    }
    while True:
        with database.reading() as connection:
            rows = connection.execute(PAGE, span | {"after": after}).mappings().all()
        if not rows:
            return
        yield from map(entry_of, rows)
        after = rows[-1]["id"]


def row_of(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.number,
        "at_ms": entry.at_ms,
        "client_id": entry.client_id,
        "action": entry.action,
        "subject": entry.subject,
        "detail": entry.detail,
        "actor": entry.actor,
        "previous": entry.previous,
        "hash": entry.hash,
    }


def entry_of(row: Mapping[Any, Any]) -> Entry:
    return Entry(
        number=row["id"],
        at_ms=row["at_ms"],
        action=row["action"],
        actor=row["actor"],
        client_id=row["client_id"],
        subject=row["subject"],
        detail=row["detail"],
        previous=row["previous"],
        hash=row["hash"],
    )
