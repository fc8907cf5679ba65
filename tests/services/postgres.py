"""A private PostgreSQL on loopback, for the tests of one process.

It is fast and forgetful: nothing is flushed to disk, and its folder goes when it stops.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

USER = "postgres"  # the server refuses to run as root
OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "warning",
}
START_TRIES = 3  # another process may take the free port first


class PostgresServer:
    """One server; every test takes databases of its own."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._bin = bin_folder
        self._data = folder / "data"
        self._numbers = count(1)

    def new_database(self) -> str:
        """The URL of a fresh, empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._dsn(name)

    def start(self) -> None:
        """Waits until it answers."""
        options = " ".join(f"-c {name}={value}" for name, value in OPTIONS.items())
        where = f"-p {self.port} -k {self.folder}"
        self._ctl(
            "start", "-w", "-t", "240", "-l", str(self.folder / "log"), "-o", f"{where} {options}"
        )

    def stop(self) -> None:
        """Its clients' connections break, as when the machine restarts."""
        self._ctl("stop", "-w", "-t", "240", "-m", "fast")

    def restart(self) -> None:
        """On the same port, with the same databases."""
        self.stop()
        self.start()

    def make(self) -> None:
        """A new cluster, running on a free port."""
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-N", "-E", "UTF8")
        for tries_left in reversed(range(START_TRIES)):
            self.port = _free_port()
            try:
                return self.start()
            except subprocess.CalledProcessError:
                if not tries_left:
                    raise
        return None

    def _dsn(self, database: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def _ctl(self, action: str, *words: str) -> None:
        self._run("pg_ctl", action, "-D", str(self._data), *words)

    def _run(self, program: str, *words: str) -> None:
        # What the server says goes to a file: a pipe would stay open as long as the server.
        with (self.folder / "said").open("w+") as said:
            try:
                subprocess.run(
                    [str(self._bin / program), *words],
                    cwd=self.folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=said,
                    stderr=said, check=True, timeout=300, **_as_user(),
                )  # fmt: skip
            except subprocess.CalledProcessError as fault:
                said.seek(0)
                fault.add_note(said.read())
                raise


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    # Not pytest's folder, which another user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = PostgresServer(_bin_folder(), folder)
    try:
        if "user" in _as_user():
            shutil.chown(folder, USER)
        server.make()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for this test process; skipped where PostgreSQL is not installed."""
    if missing := _missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with run_postgres() as server:
        yield server


def _missing() -> str | None:
    try:
        _bin_folder()
        if os.geteuid() == 0:
            pwd.getpwnam(USER)
    except (FileNotFoundError, KeyError):
        return f"PostgreSQL or its user {USER} is not installed (Debian: postgresql)"
    return None


def _bin_folder() -> Path:
    """Where the newest server's programs are; Debian keeps them off the path."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found.sort(key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    on_path = shutil.which("initdb")
    if not found and not on_path:
        raise FileNotFoundError
    return found[-1].parent if found else Path(str(on_path)).resolve().parent


def _as_user() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": USER, "group": pwd.getpwnam(USER).pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """Without the variables by which an operator names a server of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C.UTF-8"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
