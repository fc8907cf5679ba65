"""Units: granted to a client, held for a job that runs, charged when it has succeeded.

A job has at most one row: its hold, which goes when the job is charged (then a charge takes its
place) or released. What a client may still use is the quota and all grants, less charges and
holds. Everything happens in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import BadOptionError, NotFoundError, QuotaExceededError
from ..storage.database import lock_row
from ..storage.tables import clients, ledger

HOLD, CHARGE, GRANT = "hold", "charge", "grant"

SUMS = (
    sa.select(ledger.c.reason, sa.func.sum(ledger.c.units))
    .where(ledger.c.client_id == sa.bindparam("client_id"))
    .group_by(ledger.c.reason)
)


@dataclass(frozen=True, slots=True)
class Balance:
    """A client's units. ``granted`` and ``left`` are None where there is no end of them."""

    granted: int | None
    used: int
    held: int

    @property
    def left(self) -> int | None:
        """Less than 0 where a grant was taken back too late."""
        return None if self.granted is None else self.granted - self.used - self.held


@dataclass(frozen=True, slots=True)
class Entry:
    """A grant or a charge."""

    id: int
    at_ms: int
    reason: str  # GRANT or CHARGE
    units: int  # negative: used
    job_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first; ``next_before`` asks for what follows, None at the end."""

    entries: Sequence[Entry]
    next_before: int | None


def hold(connection: sa.Connection, client_id: str, job_id: str, units: int, now_ms: int) -> None:
    """Set units aside for a job: so many in all, however often it is called.

    A job that was charged is left alone. The client is locked until the transaction ends, so
    holds at the same time never exceed what there is. Raises NotFoundError, QuotaExceededError.
    """
    client = lock_row(connection, clients, client_id)
    if client is None:
        raise NotFoundError("client")
    earlier = _entry_of(connection, job_id)
    if earlier is not None and (earlier.reason != HOLD or -earlier.units == units):
        return
    held = 0 if earlier is None else -earlier.units
    left = left_of(connection, client)
    if left is not None and units > max(0, left + held):
        raise QuotaExceededError(units, max(0, left + held))
    if earlier is None:
        _add(connection, client_id, job_id, HOLD, -units, now_ms)
    else:
        connection.execute(ledger.update().where(ledger.c.id == earlier.id).values(units=-units))


def charge(connection: sa.Connection, job_id: str, now_ms: int) -> bool:
    """Turn a job's hold into a charge; whether it was this call that did."""
    taken = _take_hold(connection, job_id)
    if taken is None:
        return False
    _add(connection, taken.client_id, job_id, CHARGE, taken.units, now_ms)
    return True


def release(connection: sa.Connection, job_id: str) -> bool:
    """Give a job's hold back; whether there was one. What was charged stays charged."""
    return _take_hold(connection, job_id) is not None


def grant(connection: sa.Connection, client_id: str, units: int, now_ms: int) -> None:
    """Give a client more units; fewer than 0 take some back. Raises NotFoundError, BadOptionError.

    A client without a quota has no end of them as it is.
    """
    if not 0 < abs(units) < 2**31:
        raise BadOptionError("a grant is of 1 to 2147483647 units, or takes so many back")
    _get_client(connection, client_id)
    _add(connection, client_id, None, GRANT, units, now_ms)


def balance(connection: sa.Connection, client_id: str) -> Balance:
    """Raises NotFoundError."""
    return _balance(connection, _get_client(connection, client_id))


def left_of(connection: sa.Connection, client: sa.Row[Any]) -> int | None:
    """What a client whose row is at hand may still use; None where there is no end of it."""
    return None if client.quota_units is None else _balance(connection, client).left


def history(
    connection: sa.Connection, client_id: str, limit: int = 20, before: int | None = None
) -> Page:
    """A client's grants and charges, newest first, those older than entry ``before``."""
    query = (
        sa.select(ledger)
        .where(ledger.c.client_id == client_id, ledger.c.reason != HOLD)
        .order_by(ledger.c.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(ledger.c.id < before)
    rows = connection.execute(query).all()
    entries = [Entry(row.id, row.at_ms, row.reason, row.units, row.job_id) for row in rows[:limit]]
    return Page(entries, entries[-1].id if len(rows) > limit else None)


def _get_client(connection: sa.Connection, client_id: str) -> sa.Row[Any]:
    client = connection.execute(sa.select(clients).where(clients.c.id == client_id)).first()
    if client is None:
        raise NotFoundError("client")
    return client


def _balance(connection: sa.Connection, client: sa.Row[Any]) -> Balance:
    sums = connection.execute(SUMS, {"client_id": client.id}).all()
    units_by_reason = {reason: int(units) for reason, units in sums}
    grants = units_by_reason.get(GRANT, 0)
    return Balance(
        granted=None if client.quota_units is None else client.quota_units + grants,
        used=-units_by_reason.get(CHARGE, 0),
        held=-units_by_reason.get(HOLD, 0),
    )


def _entry_of(connection: sa.Connection, job_id: str) -> sa.Row[Any] | None:
    return connection.execute(sa.select(ledger).where(ledger.c.job_id == job_id)).first()


def _take_hold(connection: sa.Connection, job_id: str) -> sa.Row[Any] | None:
    """Of several transactions at once one gets it."""
    return connection.execute(
        ledger.delete()
        .where(ledger.c.job_id == job_id, ledger.c.reason == HOLD)
        .returning(ledger.c.client_id, ledger.c.units)
    ).first()


def _add(
    connection: sa.Connection,
    client_id: str,
    job_id: str | None,
    reason: str,
    units: int,
    now_ms: int,
) -> None:
    connection.execute(
        ledger.insert().values(
            client_id=client_id, job_id=job_id, reason=reason, units=units, at_ms=now_ms
        )
    )
