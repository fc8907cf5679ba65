"""Clients that log in by RSA have a pair of keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("login_key", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("clients") as clients:
        clients.drop_column("login_key")
