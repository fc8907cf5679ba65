"""What is asked of a database: how many statements, and which of them read whole tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from lendface.storage.database import Database

GROWS = (
    *("jobs", "uploads", "job_uploads", "consents", "job_consents", "consent_users"),
    *("tasks", "ledger", "deliveries"),
)
# Of a table that grows, without an index or along one that holds all of its rows.
SCAN = re.compile(rf"SCAN ({'|'.join(GROWS)})\b(?! USING (COVERING )?INDEX ix_\w+_to_\w+)")

Statement = tuple[str, Any]  # SQL, parameters


@contextmanager
def recorded(database: Database) -> Iterator[list[Statement]]:
    """The statements of this block."""
    found: list[Statement] = []

    def note(_c: Any, _cursor: Any, sql: str, parameters: Any, _x: Any, is_many: bool) -> None:
        found.append((sql, parameters[0] if is_many else parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def scans(database: Database, statements: list[Statement]) -> list[str]:
    """Those for which SQLite would read a table that grows from its beginning to its end."""
    plans = {
        sql: [row[3] for row in _explained(database, sql, parameters)]
        for sql, parameters in statements
        if sql.startswith(("SELECT", "UPDATE", "DELETE"))
    }
    return [sql for sql, plan in plans.items() if any(SCAN.match(step) for step in plan)]


def _explained(database: Database, sql: str, parameters: Any) -> list[Any]:
    with database.reading() as connection:
        return list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters).all())
