"""/v1/usage: units used and left."""

from __future__ import annotations

from fastapi import APIRouter

from ...service import ledger
from .documented import problems
from .incoming import Caller, Cursor, Desk, Limit, read_cursor, write_cursor
from .schemas import Entry, EntryPage, Usage
from .views import at

router = APIRouter(tags=["usage"])


@router.get("/usage", responses=problems())
def get_usage(office: Desk, client: Caller) -> Usage:
    with office.database.reading() as connection:
        balance = ledger.balance(connection, client.id)
    return Usage(granted=balance.granted, used=balance.used, held=balance.held, left=balance.left)


@router.get("/usage/history", responses=problems(422))
def list_usage(office: Desk, client: Caller, limit: Limit = 50, cursor: Cursor = None) -> EntryPage:
    """Grants and charges, newest first."""
    place = read_cursor(cursor)
    with office.database.reading() as connection:
        page = ledger.history(connection, client.id, limit, place[0] if place else None)
    return EntryPage(
        items=[
            Entry(
                id=entry.id,
                at=at(entry.at_ms),
                reason=entry.reason,
                units=entry.units,
                job_id=entry.job_id,
            )
            for entry in page.entries
        ],
        next=write_cursor((page.next_before, "")) if page.next_before else None,
    )
