"""A database for a test: SQLite always, PostgreSQL where the services are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
    schema.upgrade(empty_database)
    return empty_database
