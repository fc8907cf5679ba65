"""What several threads write in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from lendface.errors import BadOptionError, DiskFullError
from lendface.storage.database import Database
from lendface.storage.together import Together

CROWD = 8
metadata = sa.MetaData()
words = sa.Table("words", metadata, sa.Column("word", sa.String(400), primary_key=True))
likes = sa.Table("likes", metadata, sa.Column("word", sa.ForeignKey("words.word")))

Work = Callable[[sa.Connection], str]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Database]:
    """On SQLite, where work is done together."""
    database = Database(f"sqlite:///{tmp_path / 'words.db'}")
    metadata.create_all(database.engine)
    yield database
    database.close()


def say(word: str) -> Work:
    def work(connection: sa.Connection) -> str:
        connection.execute(words.insert(), {"word": word})
        return word

    return work


def say_and_regret(word: str) -> Work:
    def work(connection: sa.Connection) -> str:
        say(word)(connection)
        raise BadOptionError("better not")

    return work


def said(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(sa.select(words.c.word)).scalars())


def test_everybody_gets_an_answer_of_their_own(database: Database) -> None:
    everything = {str(number) for number in range(100)}
    with ThreadPoolExecutor(CROWD) as threads:
        told = set(threads.map(lambda word: database.write_together(say(word)), everything))
    assert told == said(database) == everything


def test_what_fails_is_undone_and_told_to_nobody_else(database: Database) -> None:
    database.write_together(say("a"))
    with pytest.raises(BadOptionError):
        database.write_together(say_and_regret("b"))
    with pytest.raises(IntegrityError):
        database.write_together(say("a"))
    assert said(database) == {"a"}


def test_what_somebody_was_told_is_there_after_a_sudden_death(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'words.db'}"
    context = get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=say_and_tell, args=(url, writer))
    process.start()
    writer.close()
    told = {reader.recv() for _ in range(100)}
    process.kill()
    process.join()
    with suppress(EOFError, OSError):  # what was told before it died
        while True:
            told.add(reader.recv())
    reader.close()
    database = Database(url)
    assert told <= said(database)
    database.close()


def say_and_tell(url: str, writer: Connection) -> None:
    """What the process does until it dies: each word is told when it is written."""
    database = Database(url)
    metadata.create_all(database.engine)
    telling = Lock()

    def say_on(first: int) -> None:
        for number in count(first, CROWD):
            word = database.write_together(say(str(number)))
            with telling:
                writer.send(word)

    with ThreadPoolExecutor(CROWD) as threads:
        list(threads.map(say_on, range(CROWD)))


def test_of_several_in_one_transaction_each_fails_alone(small: Database) -> None:
    together = Together(small.engine)
    good, regretted, twice, also_good = (
        together.join(work) for work in (say("a"), say_and_regret("b"), say("a"), say("c"))
    )
    together.take_turns()
    assert all(turn.is_over for turn in (good, regretted, twice, also_good))
    assert (good.outcome(), also_good.outcome()) == ("a", "c")
    for turn, fault in ((regretted, BadOptionError), (twice, IntegrityError)):
        with pytest.raises(fault):
            turn.outcome()
    assert said(small) == {"a", "c"}


def test_nobody_is_told_of_success_where_the_commit_fails(small: Database) -> None:
    def like_what_nobody_said(connection: sa.Connection) -> str:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")  # it is noticed at the end
        connection.execute(likes.insert(), {"word": "z"})
        return "z"

    together = Together(small.engine)
    turns = [together.join(work) for work in (say("a"), like_what_nobody_said)]
    regretted = together.join(say_and_regret("b"))
    together.take_turns()
    for turn in turns:
        with pytest.raises(DBAPIError):
            turn.outcome()
    with pytest.raises(BadOptionError):
        regretted.outcome()
    assert said(small) == set()


def say_too_much(connection: sa.Connection) -> str:
    """Until the disk is full, as far as SQLite can tell."""
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")
    return "".join(say(f"{number:0400}")(connection) for number in range(10_000))


def test_where_sqlite_gives_up_on_everything_nobody_is_told_of_success(small: Database) -> None:
    together = Together(small.engine)
    turns = [together.join(work) for work in (say("a"), say_too_much, say("b"))]
    together.take_turns()
    for turn in turns:
        with pytest.raises(OperationalError, match="full"):
            turn.outcome()
    assert said(small) == set()


def test_a_full_disk_is_told_plainly(small: Database) -> None:
    with pytest.raises(DiskFullError):
        small.write_together(say_too_much)
    assert said(small) == set()
