"""The audit log becomes a chain: numbers without a gap, who did it, and each entry's hash.

What is there already is chained in its order. The arithmetic is written down here once more, as
it is now: a migration must do in ten years what it did when it was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

AT_A_TIME = 1000
BEFORE_ALL = "0" * 64
PURPOSE = b"lendface audit entry 1\n"
BY_OPERATOR = ("client.", "key.", "login.")
BY_SERVER = ("job.ended",)

audit = sa.table(
    "audit",
    sa.column("id", sa.BigInteger),
    sa.column("at_ms", sa.BigInteger),
    sa.column("client_id", sa.String),
    sa.column("action", sa.String),
    sa.column("subject", sa.String),
    sa.column("detail", sa.JSON),
    sa.column("actor", sa.String),
    sa.column("previous", sa.String),
    sa.column("hash", sa.String),
)
CHAIN = (
    audit.update()
    .where(audit.c.id == sa.bindparam("was"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("id", "actor", "previous", "hash")})
)


def upgrade() -> None:
    with op.batch_alter_table("audit") as table:
        table.add_column(sa.Column("actor", sa.String(16), nullable=True))
        table.add_column(sa.Column("previous", sa.String(64), nullable=True))
        table.add_column(sa.Column("hash", sa.String(64), nullable=True))
    connection = op.get_bind()
    number, previous = 0, BEFORE_ALL
    for rows in _pages(connection):
        changes = []
        for row in rows:
            number += 1
            actor = _actor(row)
            own = _hash(row, number, actor, previous)
            changes.append(
                {
                    "was": row["id"],
                    "new_id": number,
                    "new_actor": actor,
                    "new_previous": previous,
                    "new_hash": own,
                }
            )
            previous = own
        connection.execute(CHAIN, changes)
    with op.batch_alter_table("audit") as table:
        for name, length in (("actor", 16), ("previous", 64), ("hash", 64)):
            table.alter_column(name, existing_type=sa.String(length), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("audit") as table:
        for name in ("hash", "previous", "actor"):
            table.drop_column(name)
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":  # the sequence counts again, and was not used
        connection.execute(
            sa.text(
                "SELECT setval(pg_get_serial_sequence('audit', 'id'), "
                "(SELECT coalesce(max(id), 0) + 1 FROM audit), false)"
            )
        )


def _pages(connection: sa.Connection) -> Iterator[list[Any]]:
    """All rows, oldest first. A new number is never larger than the old one, so none comes
    twice."""
    last = -1
    columns = [audit.c[name] for name in ("id", "at_ms", "client_id", "action", "subject")]
    query = sa.select(*columns, audit.c.detail).order_by(audit.c.id).limit(AT_A_TIME)
    while rows := list(connection.execute(query.where(audit.c.id > last)).mappings()):
        last = rows[-1]["id"]
        yield rows


def _actor(row: Any) -> str:
    if row["action"].startswith(BY_OPERATOR) or row["client_id"] is None:
        return "operator"
    return "server" if row["action"] in BY_SERVER else row["client_id"]


def _hash(row: Any, number: int, actor: str, previous: str) -> str:
    content = {
        "number": number,
        "at_ms": row["at_ms"],
        "action": row["action"],
        "actor": actor,
        "client_id": row["client_id"],
        "subject": row["subject"],
        "detail": row["detail"],
        "previous": previous,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(PURPOSE + text.encode("ascii")).hexdigest()
