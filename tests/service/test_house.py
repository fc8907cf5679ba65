"""What housekeeping cannot do now keeps nothing else from being done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lendface.errors import StorageUnavailableError
from lendface.jobs.chores import Chore, Chores
from lendface.jobs.locks import FileLocks
from lendface.service.batches import MAX_OUTAGES, do_each
from lendface.service.house import AT_A_TIME, LOST_MS, LOST_PAGES, Housekeeping
from lendface.service.jobs import cancel, find_admissible, get_row, submit
from lendface.service.office import DAY_MS, Office
from lendface.service.requests import ScanJob
from lendface.service.states import SUCCEEDED
from lendface.service.uploads import Declared, declare, mark_received
from lendface.storage.tables import jobs, uploads
from service.offices import (
    Clock,
    RecordingQueue,
    change_job,
    end_job,
    new_client,
    open_office,
    start_job,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with open_office(tmp_path, clock=clock) as office:
        yield office


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office).client_id


def send(office: Office, client: str) -> str:
    row, _ = declare(office, client, Declared("a.mp4", "video/mp4", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_received(office, row["blob_key"], 4, "0" * 64)
    return row["id"]


def purged(office: Office, table: sa.Table = uploads) -> set[str]:
    with office.database.reading() as connection:
        query = sa.select(table.c.id).where(table.c.purged_ms.is_not(None))
        return set(connection.execute(query).scalars())


def house_of(office: Office, is_known: Any = lambda job_id, run: True) -> Housekeeping:
    return Housekeeping(office, "none", is_known)


def copies(office: Office, table: sa.Table, of: str, count: int, **changes: Any) -> list[str]:
    """More rows like one that is there; their ids sort after all that chance made."""
    with office.database.writing() as connection:
        query = sa.select(table).where(table.c.id == of)
        row = dict(connection.execute(query).mappings().one())
        ids = [f"z{number:06d}" for number in range(count)]
        rows = [{**row, **changes, "id": each} for each in ids]
        if table is uploads:
            rows = [{**each, "blob_key": f"{each['blob_key']}-{each['id']}"} for each in rows]
        connection.execute(table.insert(), rows)
    return ids


# Chores


def test_a_chore_that_fails_keeps_no_other_back(
    office: Office, client: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(job_id: str, run: int) -> bool:
        raise RuntimeError("/a/path and a secret")

    late = submit(office, client, ScanJob(send(office, client)))["id"]
    start_job(office, late)
    lost = submit(office, client, ScanJob(send(office, client)))["id"]
    unused = send(office, client)
    clock.ms += 8 * DAY_MS
    house_of(office, breaks).tidy()
    with office.database.reading() as connection:
        assert get_row(connection, late)["error_code"] == "job_timeout"
        assert get_row(connection, lost)["state"] == "queued"
    assert unused in purged(office)
    told = [record for record in caplog.records if record.name == "lendface.house"]
    assert [vars(record)["code"] for record in told] == ["internal"]
    assert "secret" not in caplog.text


def test_a_chore_that_hangs_keeps_no_other_back(tmp_path: Path) -> None:
    end, let_go, done = threading.Event(), threading.Event(), threading.Event()
    chores = [Chore("hangs", 60, let_go.wait), Chore("goes on", 60, done.set)]
    Chores(chores, FileLocks(tmp_path), end).start()
    try:
        assert done.wait(60)
    finally:
        end.set()
        let_go.set()


def test_a_chore_that_failed_has_its_next_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    end, turns = threading.Event(), []

    def fail_once() -> None:
        turns.append(1)
        if len(turns) == 1:
            raise RuntimeError("/a/path")
        end.set()

    Chores([Chore("fails", 0, fail_once)], FileLocks(tmp_path), end).start()
    assert end.wait(60)
    (record,) = [each for each in caplog.records if each.name == "lendface.jobs"]
    assert (vars(record)["chore"], vars(record)["code"]) == ("fails", "internal")
    assert "/a/path" not in record.getMessage()


def test_of_two_workers_one_is_at_a_chore(tmp_path: Path) -> None:
    locks, turns = FileLocks(tmp_path), []
    chore = Chore("expired", 60, lambda: turns.append(1))
    ours, theirs = (Chores([chore], FileLocks(tmp_path), threading.Event()) for _ in range(2))
    with locks.borrow("chores/expired"):
        ours.take_turn(chore)
        theirs.take_turn(chore)
        assert turns == []
    ours.take_turn(chore)
    theirs.take_turn(chore)
    assert turns == [1, 1]


# Rows


def test_what_fails_is_counted_and_the_others_are_done(caplog: pytest.LogCaptureFixture) -> None:
    done = []

    def do(number: int) -> None:
        if number % 2:
            raise ValueError(number)
        done.append(number)

    assert do_each("numbers", range(50), do) == 25
    assert done == list(range(0, 50, 2))
    (record,) = caplog.records
    assert (vars(record)["count"], vars(record)["code"]) == (25, "internal")


def test_a_file_that_cannot_be_deleted_keeps_no_other(
    office: Office, client: str, clock: Clock
) -> None:
    stuck, *others = (send(office, client) for _ in range(3))
    with office.database.writing() as connection:
        bad = uploads.update().where(uploads.c.id == stuck).values(blob_key="no//key")
        connection.execute(bad)
    clock.ms += 8 * DAY_MS
    house_of(office).tidy()
    assert purged(office) == set(others)
    assert list(office.blobs.list("uploads")) == [*office.blobs.list(f"uploads/{client}")]
    assert len(list(office.blobs.list("uploads"))) == 1


def test_files_that_cannot_be_deleted_are_not_the_first_for_ever(
    office: Office, client: str, clock: Clock
) -> None:
    """A whole page of them, and the store is taken to be away long before its end."""
    assert MAX_OUTAGES < AT_A_TIME
    first = send(office, client)
    stuck = {first, *copies(office, uploads, first, AT_A_TIME)}
    clock.ms += 1
    last = send(office, client)
    clock.ms += 8 * DAY_MS
    refusing: Any = Refusing(office.blobs, key_of(office, first), StorageUnavailableError())
    house = house_of(replace(office, blobs=refusing))
    house.purge_expired()
    house.purge_expired()
    assert purged(office) == {last}
    house = house_of(office)
    house.purge_expired()
    assert purged(office) == {last, *stuck}


def key_of(office: Office, upload: str) -> str:
    with office.database.reading() as connection:
        query = sa.select(uploads.c.blob_key).where(uploads.c.id == upload)
        return connection.execute(query).scalar_one()


def test_files_that_are_needed_keep_no_place(office: Office, client: str, clock: Clock) -> None:
    """Of a job that waits for longer than files are kept."""
    first = send(office, client)
    needed = [first, *copies(office, uploads, first, 2 * AT_A_TIME)]
    for each in needed:
        submit(office, client, ScanJob(each))
    clock.ms += 1
    last = send(office, client)
    clock.ms += 8 * DAY_MS
    house = house_of(office)
    house.purge_expired()
    assert purged(office) == {last}


def test_a_file_goes_when_the_last_job_that_is_made_of_it_has_ended(
    office: Office, client: str, clock: Clock
) -> None:
    upload = send(office, client)
    first, second = (submit(office, client, ScanJob(upload))["id"] for _ in range(2))
    clock.ms += 8 * DAY_MS
    house = house_of(office)
    cancel(office, client, first)
    house.purge_expired()
    assert purged(office) == set()
    cancel(office, client, second)
    house.purge_expired()
    assert purged(office) == {upload}


def test_all_that_is_due_goes_in_one_turn(office: Office, client: str, clock: Clock) -> None:
    first = send(office, client)
    copies(office, uploads, first, 3 * AT_A_TIME)
    clock.ms += 8 * DAY_MS
    house_of(office).purge_expired()
    assert len(purged(office)) == 3 * AT_A_TIME + 1


def test_a_result_that_cannot_be_deleted_keeps_no_other(
    office: Office, client: str, clock: Clock
) -> None:
    done = [submit(office, client, ScanJob(send(office, client)))["id"] for _ in range(3)]
    for job in done:
        office.blobs.put(f"results/{job}/a.mp4", [b"film"])
        end_job(office, job, SUCCEEDED, result={"people": []})
    refusing: Any = Refusing(office.blobs, f"results/{done[0]}/", RuntimeError())
    clock.ms += 8 * DAY_MS
    house_of(replace(office, blobs=refusing)).purge_expired()
    assert purged(office, jobs) == set(done[1:])
    house_of(office).purge_expired()
    assert purged(office, jobs) == set(done)


class Refusing:
    """A store that does not delete what begins with some word. (The tests may run as root, to whom
    no folder refuses anything.)"""

    def __init__(self, blobs: Any, start: str, fault: Exception) -> None:
        self._blobs, self._start, self._fault = blobs, start, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def delete_many(self, keys: Any) -> None:
        keys = list(keys)
        if any(key.startswith(self._start) for key in keys):
            raise self._fault
        self._blobs.delete_many(keys)


def test_of_more_jobs_than_a_turn_asks_about_the_lost_one_is_found(
    office: Office, client: str, clock: Clock
) -> None:
    first = submit(office, client, ScanJob(send(office, client)))["id"]
    change_job(office, first, admitted_ms=clock.ms)
    *_, lost = copies(office, jobs, first, LOST_PAGES * AT_A_TIME + 1, alias=None)
    clock.ms += LOST_MS + 1
    house = house_of(office, lambda job_id, run: job_id != lost)
    house.find_lost_jobs()
    house.find_lost_jobs()
    with office.database.reading() as connection:
        assert get_row(connection, lost)["run"] == 2
        assert get_row(connection, first)["run"] == 1


class Picky(RecordingQueue):
    """Does not take the jobs of one client."""

    refused = ""

    def submit(self, connection: sa.Connection, job_id: str, run: int, **options: Any) -> None:
        if get_row(connection, job_id)["client_id"] == self.refused:
            raise RuntimeError("no")
        super().submit(connection, job_id, run, **options)


def test_a_client_whose_jobs_cannot_be_admitted_keeps_no_other_back(office: Office) -> None:
    queue = Picky()
    office = replace(office, queue=queue)
    clients = sorted(new_client(office).client_id for _ in range(3))
    ids = [submit(office, each, ScanJob(send(office, each)))["id"] for each in clients]
    for each in ids:
        change_job(office, each, admitted_ms=None)
    queue.refused, queue.submitted = clients[0], []
    house_of(office).admit_waiting()
    assert sorted(queue.submitted) == sorted((each, 1) for each in ids[1:])


def test_clients_that_have_enough_running_are_not_looked_at(office: Office) -> None:
    busy, free = (new_client(office, max_running=1).client_id for _ in range(2))
    for each in (busy, busy, free):
        submit(office, each, ScanJob(send(office, each)))
    with office.database.writing() as connection:
        connection.execute(jobs.update().where(jobs.c.client_id == free).values(admitted_ms=None))
        assert find_admissible(connection, office) == [free]
