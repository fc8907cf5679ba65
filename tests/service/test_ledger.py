"""Units are neither lost nor spent twice, whoever asks at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
import sqlalchemy as sa

from desks import DeskOfTests
from lendface.errors import BadOptionError, NotFoundError, QuotaExceededError
from lendface.service.clients import create_client
from lendface.service.ledger import (
    CHARGE,
    GRANT,
    Balance,
    balance,
    charge,
    grant,
    history,
    hold,
    release,
)
from lendface.storage.database import Database
from lendface.storage.tables import jobs

NOW_MS = 1_790_000_000_000


def new_client(database: Database, quota_units: int | None) -> str:
    return create_client(DeskOfTests(database), "Anna", quota_units=quota_units).client_id


def add_job(connection: sa.Connection, client_id: str, job_id: str) -> None:
    """A row that has what a job must have."""
    texts = dict.fromkeys(("api", "kind", "state", "stage", "request_hash"), "x")
    numbers = dict.fromkeys(("run", "priority", "created_ms", "changed_ms", "expires_ms"), 1)
    values = {"request": {}, "notes": {}, "facts": {}}
    connection.execute(
        jobs.insert().values(id=job_id, client_id=client_id, **texts, **numbers, **values)
    )


def submit(database: Database, client_id: str, job_id: str, units: int) -> bool:
    """Whether a job got its units; without them there is no job."""
    try:
        with database.writing() as connection:
            add_job(connection, client_id, job_id)
            hold(connection, client_id, job_id, units, NOW_MS)
    except QuotaExceededError:
        return False
    return True


def balance_of(database: Database, client_id: str) -> Balance:
    with database.reading() as connection:
        return balance(connection, client_id)


def end(database: Database, job_id: str, how: str) -> bool:
    with database.writing() as connection:
        if how == "charge":
            return charge(connection, job_id, NOW_MS + 1)
        return release(connection, job_id)


def all_at_once(work: Callable[[int], bool], crowd: int = 8) -> list[bool]:
    everybody = threading.Barrier(crowd)

    def start(number: int) -> bool:
        everybody.wait(timeout=300)
        return work(number)

    with ThreadPoolExecutor(crowd) as pool:
        return list(pool.map(start, range(crowd)))


# One after another


def test_a_hold_becomes_a_charge(database: Database) -> None:
    client_id = new_client(database, 10)
    assert submit(database, client_id, "job", 4)
    assert balance_of(database, client_id) == Balance(granted=10, used=0, held=4)
    assert end(database, "job", "charge")
    assert balance_of(database, client_id) == Balance(granted=10, used=4, held=0)
    assert balance_of(database, client_id).left == 6


def test_a_released_hold_is_as_if_it_had_never_been(database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 4)
    assert end(database, "job", "release")
    assert balance_of(database, client_id) == Balance(granted=10, used=0, held=0)


@pytest.mark.parametrize("again", ["charge", "release"])
def test_a_charge_happens_once_and_for_good(again: str, database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 4)
    assert end(database, "job", "charge")
    assert not end(database, "job", again)
    assert balance_of(database, client_id) == Balance(granted=10, used=4, held=0)


@pytest.mark.parametrize("units", [1, 4, 6, 10])
def test_a_hold_becomes_as_large_as_it_turns_out(units: int, database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 4)
    with database.writing() as connection:
        hold(connection, client_id, "job", units, NOW_MS)
    assert balance_of(database, client_id) == Balance(granted=10, used=0, held=units)
    assert end(database, "job", "charge")
    assert balance_of(database, client_id) == Balance(granted=10, used=units, held=0)


def test_a_hold_does_not_grow_beyond_what_is_left(database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 4)
    submit(database, client_id, "another", 3)
    with pytest.raises(QuotaExceededError) as refused, database.writing() as connection:
        hold(connection, client_id, "job", 8, NOW_MS)
    assert (refused.value.needed, refused.value.left) == (8, 7)
    assert balance_of(database, client_id).held == 7


def test_a_hold_that_is_asked_for_again_is_one_hold(database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 4)
    with database.writing() as connection:
        hold(connection, client_id, "job", 4, NOW_MS)
    assert balance_of(database, client_id).held == 4
    end(database, "job", "charge")
    with database.writing() as connection:
        hold(connection, client_id, "job", 4, NOW_MS)
    assert balance_of(database, client_id) == Balance(granted=10, used=4, held=0)


def test_a_job_that_is_tried_again_holds_again_and_is_charged_once(database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 4)
    end(database, "job", "release")
    with database.writing() as connection:
        hold(connection, client_id, "job", 5, NOW_MS)
    end(database, "job", "charge")
    assert balance_of(database, client_id) == Balance(granted=10, used=5, held=0)


def test_what_was_never_held_is_neither_charged_nor_released(database: Database) -> None:
    new_client(database, 10)
    assert not end(database, "job", "charge")
    assert not end(database, "job", "release")


def test_what_is_held_counts_against_the_quota(database: Database) -> None:
    client_id = new_client(database, 10)
    assert submit(database, client_id, "a", 7)
    with database.writing() as connection:
        add_job(connection, client_id, "b")
        with pytest.raises(QuotaExceededError) as told:
            hold(connection, client_id, "b", 4, NOW_MS)
    assert (told.value.code, told.value.needed, told.value.left) == ("quota_exceeded", 4, 3)
    assert submit(database, client_id, "c", 3)
    assert balance_of(database, client_id).left == 0
    assert submit(database, client_id, "free", 0)


def test_without_a_quota_there_is_no_end(database: Database) -> None:
    client_id = new_client(database, None)
    assert submit(database, client_id, "job", 10**9)
    assert balance_of(database, client_id) == Balance(granted=None, used=0, held=10**9)
    assert balance_of(database, client_id).left is None


def test_a_grant_adds_to_the_quota_and_can_be_taken_back(database: Database) -> None:
    client_id = new_client(database, 0)
    assert not submit(database, client_id, "early", 1)
    with database.writing() as connection:
        grant(connection, client_id, 5, NOW_MS)
    assert submit(database, client_id, "job", 5)
    with database.writing() as connection:
        grant(connection, client_id, -3, NOW_MS)
    assert balance_of(database, client_id) == Balance(granted=2, used=0, held=5)
    assert balance_of(database, client_id).left == -3
    assert not submit(database, client_id, "late", 1)
    assert submit(database, client_id, "free", 0)


def test_one_clients_units_are_not_anothers(database: Database) -> None:
    anna, bob = new_client(database, 5), new_client(database, 5)
    submit(database, anna, "job", 5)
    assert balance_of(database, bob).left == 5


def test_what_makes_no_sense_is_refused(database: Database) -> None:
    client_id = new_client(database, 5)
    with database.writing() as connection:
        with pytest.raises(BadOptionError):
            grant(connection, client_id, 0, NOW_MS)
        for work in (lambda: grant(connection, "nobody", 5, NOW_MS),
                     lambda: hold(connection, "nobody", "job", 5, NOW_MS),
                     lambda: balance(connection, "nobody")):  # fmt: skip
            with pytest.raises(NotFoundError, match="there is no such client"):
                work()


def test_the_history_tells_grants_and_charges_newest_first_page_by_page(
    database: Database,
) -> None:
    client_id = new_client(database, 100)
    with database.writing() as connection:
        grant(connection, client_id, 50, NOW_MS)
    for number in range(4):
        submit(database, client_id, f"job {number}", number + 1)
    for number in (2, 0, 1):
        end(database, f"job {number}", "charge")
    told, before = [], None
    for _ in range(2):
        with database.reading() as connection:
            page = history(connection, client_id, limit=2, before=before)
        told += [(entry.reason, entry.units, entry.job_id, entry.at_ms) for entry in page.entries]
        before = page.next_before
    assert before is None
    assert told == [
        (CHARGE, -2, "job 1", NOW_MS + 1),
        (CHARGE, -1, "job 0", NOW_MS + 1),
        (CHARGE, -3, "job 2", NOW_MS + 1),
        (GRANT, 50, None, NOW_MS),
    ]


# At the same time


def test_jobs_handed_in_at_once_never_exceed_the_quota(database: Database) -> None:
    client_id = new_client(database, 10)
    got = all_at_once(lambda number: submit(database, client_id, f"job {number}", 3))
    assert got.count(True) == 3
    assert balance_of(database, client_id) == Balance(granted=10, used=0, held=9)


def test_processes_that_hand_in_at_once_never_exceed_the_quota(database: Database) -> None:
    client_id = new_client(database, 50)
    context = get_context("spawn")
    everybody = context.Barrier(3)
    busy = [
        context.Process(target=hand_in, args=(database.url, client_id, name, everybody))
        for name in "abc"
    ]
    for process in busy:
        process.start()
    for process in busy:
        process.join(timeout=300)
    assert [process.exitcode for process in busy] == [0, 0, 0]
    assert balance_of(database, client_id) == Balance(granted=50, used=50, held=0)


def hand_in(url: str, client_id: str, name: str, everybody: Any) -> None:
    """What each process does: 30 jobs of one unit, as far as they go."""
    database = Database(url)
    everybody.wait(timeout=300)
    for number in range(30):
        if submit(database, client_id, f"{name} {number}", 1):
            end(database, f"{name} {number}", "charge")
    database.close()


@pytest.mark.parametrize("how", ["charge", "release"])
def test_of_ends_at_once_one_counts(how: str, database: Database) -> None:
    client_id = new_client(database, 10)
    submit(database, client_id, "job", 3)
    got = all_at_once(lambda number: end(database, "job", how if number % 2 else "charge"))
    assert got.count(True) == 1
    told = balance_of(database, client_id)
    assert (told.used, told.held) in ((3, 0), (0, 0))
    if how == "charge":
        assert told.used == 3
