"""One database, SQLite in a file or PostgreSQL, and how to talk to it safely.

SQLite: every writing transaction begins IMMEDIATE, since one that reads first and writes later is
refused at once when another process wrote in between, whatever the busy timeout. WAL only where
the library has the fix for lost pages (3.51.3, https://www.sqlite.org/changes.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from ..errors import BadOptionError, DatabaseError, DiskFullError

WAL_IS_SAFE = (3, 51, 3)
BUSY_MS = 30_000


def sqlite_module() -> Any:
    """The newest SQLite there is: pysqlite3 brings its own, Python's may be years old."""
    try:
        import pysqlite3.dbapi2 as module  # pyrefly: ignore[missing-import]
    except ImportError:
        import sqlite3 as module
    return module


def normal_url(url: str) -> str:
    """The URL with the driver we use. Raises BadOptionError for databases we do not know."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise BadOptionError("LENDFACE_DATABASE_URL is not a database URL") from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if parsed.drivername == "sqlite" and parsed.database:
        return url
    raise BadOptionError(
        "LENDFACE_DATABASE_URL must begin with sqlite:/// (and a file) or postgresql://"
    )


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:")


def create_engine(url: str, *, begins_itself: bool = False, pool_size: int = 10) -> sa.Engine:
    """An engine for ``url`` as ``normal_url`` gives it.

    ``begins_itself``: whoever uses it leaves the beginning of transactions to the driver, as the
    durable engine does.
    """
    if not is_sqlite(url):
        return sa.create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": 10,
                "keepalives": 1,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )
    module = sqlite_module()
    engine = sa.create_engine(url, module=module, pool_size=pool_size, max_overflow=pool_size)
    event.listen(engine, "connect", _Pragmas(module, begins_itself))
    if not begins_itself:
        event.listen(engine, "begin", _begin)
    return engine


class _Pragmas:
    """Sets up each new SQLite connection."""

    def __init__(self, module: Any, begins_itself: bool) -> None:
        self._level = "IMMEDIATE" if begins_itself else None
        self._journal = "WAL" if module.sqlite_version_info >= WAL_IS_SAFE else "DELETE"

    def __call__(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = self._level
        for pragma in (
            f"busy_timeout={BUSY_MS}",
            f"journal_mode={self._journal}",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    is_reading = connection.get_execution_options().get("is_reading", False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


class Database:
    """Transactions on one database."""

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = normal_url(url)
        self.is_sqlite = is_sqlite(self.url)
        if self.is_sqlite:
            Path(str(sa.make_url(self.url).database)).parent.mkdir(parents=True, exist_ok=True)
        self.engine = create_engine(self.url, pool_size=pool_size)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write; all of it happens or nothing.

        Raises DatabaseError where the database cannot be reached, DiskFullError.
        """
        with _told_plainly(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look; it never waits for writers. Raises DatabaseError."""
        with _told_plainly(), self.engine.connect() as connection:
            yield connection.execution_options(is_reading=True)

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as fault:
        raise _plain(fault) from fault
    except DBAPIError as fault:
        if fault.connection_invalidated:
            raise DatabaseError from fault
        raise


def _plain(fault: DBAPIError) -> DatabaseError | DiskFullError:
    text = str(fault.orig).lower()
    is_full = "disk is full" in text or "no space left" in text
    return DiskFullError() if is_full else DatabaseError()


def lock_row(connection: sa.Connection, table: sa.Table, row_id: str) -> sa.Row[Any] | None:
    """The row, held until the transaction ends. (SQLite holds the whole file already.)"""
    return connection.execute(
        sa.select(table).where(table.c.id == row_id).with_for_update()
    ).first()
