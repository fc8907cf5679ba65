"""Who is alive: each worker holds a lock that ends with its process, however it ends."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

SPACE = 0x1E4DFACE  # our part of the database's advisory locks


class Locks(Protocol):
    """Locks by name. A lock that is held belongs to a living process."""

    def hold(self, name: str) -> bool:
        """Take a lock for as long as this process lives. False: somebody else has it."""
        ...

    def keep(self) -> None:
        """Make sure that the held locks are still held; take them again if a server restarted."""
        ...

    def borrow(self, name: str) -> object:
        """A context manager: whether the lock was free; it is given back at the end."""
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

    def keep(self) -> None:
        """The kernel keeps them."""

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

    The server frees them when the process or its machine is gone; the connection's keepalives
    (``storage.database``) tell it of a machine that vanished.
    """

    def __init__(self, engine: sa.Engine) -> None:
        """``engine`` is this object's own; every lock is held on one connection of it."""
        self._engine = engine
        self._connection: sa.Connection | None = None
        self._held: set[str] = set()

    def hold(self, name: str) -> bool:
        if not self._lock(name):
            return False
        self._held.add(name)
        return True

    def keep(self) -> None:
        """Raises DBAPIError where the database is away; ask again later."""
        try:
            self._live().execute(sa.text("SELECT 1"))
        except DBAPIError:
            self._drop()
            for name in self._held:
                self._lock(name)

    @contextmanager
    def borrow(self, name: str) -> Iterator[bool]:
        is_free = name not in self._held and self._lock(name)
        try:
            yield is_free
        finally:
            if is_free:
                self._live().execute(
                    sa.text("SELECT pg_advisory_unlock(:space, :name)"), _numbers(name)
                )

    def close(self) -> None:
        self._drop()
        self._engine.dispose()

    def _lock(self, name: str) -> bool:
        statement = sa.text("SELECT pg_try_advisory_lock(:space, :name)")
        return bool(self._live().execute(statement, _numbers(name)).scalar())

    def _live(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None


def _numbers(name: str) -> dict[str, int]:
    """Two 32 bit numbers, which is what the server locks."""
    digest = hashlib.sha256(name.encode()).digest()
    return {"space": SPACE, "name": int.from_bytes(digest[:4], "big", signed=True)}
