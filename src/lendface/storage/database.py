"""One database, SQLite in a file or PostgreSQL, and how to talk to it safely.

SQLite: every writing transaction begins IMMEDIATE, since one that reads first and writes later is
refused at once when another process wrote in between, whatever the busy timeout. WAL only where
the library has the fix for lost pages (3.51.3, https://www.sqlite.org/changes.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

from ..errors import BadOptionError, DatabaseError, DiskFullError
from .disk import keep_to_owner, make_folder
from .together import Together

WAL_IS_SAFE = (3, 51, 3)
BUSY_MS = 30_000
SWITCH_TRIES = 100
# Words of SQLite and PostgreSQL; pysqlite3 gives no codes.
DISK_IS_FULL = ("disk is full", "no space left")
DISK_REFUSES = ("disk i/o error", "unable to open database file")

T = TypeVar("T")


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
    except exc.ArgumentError:
        raise BadOptionError("LENDFACE_DATABASE_URL is not a database URL") from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if parsed.drivername == "sqlite" and _is_file(parsed.database or ""):
        return url
    raise BadOptionError(
        "LENDFACE_DATABASE_URL must begin with sqlite:/// (and a file) or postgresql://"
    )


def _is_file(name: str) -> bool:
    """Several processes share a database, so it cannot be in memory."""
    return bool(name) and not name.startswith((":memory:", "file:"))


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:")


def create_engine(url: str, *, begins_itself: bool = False, pool_size: int = 10) -> sa.Engine:
    """An engine for ``url`` as ``normal_url`` gives it.

    ``begins_itself``: for the durable engine, which leaves the beginning of transactions to the
    driver and waits for a database that is away.
    """
    if not is_sqlite(url):
        return sa.create_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": 10,
                "keepalives": 1,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 25_000,
            },
        )
    module = sqlite_module()
    engine = sa.create_engine(
        url, module=module, pool_size=pool_size, max_overflow=pool_size, hide_parameters=True
    )
    event.listen(engine, "connect", _Pragmas(module, begins_itself, _file_of(url)))
    if begins_itself:
        event.listen(engine, "handle_error", _tell_outage)
    else:
        event.listen(engine, "begin", _begin)
    return engine


class _Pragmas:
    """Sets up each new SQLite connection."""

    def __init__(self, module: Any, begins_itself: bool, file: Path) -> None:
        self._busy = module.OperationalError
        self._files = [file.with_name(file.name + end) for end in ("", "-wal", "-shm", "-journal")]
        self._level = "IMMEDIATE" if begins_itself else None
        self._journal = journal_mode(module.sqlite_version_info)

    def __call__(self, connection: Any, _record: Any) -> None:
        # Before anything is in it: SQLite gives the other files the rights that this one has.
        keep_to_owner(*self._files)
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        self._switch_journal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA secure_delete=ON")  # what is erased is written over
        connection.isolation_level = self._level

    def _switch_journal(self, connection: Any) -> None:
        """The file remembers its mode, so only the first connection ever has to change it.

        Of several that try at once all but one are refused without a wait, in spite of the
        timeout; they wait for the writer and look again.
        """
        for tries_left in reversed(range(SWITCH_TRIES)):
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode == self._journal:
                return
            try:
                connection.execute(f"PRAGMA journal_mode={self._journal}")
            except self._busy:
                if not tries_left:
                    raise
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")


def journal_mode(version: tuple[int, int, int]) -> str:
    """How a SQLite of this version may keep its journal.

    >>> journal_mode((3, 51, 2)), journal_mode((3, 51, 3))
    ('delete', 'wal')
    """
    return "wal" if version >= WAL_IS_SAFE else "delete"


def _begin(connection: sa.Connection) -> None:
    is_reading = connection.get_execution_options().get("is_reading", False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")


def _tell_outage(context: sa.engine.ExceptionContext) -> None:
    """A disk that takes nothing is a database that is away.

    The durable engine waits for a connection that was lost; of SQLite it would take this for an
    error of the job's, which then ended as ``internal`` though its tasks were done.
    """
    text = str(context.original_exception).lower()
    if any(words in text for words in (*DISK_IS_FULL, *DISK_REFUSES)):
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False  # the other connections may be good


class Database:
    """Transactions on one database.

    Not for nesting: on SQLite the inner transaction would wait for the outer one.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.url = normal_url(url)
        self.is_sqlite = is_sqlite(self.url)
        if self.is_sqlite:
            _make_folder(_file_of(self.url).parent)
        self.engine = create_engine(self.url, pool_size=pool_size)
        # SQLite lets whoever waits for its one lock sleep ever longer between looks. So the threads
        # of a process queue here, and only processes wait for each other there.
        self._one_writer = Lock() if self.is_sqlite else nullcontext()
        self._readers = self.engine.execution_options(**self._reading)
        self._together = Together(self.engine)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that may write; all of it happens or nothing.

        Raises DatabaseError where the database cannot be reached, DiskFullError. A broken rule of
        a table stays SQLAlchemy's IntegrityError, for the caller to answer.
        """
        with told_plainly(), self._one_writer, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def erasing(self) -> Iterator[sa.Connection]:
        """``writing``, after which what was there before cannot be read from SQLite's files.

        PostgreSQL keeps former rows until it vacuums.
        """
        with self.writing() as connection:
            yield connection
        if self.is_sqlite:  # former pages lie in the write-ahead log, where there is one
            with told_plainly(), self.engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look; it never waits for writers. Raises DatabaseError."""
        with told_plainly(), self._readers.connect() as connection:
            yield connection

    def write_together(self, work: Callable[[sa.Connection], T]) -> T:
        """Do ``work`` in a transaction that others who want to write at this moment may share.

        On SQLite, where they would wait for each other, and each for the disk. Whoever comes first
        does the work of all who wait, each in a savepoint: what one fails at is undone for that one
        alone. Nobody is answered before everything is on the disk.

        Raises what ``work`` raises, and what ``writing`` does.
        """
        if not self.is_sqlite:
            with self.writing() as connection:
                return work(connection)
        with told_plainly():
            turn = self._together.join(work)
            with self._one_writer:
                if not turn.is_over:
                    self._together.take_turns()
            return turn.outcome()

    @property
    def _reading(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"is_reading": True}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    def close(self) -> None:
        self.engine.dispose()


def _file_of(url: str) -> Path:
    return Path(str(sa.make_url(url).database))


def _make_folder(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError:
        raise BadOptionError("the folder of LENDFACE_DATABASE_URL cannot be made") from None


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turns what a driver says, often with a path in it, into our own errors."""
    try:
        yield
    except exc.TimeoutError as fault:  # every connection of the pool is busy
        raise DatabaseError from fault
    except exc.DBAPIError as fault:
        if not _is_outage(fault):
            raise
        raise (DiskFullError if _is_disk_full(fault) else DatabaseError)() from fault


def _is_outage(fault: exc.DBAPIError) -> bool:
    """Whether the database failed us, and not we it by a wrong statement or value."""
    is_damaged = type(fault) is exc.DatabaseError  # SQLite: the file is not a database
    is_away = isinstance(fault, exc.OperationalError | exc.InterfaceError)
    return is_away or is_damaged or fault.connection_invalidated


def _is_disk_full(fault: exc.DBAPIError) -> bool:
    text = str(fault.orig).lower()
    return any(words in text for words in DISK_IS_FULL)


def lock_row(connection: sa.Connection, table: sa.Table, row_id: str) -> sa.Row[Any] | None:
    """The row as it is now, held until the transaction ends.

    (SQLite holds the whole file already.) Rows that refer to it may still be added meanwhile;
    without that, two transactions that each add one and then ask for the lock would wait for
    each other for ever.
    """
    return connection.execute(_locking(table), {"row_id": row_id}).first()


@cache
def _locking(table: sa.Table) -> sa.Select[Any]:
    is_meant = table.c.id == sa.bindparam("row_id")
    return sa.select(table).where(is_meant).with_for_update(key_share=True)
