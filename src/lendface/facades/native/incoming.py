"""What routes take from a request: who asks, of what, which page, under which key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Query, Request

from ...errors import BadOptionError
from ...service.clients import Client
from ...service.office import Office

Item = TypeVar("Item")


async def the_office(request: Request) -> Office:
    return request.app.state.office


async def the_client(request: Request) -> Client:
    """Whom the door let in."""
    return request.state.client


Desk = Annotated[Office, Depends(the_office)]
Caller = Annotated[Client, Depends(the_client)]

PathId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Limit = Annotated[int, Query(ge=1, le=200, description="how many at most")]
Cursor = Annotated[
    str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,200}$", description="next of the page before")
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="yours; the same key with the same body gives the same job again",
    ),
]

Place = tuple[int, str]  # created_ms, id


def read_cursor(cursor: str | None) -> Place | None:
    """Raises BadOptionError for what no list gave.

    >>> read_cursor(write_cursor((17, "ab")))
    (17, 'ab')
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        ms, _, row_id = text.partition(":")
        if ms.isascii() and ms.isdigit() and len(ms) < 16 and row_id.isascii() and "\0" not in text:
            return int(ms), row_id
    except (binascii.Error, UnicodeDecodeError):
        pass
    raise BadOptionError("cursor is not one that a list gave")


def write_cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode().rstrip("=")


def cut_page(rows: Sequence[Any], limit: int, key: Callable[[Any], Place]) -> tuple[Any, Any]:
    """A page of ``limit`` rows of which one more was asked for, and the cursor to the next."""
    page = rows[:limit]
    return page, write_cursor(key(page[-1])) if len(rows) > limit else None


def by_creation(row: Any) -> Place:
    return row["created_ms"], row["id"]
