"""Units: what is left, what they were used for, what things cost."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ...service import ledger
from ...service.ledger import Entry
from ...service.office import Office
from ...service.prices import SECONDS_PER_UNIT
from ...storage.tables import jobs
from .envelope import invalid
from .terms import PREFIX, Feature, Terms

ACCOUNT = 1  # our units are one grant, whatever it is made of
KIND = "ApiPaygToken"
NO_END = 1_000_000_000  # what a client without a quota sees
NEVER_MS = 4_102_444_800_000  # units do not expire; the year 2100
GRANTED, TAKEN_BACK = "permanent_credits", "expire"
MAX_DIGITS = 15


def describe_credit(office: Office, client_id: str) -> list[dict[str, Any]]:
    """What is held for running tasks still counts as left: only success is charged."""
    with office.database.reading() as connection:
        balance = ledger.balance(connection, client_id)
    left = NO_END if balance.granted is None else max(0, balance.granted - balance.used)
    return [{"id": ACCOUNT, "type": KIND, **amount(left), "expiry": NEVER_MS}]


def amount(units: int) -> dict[str, Any]:
    """Old clients read the first, new ones the second."""
    return {"amount": units, "amount_dec": float(units)}


def describe_history(
    office: Office, client_id: str, page_size: int, token: str | None
) -> dict[str, Any]:
    """Newest first. Raises Refusal for a token that no page gave."""
    before = None if token in (None, "null") else read_token(token)
    with office.database.reading() as connection:
        page = ledger.history(connection, client_id, page_size, before)
        tasks = _tasks_of(connection, page.entries)
    return {
        "next_token": None if page.next_before is None else write_token(page.next_before),
        "history": [_describe_entry(entry, tasks) for entry in page.entries],
    }


def _tasks_of(connection: sa.Connection, entries: Sequence[Entry]) -> dict[str, sa.Row[Any]]:
    ids = [entry.job_id for entry in entries if entry.job_id]
    query = sa.select(jobs.c.id, jobs.c.alias, jobs.c.notes, jobs.c.kind)
    rows = connection.execute(query.where(jobs.c.id.in_(ids))).all()
    return {row.id: row for row in rows}


def _describe_entry(entry: Entry, tasks: dict[str, sa.Row[Any]]) -> dict[str, Any]:
    task = tasks.get(entry.job_id or "")
    if task is None:
        action, target = GRANTED if entry.units > 0 else TAKEN_BACK, str(entry.id)
    else:
        name = task.notes.get("feature", task.kind)
        action, target = f"api_{name.replace('-', '_')}", task.alias or task.id
    return {
        "id": entry.id,
        "timestamp": entry.at_ms,
        "action": action,
        "target_id": target,
        "info": {"credits": [{"id": ACCOUNT, **amount(entry.units)}]},
    }


def describe_costs(terms: Terms, page_size: int, token: str | None) -> dict[str, Any]:
    """Raises Refusal for a token that no page gave."""
    skus = [
        _describe_sku(terms, "AI Video Face Swap", Feature.VIDEO, "second", SECONDS_PER_UNIT),
        _describe_sku(terms, "AI Face Swap", Feature.IMAGE, "result_image", 1),
    ]
    first = 0 if token is None else read_token(token)
    last = first + page_size
    return {
        "next_token": write_token(last) if last < len(skus) else None,
        "skus": skus[first:last],
    }


def _describe_sku(
    terms: Terms, description: str, feature: Feature, unit: str, proc_unit: int
) -> dict[str, Any]:
    return {
        "description": description,
        "amount": 1,
        "unit": unit,
        "proc_unit": proc_unit,
        "run_task_url": f"{terms.base_url}{PREFIX}/v2.0/task/{feature.value}",
    }


def write_token(place: int) -> str:
    """Where the next page begins.

    >>> write_token(20), read_token("MjA")
    ('MjA', 20)
    """
    return urlsafe_b64encode(str(place).encode()).decode().rstrip("=")


def read_token(token: str | None) -> int:
    """Raises Refusal."""
    text = token or ""
    try:
        place = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except ValueError:
        place = ""
    if not 0 < len(place) <= MAX_DIGITS or not place.isdigit() or write_token(int(place)) != text:
        raise invalid("starting_token is not one of the accepted values.")
    return int(place)
