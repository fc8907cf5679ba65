"""Files are sent to a place apart; pictures that came within requests leave the database.

What is being sent while this is done arrives where its link says, as before. Of the texts only
those go whose file is there or will never be: a job that waits still needs its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0009"

uploads = sa.table(
    "uploads",
    sa.column("state", sa.String),
    sa.column("url", sa.Text),
    sa.column("blob_key", sa.String),
    sa.column("incoming_key", sa.String),
)


def upgrade() -> None:
    with op.batch_alter_table("uploads") as table:
        table.add_column(sa.Column("incoming_key", sa.String(400), nullable=True))
        table.add_column(sa.Column("etag", sa.String(200), nullable=True))
        table.create_index("ix_uploads_incoming_key", ["incoming_key"])
    is_waiting = uploads.c.state == "waiting"
    is_sent = sa.and_(is_waiting, uploads.c.url.is_(None))
    op.execute(uploads.update().where(is_sent).values(incoming_key=uploads.c.blob_key))
    is_text = uploads.c.url.ilike("data:%")
    op.execute(uploads.update().where(is_text, ~is_waiting).values(url=None))


def downgrade() -> None:
    with op.batch_alter_table("uploads") as table:
        table.drop_index("ix_uploads_incoming_key")
        table.drop_column("etag")
        table.drop_column("incoming_key")
