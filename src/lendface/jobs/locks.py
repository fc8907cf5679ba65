"""Who is alive: each worker holds a lock that ends with its process, however it ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Protocol

import sqlalchemy as sa

# How soon the server notices that a worker's machine has vanished: after 10 s of silence it asks
# three times, every 5 s. Its own default is two hours.
NOTICES = ("tcp_keepalives_idle=10", "tcp_keepalives_interval=5", "tcp_keepalives_count=3")


class Locks(Protocol):
    """Locks by name. A lock that is held belongs to a living process."""

    def hold(self, name: str) -> bool:
        """Take a lock for as long as this process lives. False: somebody else has it."""
        ...

    def keep(self) -> bool:
        """Take again what a restart of a server took from us. False: somebody else has it now."""
        ...

    def borrow(self, name: str) -> AbstractContextManager[bool]:
        """Whether the lock was free; if so it is ours until the end of the block."""
        ...

    def close(self) -> None: ...


class FileLocks:
    """One machine: a file for each name, locked by the kernel."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._held: dict[str, int] = {}

    def hold(self, name: str) -> bool:
        file = self._try(name)
        if file is None:
            return False
        self._held[name] = file
        return True

    def keep(self) -> bool:
        """The kernel keeps them."""
        return True

    @contextmanager
    def borrow(self, name: str) -> Iterator[bool]:
        file = self._try(name)
        try:
            yield file is not None
        finally:
            if file is not None:
                os.close(file)

    def close(self) -> None:
        for file in self._held.values():
            os.close(file)
        self._held.clear()

    def _try(self, name: str) -> int | None:
        if name in self._held:
            return None
        path, flags = self._folder / _file_name(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file


def _file_name(name: str) -> str:
    plain = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)[:80]
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.lock"


class PostgresLocks:
    """Many machines: advisory locks of the database, held on a connection of their own.

    The server frees them when the process or its machine is gone. Threads take turns on that
    connection, each for one statement. A connection pooler between us and the server must leave
    sessions whole.
    """

    def __init__(self, engine: sa.Engine) -> None:
        """``engine`` is this object's own; every lock is held on one connection of it."""
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._wanted: set[str] = set()
        self._held: set[str] = set()  # by this very connection
        self._turn = RLock()

    def hold(self, name: str) -> bool:
        with self._turn:
            if name in self._wanted or not self._ask("pg_try_advisory_lock", name):
                return False
            self._wanted.add(name)
            self._held.add(name)
            return True

    def keep(self) -> bool:
        """Raises SQLAlchemy's errors where the database is away; ask again later."""
        with self._turn:
            try:
                self._live().execute(sa.text("SELECT 1"))
            except sa.exc.SQLAlchemyError:
                self._drop()  # what follows connects again
            for name in self._wanted - self._held:
                if not self._ask("pg_try_advisory_lock", name):
                    return False
                self._held.add(name)
            return True

    @contextmanager
    def borrow(self, name: str) -> Iterator[bool]:
        is_free = name not in self._wanted and self._ask("pg_try_advisory_lock", name)
        try:
            yield is_free
        finally:
            if is_free:
                with suppress(sa.exc.SQLAlchemyError):  # the connection is gone, and the lock too
                    self._ask("pg_advisory_unlock", name)

    def close(self) -> None:
        with self._turn:
            self._drop()
            self._engine.dispose()

    def _ask(self, function: str, name: str) -> bool:
        query = sa.text(f"SELECT {function}(:key)")
        with self._turn:
            try:
                return bool(self._live().execute(query, {"key": _number(name)}).scalar())
            except sa.exc.SQLAlchemyError:
                self._drop()
                raise

    def _live(self) -> sa.Connection:
        """The one connection. A new one holds nothing yet."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> sa.Connection:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        for setting in NOTICES:
            connection.execute(sa.text(f"SET {setting}"))
        return connection

    def _drop(self) -> None:
        """End the session on the server too: back in the pool it would go on holding locks."""
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            connection.invalidate()
            connection.close()


def _number(name: str) -> int:
    """What the server locks is a signed number of 64 bits."""
    digest = hashlib.sha256(f"lendface/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
