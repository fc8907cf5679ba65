"""The list of protected faces."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "protected_faces",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("added_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_protected_faces"),
    )


def downgrade() -> None:
    op.drop_table("protected_faces")
