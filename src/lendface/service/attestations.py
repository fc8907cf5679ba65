"""Clients that stated, once and on record, that they hold consent for the faces they submit."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..errors import NotFoundError
from ..storage.database import Database, lock_row
from ..storage.tables import attestations, clients
from ..trust.consent import ATTESTATION_VERSION
from . import audit

CLIENT, OPERATOR = "client", "operator"  # who stated it

Row = Mapping[str, Any]


def add(connection: sa.Connection, client_id: str, made_by: str, now_ms: int) -> Row:
    """Of a client who is locked, or new in this transaction; the caller writes the audit entry."""
    row = {
        "id": secrets.token_hex(12),
        "client_id": client_id,
        "text_version": ATTESTATION_VERSION,
        "made_by": made_by,
        "at_ms": now_ms,
    }
    connection.execute(attestations.insert().values(**row))
    connection.execute(
        clients.update().where(clients.c.id == client_id).values(attestation_id=row["id"])
    )
    return row


def attest(database: Database, client_id: str, made_by: str, now_ms: int) -> Row:
    """Put the statement on record; again is no error, and is recorded again.

    Raises NotFoundError.
    """
    with database.writing() as connection:
        if lock_row(connection, clients, client_id) is None:
            raise NotFoundError("client")
        row = add(connection, client_id, made_by, now_ms)
        detail = {"text_version": row["text_version"], "made_by": made_by}
        actor = audit.OPERATOR if made_by == OPERATOR else None
        audit.record(connection, "client.attested", row["id"], client_id, detail, now_ms, actor)
        return row


def find(database: Database, client_id: str) -> Row | None:
    """The newest of a client."""
    query = (
        sa.select(attestations)
        .join(clients, clients.c.attestation_id == attestations.c.id)
        .where(clients.c.id == client_id)
    )
    with database.reading() as connection:
        return connection.execute(query).mappings().first()
