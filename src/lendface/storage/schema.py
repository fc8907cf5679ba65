"""The tables' versions: which one a database has, and how it gets to another.

The steps are the files in ``migrations/versions``. The wheel is enough: there is no ini file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ..errors import BadOptionError, DatabaseTooNewError
from .database import Database, told_plainly

MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS = (MIGRATIONS / "versions",)
LOCK = 0x1E4DFACE_5C4E3A  # of the database's advisory locks, which are numbers

_one_at_a_time = threading.Lock()  # alembic keeps what it works on in globals


def head() -> str:
    """The revision this version of lendface works with."""
    return str(_scripts(_config()).get_current_head())


def current(database: Database) -> str | None:
    """The revision of the database; None while it is empty. Raises DatabaseError."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables up to ``revision``, wholly or not at all; nothing to do is quick.

    Any number of processes may call it at once. Raises DatabaseTooNewError, BadOptionError where
    there is no such revision, DatabaseError and DiskFullError.
    """
    goal = head() if revision == "head" else revision
    if current(database) != goal:
        _migrate(database, command.upgrade, revision)


def downgrade(database: Database, revision: str) -> None:
    """Bring the tables back to ``revision``; ``base`` removes them. Raises as ``upgrade``."""
    _migrate(database, command.downgrade, revision)


def _config() -> Config:
    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", _escaped(str(MIGRATIONS)))
    config.set_main_option("version_locations", _escaped(os.pathsep.join(map(str, VERSIONS))))
    return config


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _scripts(config: Config) -> ScriptDirectory:
    return ScriptDirectory.from_config(config)


def _migrate(database: Database, move: Callable[[Config, str], None], revision: str) -> None:
    config = _config()
    with _one_at_a_time, _alone(database) as connection:
        _check_known(_scripts(config), MigrationContext.configure(connection).get_current_heads())
        config.attributes["connection"] = connection
        try:
            move(config, revision)
        except CommandError:
            raise BadOptionError(f"the database cannot be brought to revision {revision}") from None


def _check_known(scripts: ScriptDirectory, at: tuple[str, ...]) -> None:
    try:
        scripts.get_revisions(at)
    except CommandError:
        raise DatabaseTooNewError from None


@contextmanager
def _alone(database: Database) -> Iterator[sa.Connection]:
    """A transaction in which nobody else migrates."""
    if database.is_sqlite:
        with _without_references(database) as connection:
            yield connection
    else:
        with database.writing() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            yield connection


@contextmanager
def _without_references(database: Database) -> Iterator[sa.Connection]:
    """A transaction on SQLite whose references are checked at its end only.

    SQLite changes a table by writing a new one and dropping the old, which would break what
    refers to it (https://www.sqlite.org/lang_altertable.html, the 12 steps). The switch does
    nothing inside a transaction.
    """
    with told_plainly(), database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
                _check_references(connection)
        finally:
            driver.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: sa.Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken:
        raise RuntimeError(f"the migration breaks a reference of table {broken[0]}")
