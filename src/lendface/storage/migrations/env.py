"""What alembic runs, within the transaction that ``schema`` has begun."""

from __future__ import annotations

from alembic import context

from lendface.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
)
context.run_migrations()
