"""Transactions on SQLite and PostgreSQL, with real processes."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from full_disk import largest_file
from lendface.errors import BadOptionError, DatabaseError, DiskFullError
from lendface.storage import database as database_module
from lendface.storage.database import Database, create_engine, lock_row, normal_url
from lendface.storage.tables import clients, ledger
from services.postgres import PostgresServer

PROCESSES, TIMES = 3, 100


def client_row(client_id: str = "c" * 16, **values: Any) -> dict[str, Any]:
    defaults = {"name": "n", "scopes": [], "webhook_secret": "sealed", "created_ms": 1}
    return {"id": client_id, **defaults, **values}


def add_client(database: Database, **values: Any) -> None:
    with database.writing() as connection:
        connection.execute(clients.insert().values(**client_row(**values)))


def units(connection: sa.Connection) -> int:
    return connection.execute(sa.select(clients.c.quota_units)).scalar_one()


# Many at once


def test_processes_that_read_and_then_write_lose_nothing(database: Database) -> None:
    add_client(database, quota_units=0)
    context = get_context("spawn")
    everybody = context.Barrier(PROCESSES)
    counting = [
        context.Process(target=count_up, args=(database.url, everybody)) for _ in range(PROCESSES)
    ]
    for process in counting:
        process.start()
    for process in counting:
        process.join(timeout=300)
    assert [process.exitcode for process in counting] == [0] * PROCESSES
    with database.reading() as connection:
        assert units(connection) == PROCESSES * TIMES


def count_up(url: str, everybody: Any) -> None:
    """What each process does."""
    database = Database(url)
    everybody.wait(timeout=300)
    for _ in range(TIMES):
        with database.writing() as connection:
            row = lock_row(connection, clients, "c" * 16)
            assert row is not None
            connection.execute(clients.update().values(quota_units=row.quota_units + 1))
    database.close()


def test_a_new_file_can_be_opened_by_many_at_once(tmp_path: Path) -> None:
    """Of those that switch its journal at once, SQLite refuses all but one."""
    crowd = 6
    everybody = threading.Barrier(crowd)

    def open_it(path: Path) -> str:
        database = Database(f"sqlite:///{path}")
        everybody.wait(timeout=300)
        with database.writing() as connection:
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        database.close()
        return str(mode)

    with ThreadPoolExecutor(crowd) as pool:
        for number in range(20):
            path = tmp_path / f"{number}.db"
            assert set(pool.map(open_it, [path] * crowd)) == {"wal"}


def test_many_who_add_a_row_and_then_lock_what_it_refers_to_all_get_through(
    database: Database,
) -> None:
    add_client(database, quota_units=0)
    crowd = 4
    everybody = threading.Barrier(crowd)

    def add_and_count(number: int) -> None:
        with database.writing() as connection:
            add_entry(connection, number)
            if not database.is_sqlite:
                everybody.wait(timeout=300)  # everybody refers to the client before any locks it
            row = lock_row(connection, clients, "c" * 16)
            assert row is not None
            connection.execute(clients.update().values(quota_units=row.quota_units + 1))

    with ThreadPoolExecutor(crowd) as pool:
        list(pool.map(add_and_count, range(crowd)))
    with database.reading() as connection:
        assert units(connection) == crowd


def add_entry(connection: sa.Connection, number: int) -> None:
    values = {"at_ms": number, "client_id": "c" * 16, "reason": "grant", "units": 0}
    connection.execute(ledger.insert().values(**values))


def test_a_reader_does_not_wait_and_sees_one_moment(database: Database) -> None:
    add_client(database, quota_units=1)
    with database.reading() as reading:
        assert units(reading) == 1
        with database.writing() as writing:
            writing.execute(clients.update().values(quota_units=2))
            with database.reading() as other:
                assert units(other) == 1
        assert units(reading) == 1
    with database.reading() as reading:
        assert units(reading) == 2


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def change_and_fail() -> None:
        with database.writing() as connection:
            connection.execute(clients.insert().values(**client_row()))
            raise KeyError("something else went wrong")

    with pytest.raises(KeyError):
        change_and_fail()
    with database.reading() as connection:
        assert connection.execute(sa.select(clients)).first() is None


# What goes wrong


def test_a_broken_rule_is_told_without_the_values(database: Database) -> None:
    add_client(database, webhook_secret="seal-me")
    with pytest.raises(IntegrityError) as told:
        add_client(database, webhook_secret="seal-me")
    assert "seal-me" not in str(told.value)


def write_text(path: Path) -> Path:
    path.write_text("this is no database, though it is longer than a header is" * 20)
    return path


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.parametrize("make", [make_folder, write_text], ids=["a folder", "a text file"])
def test_a_file_that_is_no_database_is_told_without_its_path(make: Any, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{make(tmp_path / 'thing')}")
    for work in (database.reading, database.writing):
        with pytest.raises(DatabaseError) as told, work() as connection:
            connection.execute(sa.text("SELECT 1"))
        assert "thing" not in str(told.value)
        assert told.value.code == "database_unavailable"
    database.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadOptionError, match="LENDFACE_DATABASE_URL cannot be made"):
        Database(f"sqlite:///{tmp_path / 'file' / 'folder' / 'lendface.db'}")


def test_a_full_disk_is_told_and_what_was_there_stays(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'lendface.db'}", pool_size=1)
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text TEXT)")
        connection.exec_driver_sql("INSERT INTO notes VALUES ('kept')")
        connection.exec_driver_sql("PRAGMA max_page_count=8")
    with pytest.raises(DiskFullError), database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES (zeroblob(1000000))")
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT text FROM notes").scalars().all() == ["kept"]
    database.close()


def test_a_full_disk_is_a_lost_connection_to_the_durable_engine(tmp_path: Path) -> None:
    """It waits for one that was lost, and takes anything else for an error of the job."""
    engine = create_engine(f"sqlite:///{tmp_path / 'lendface.db'}", begins_itself=True, pool_size=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (text TEXT)")
    for _ in range(2):
        with pytest.raises(OperationalError) as told, largest_file(0), engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")
        assert told.value.connection_invalidated
    with pytest.raises(OperationalError) as told, engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO nothing VALUES ('wrong')")
    assert not told.value.connection_invalidated
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES ('kept')")
        assert connection.exec_driver_sql("SELECT text FROM notes").scalars().all() == ["kept"]
    engine.dispose()


@pytest.mark.services
def test_a_server_that_was_away_is_used_again(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    with database.reading() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    postgres.stop()
    try:
        for work in (database.reading, database.writing):
            with pytest.raises(DatabaseError) as told, work() as connection:
                connection.execute(sa.text("SELECT 1"))
            assert "127.0.0.1" not in str(told.value)
    finally:
        postgres.start()
    with database.writing() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    database.close()


@pytest.mark.services
def test_a_connection_that_breaks_in_the_middle_is_told(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())

    def work() -> None:
        with database.writing() as connection:
            connection.execute(sa.text("SELECT 1"))
            postgres.restart()
            connection.execute(sa.text("SELECT 1"))

    with pytest.raises(DatabaseError):
        work()
    with database.reading() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar_one() == 1
    database.close()


@pytest.mark.services
def test_a_look_cannot_write(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    with pytest.raises(sa.exc.DBAPIError, match="read-only"), database.reading() as connection:
        connection.execute(sa.text("CREATE TABLE t (a int)"))
    with database.writing() as connection:
        connection.execute(sa.text("CREATE TABLE t (a int)"))
    database.close()


# How it is opened


def test_an_older_sqlite_keeps_the_plain_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sqlite3.sqlite_version_info >= database_module.WAL_IS_SAFE:
        pytest.skip("this Python's own SQLite is a newer one")
    monkeypatch.setattr(database_module, "sqlite_module", lambda: sqlite3)
    database = Database(f"sqlite:///{tmp_path / 'lendface.db'}")
    with database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "delete"
    database.close()


def test_a_connection_is_set_up_to_lose_nothing(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'new' / 'lendface.db'}")
    with database.reading() as connection:
        facts = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert facts == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000,
    }  # fmt: skip
    database.close()


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("sqlite:////data/lendface.db", "sqlite:////data/lendface.db"),
        ("postgres://u:p%40ss@db/lendface", "postgresql+psycopg://u:p%40ss@db/lendface"),
        ("postgresql://db/lendface", "postgresql+psycopg://db/lendface"),
        ("postgresql+psycopg:///x?host=%2Frun", "postgresql+psycopg:///x?host=%2Frun"),
    ],
)
def test_a_url_gets_the_driver_we_use(url: str, normal: str) -> None:
    assert normal_url(url) == normal


@pytest.mark.parametrize(
    "url",
    [
        "", "lendface.db", "mysql://u:secret@db/x", "sqlite://", "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true", "sqlite+aiosqlite:///x.db",
    ],
)  # fmt: skip
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(BadOptionError, match="LENDFACE_DATABASE_URL") as told:
        normal_url(url)
    assert "secret" not in str(told.value)
