"""Logins by RSA that were taken, since each is good once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "used_logins",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_used_logins"),
    )
    op.create_index("ix_used_logins_until_ms", "used_logins", ["until_ms"])


def downgrade() -> None:
    op.drop_table("used_logins")
