"""Who is alive: one contract, files and a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from jobs.crew import DEADLINE_S, FORKS
from jobs.toy_worker import locks_at
from lendface.errors import ExecutorTakenError
from lendface.jobs.locks import Locks, PostgresLocks
from lendface.jobs.reaper import alive
from lendface.jobs.worker import WorkerOptions, take_name
from lendface.storage.database import create_engine, normal_url
from services.postgres import PostgresServer

NewLocks = Callable[[], Locks]


@pytest.fixture
def new_locks(database_url: str, tmp_path: Path) -> Iterator[NewLocks]:
    """Each is what one process has."""
    with ExitStack() as opened:

        def new() -> Locks:
            locks = locks_at(tmp_path, normal_url(database_url))
            opened.callback(locks.close)
            return locks

        yield new


def test_a_lock_is_one_processs(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    assert one.hold("a")
    assert not two.hold("a")
    assert two.hold("b")


def test_a_lock_is_held_once(new_locks: NewLocks) -> None:
    one = new_locks()
    assert one.hold("a")
    assert not one.hold("a")


def test_a_held_lock_cannot_be_borrowed_not_even_by_its_holder(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    one.hold("a")
    for locks in (one, two):
        with locks.borrow("a") as is_free:
            assert not is_free
    assert not two.hold("a")


def test_a_borrowed_lock_is_given_back(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    with one.borrow("a") as is_free:
        assert is_free
        assert not two.hold("a")
    assert two.hold("a")


def test_a_borrowed_lock_is_given_back_after_an_error(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    with pytest.raises(ZeroDivisionError), one.borrow("a"):
        raise ZeroDivisionError
    assert two.hold("a")


def test_closing_frees_what_is_held(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    one.hold("a")
    one.close()
    assert two.hold("a")


def test_names_that_look_alike_are_different_locks(new_locks: NewLocks) -> None:
    locks = new_locks()
    names = ["a/b", "a_b", "a b", "A_B", "x" * 200, "x" * 201, "\N{SNOWMAN}"]
    assert [locks.hold(name) for name in names] == [True] * len(names)


def test_keeping_what_is_held_changes_nothing(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    one.hold("a")
    assert one.keep()
    assert not two.hold("a")
    assert two.keep()


def test_a_lock_ends_with_its_process_however_it_ends(
    new_locks: NewLocks, database_url: str, tmp_path: Path
) -> None:
    ours, theirs = FORKS.Pipe()
    process = FORKS.Process(
        target=_hold, args=(tmp_path, normal_url(database_url), theirs), daemon=True
    )
    process.start()
    theirs.close()
    assert ours.recv() is True
    locks = new_locks()
    assert not locks.hold("a")
    process.kill()
    process.join()
    take_name(WorkerOptions("a", ()), _Renamed(locks))
    ours.close()
    process.close()


def _hold(folder: Path, url: str, theirs: object) -> None:
    locks = locks_at(folder, url)
    theirs.send(locks.hold("a"))  # pyrefly: ignore[missing-attribute]
    threading.Event().wait()


class _Renamed:
    """Asks for ``a`` where the name of an executor is asked for: a server may take a moment."""

    def __init__(self, locks: Locks) -> None:
        self._locks = locks

    def hold(self, name: str) -> bool:
        return self._locks.hold(name.removeprefix("executor/"))

    def __getattr__(self, name: str) -> object:
        return getattr(self._locks, name)


def test_a_worker_gets_its_name_though_a_reaper_just_looks_at_it(new_locks: NewLocks) -> None:
    reaper, worker = new_locks(), new_locks()
    with reaper.borrow(alive("me")):
        taking = threading.Thread(
            target=take_name, args=(WorkerOptions("me", (), take_s=DEADLINE_S), worker), daemon=True
        )
        taking.start()
        taking.join(0.05)
        assert taking.is_alive()
    taking.join(DEADLINE_S)
    assert not taking.is_alive()
    assert not reaper.hold(alive("me"))


def test_a_taken_name_is_refused(new_locks: NewLocks) -> None:
    one, two = new_locks(), new_locks()
    take_name(WorkerOptions("me", ()), one)
    with pytest.raises(ExecutorTakenError, match="a worker named me is already running"):
        take_name(WorkerOptions("me", (), take_s=0), two)


# What only a server can do to its clients


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return normal_url(postgres.new_database())


@pytest.fixture
def pair(url: str) -> Iterator[tuple[PostgresLocks, PostgresLocks]]:
    both = [PostgresLocks(create_engine(url, pool_size=1)) for _ in range(2)]
    yield both[0], both[1]
    for locks in both:
        locks.close()


Pair = tuple[PostgresLocks, PostgresLocks]


@pytest.mark.services
def test_locks_are_taken_again_after_a_restart(postgres: PostgresServer, pair: Pair) -> None:
    one, two = pair
    assert one.hold("a")
    assert one.hold("b")
    postgres.restart()
    assert one.keep()
    for name in ("a", "b"):
        with two.borrow(name) as is_free:
            assert not is_free


@pytest.mark.services
def test_while_the_server_is_away_keeping_fails_and_later_it_does_not(
    postgres: PostgresServer, pair: Pair
) -> None:
    one, two = pair
    assert one.hold("a")
    postgres.stop()
    try:
        for _ in range(3):
            with pytest.raises(sa.exc.OperationalError):
                one.keep()
    finally:
        postgres.start()
    assert one.keep()
    assert two.keep()
    assert not two.hold("a")


@pytest.mark.services
def test_a_lock_that_somebody_else_took_meanwhile_stays_theirs(
    postgres: PostgresServer, pair: Pair
) -> None:
    one, two = pair
    assert one.hold("a")
    postgres.restart()
    two.keep()
    assert two.hold("a")
    assert not one.keep()
    two.close()
    assert one.keep()


@pytest.mark.services
def test_a_server_that_goes_while_a_lock_is_borrowed_frees_it(
    postgres: PostgresServer, pair: Pair
) -> None:
    one, two = pair
    with one.borrow("a") as is_free:
        assert is_free
        postgres.restart()
    two.keep()
    with two.borrow("a") as is_free:
        assert is_free
    assert one.keep()


@pytest.mark.services
def test_the_server_notices_soon_that_a_machine_has_vanished(pair: Pair) -> None:
    connection = pair[0]._live()
    shown = [
        connection.execute(sa.text(f"SHOW tcp_keepalives_{what}")).scalar()
        for what in ("idle", "interval", "count")
    ]
    assert shown == ["10", "5", "3"]
