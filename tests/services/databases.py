"""A database for a test: SQLite always, PostgreSQL where the services are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sqlalchemy as sa

from lendface.storage import schema
from lendface.storage.database import Database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lendface.db'}"
    return request.getfixturevalue("postgres").new_database()


@pytest.fixture
def empty_database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def database(empty_database: Database) -> Database:
    """With its tables."""
    make_tables(empty_database)
    return empty_database


def make_tables(database: Database) -> None:
    """As the migrations make them; of a new SQLite file by a copy, since most tests would spend
    more time on migrations than on anything else."""
    if database.is_sqlite:
        file = Path(str(sa.make_url(database.url).database))
        if not file.exists():
            file.write_bytes(_file_with_tables())
    schema.upgrade(database)


@cache
def _file_with_tables() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "lendface.db"
        database = Database(f"sqlite:///{file}")
        schema.upgrade(database)
        database.close()
        return file.read_bytes()
