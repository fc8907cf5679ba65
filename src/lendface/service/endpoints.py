"""Where a client wants to be told of all its jobs; each place has a secret of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import NotFoundError, TooManyEndpointsError
from ..net.guard import Allowed, check_url
from ..net.signatures import new_standard_secret
from ..storage.database import lock_row
from ..storage.tables import clients, deliveries, endpoints
from ..trust.audit import OPERATOR
from . import audit
from .clients import Desk, SmallDesk
from .deliveries import FAILED, TEST, WAITING, line_up
from .office import Message, Office, TellsTest, new_id

MAX_ENDPOINTS = 10  # of one client in one API
DELETED = "endpoint_deleted"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class NewEndpoint:
    row: Row
    secret: str  # shown once


def add_endpoint(
    desk: Desk, client_id: str, api: str, url: str, allow: Sequence[Allowed]
) -> NewEndpoint:
    """``allow``: private places that may be told. Raises NotFoundError, InvalidUrlError,
    UrlNotAllowedError, TooManyEndpointsError."""
    check_url(url, allow)
    now_ms, secret = desk.now_ms(), new_standard_secret()
    row = {
        "id": new_id(now_ms),
        "client_id": client_id,
        "api": api,
        "url": url,
        "secret": "",
        "created_ms": now_ms,
        "disabled_ms": None,
    }
    row["secret"] = desk.sealer.seal(secret, _purpose(row["id"]))
    with desk.database.writing() as connection:
        if lock_row(connection, clients, client_id) is None:
            raise NotFoundError("client")
        if len(_all_of(connection, client_id, api)) >= MAX_ENDPOINTS:
            raise TooManyEndpointsError(MAX_ENDPOINTS)
        connection.execute(endpoints.insert().values(**row))
        told = ("endpoint.added", row["id"], client_id, {}, now_ms, _actor(desk))
        audit.record(connection, *told)
    return NewEndpoint(row, secret)


def list_endpoints(desk: Desk, client_id: str, api: str | None = None) -> Sequence[Row]:
    """Oldest first; of every API where none is named."""
    with desk.database.reading() as connection:
        return _all_of(connection, client_id, api)


def get_endpoint(desk: Desk, client_id: str, endpoint_id: str) -> Row:
    """Raises NotFoundError."""
    with desk.database.reading() as connection:
        return _own(connection, client_id, endpoint_id)


def enabled_endpoints(connection: sa.Connection, client_id: str, api: str) -> list[Row]:
    return [row for row in _all_of(connection, client_id, api) if row["disabled_ms"] is None]


def delete_endpoint(desk: Desk, client_id: str, endpoint_id: str) -> None:
    """It is told nothing more, not even what was on its way. Raises NotFoundError.

    The row stays, without address and secret, since messages refer to it.
    """
    with desk.database.writing() as connection:
        _own(connection, client_id, endpoint_id)
        now_ms = desk.now_ms()
        connection.execute(
            endpoints.update()
            .where(endpoints.c.id == endpoint_id)
            .values(url="", secret="", disabled_ms=now_ms)
        )
        connection.execute(
            deliveries.update()
            .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == WAITING)
            .values(state=FAILED, last_error=DELETED, next_ms=None, finished_ms=now_ms)
        )
        told = ("endpoint.deleted", endpoint_id, client_id, {}, now_ms, _actor(desk))
        audit.record(connection, *told)


def send_test(office: Office, client_id: str, endpoint_id: str) -> str:
    """Tell an endpoint something, as any job would; the id of the message.

    Raises NotFoundError.
    """
    now_ms = office.now_ms()
    message_id = f"msg_test_{new_id(now_ms)}"
    with office.database.writing() as connection:
        row = _own(connection, client_id, endpoint_id)
        form = office.forms.get(row["api"])
        if not isinstance(form, TellsTest):
            raise NotFoundError("endpoint on this server")
        body = form.write_test(now_ms, endpoint_id)
        message = Message(message_id, TEST, row["url"], body, endpoint_id)
        line_up(connection, office, client_id, row["api"], message)
    return message_id


def check_there(office: Office, client_id: str, delivery_id: str) -> None:
    """Whether a message can be sent again: not to an endpoint that was deleted.

    Raises NotFoundError.
    """
    query = (
        sa.select(deliveries.c.endpoint_id, endpoints.c.url)
        .outerjoin(endpoints, endpoints.c.id == deliveries.c.endpoint_id)
        .where(deliveries.c.id == delivery_id, deliveries.c.client_id == client_id)
    )
    with office.database.reading() as connection:
        row = connection.execute(query).first()
    if row is None:
        raise NotFoundError("delivery")
    if row.endpoint_id and not row.url:
        raise NotFoundError("endpoint any more")


def read_secret(office: Office, endpoint_id: str) -> str:
    """Raises NotFoundError, SealBrokenError."""
    with office.database.reading() as connection:
        query = sa.select(endpoints.c.secret).where(endpoints.c.id == endpoint_id)
        sealed = connection.execute(query).scalar()
    if not sealed:
        raise NotFoundError("endpoint any more")
    return office.sealer.unseal(sealed, _purpose(endpoint_id))


def _all_of(connection: sa.Connection, client_id: str, api: str | None = None) -> list[Row]:
    query = sa.select(endpoints).where(endpoints.c.client_id == client_id, endpoints.c.url != "")
    if api:
        query = query.where(endpoints.c.api == api)
    return list(connection.execute(query.order_by(endpoints.c.id)).mappings())


def _own(connection: sa.Connection, client_id: str, endpoint_id: str) -> Row:
    found = [row for row in _all_of(connection, client_id) if row["id"] == endpoint_id]
    if not found:
        raise NotFoundError("endpoint")
    return found[0]


def _actor(desk: Desk) -> str | None:
    """Clients come to the office; who has only a desk runs the server."""
    return OPERATOR if isinstance(desk, SmallDesk) else None


def _purpose(endpoint_id: str) -> str:
    return f"endpoint:{endpoint_id}"
