"""What is asked often reads no whole table, and asks no more of many rows than of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from lendface.errors import ConsentMissingError, ConsentWithdrawnError
from lendface.service import consents
from lendface.service.consents import Terms, add_consent, list_consents, withdraw
from lendface.service.erasure import erase_client, erase_consent, erase_job
from lendface.service.house import Housekeeping
from lendface.service.jobs import (
    Wish,
    cancel,
    delete,
    list_jobs,
    progress_of,
    progress_of_all,
    retry,
    submit,
)
from lendface.service.office import DAY_MS, Office
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from lendface.service.states import FAILED, LIVE
from lendface.service.submissions import submit_placed
from lendface.service.uploads import Declared, declare, find_unneeded, mark_received
from lendface.storage.tables import consent_users, job_uploads, jobs, tasks
from service.offices import Clock, end_job, new_client, open_office, start_job
from service.statements import recorded, scans

FACE = np.full(128, 1 / np.sqrt(128), np.float32)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    with open_office(tmp_path, clock=clock, consent="per_face", max_running=3) as office:
        yield office


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office, quota_units=1000).client_id


def send(office: Office, client: str) -> str:
    row, _ = declare(office, client, Declared("a.png", "image/png", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_received(office, row["blob_key"], 4, "0" * 64)
    return row["id"]


def lend(office: Office, *users: str) -> str:
    return add_consent(office, Terms("Anna"), FACE, "0" * 64, users)["id"]


def swap_of(upload: str, *named: str) -> SwapJob:
    return SwapJob(upload, (PairRef((PhotoRef(upload),)),), consents=named)


def rows_of(office: Office, table: sa.Table) -> set[tuple[str, ...]]:
    with office.database.reading() as connection:
        return {tuple(row) for row in connection.execute(sa.select(table))}


# No whole tables


def test_a_submission_reads_no_whole_table(office: Office, client: str) -> None:
    upload, consent = send(office, client), lend(office, client)
    with recorded(office.database) as statements:
        for request in (swap_of(upload), swap_of(upload, consent), ScanJob(upload)):
            submit_placed(office, client, "", lambda intake, r=request: r, Wish())
    assert len(statements) > 20
    assert scans(office.database, statements) == []


def test_housekeeping_reads_no_whole_table(office: Office, client: str, clock: Clock) -> None:
    consent, upload = lend(office, client), send(office, client)
    late = submit(office, client, swap_of(upload, consent))["id"]
    start_job(office, late)
    ended = submit(office, client, ScanJob(upload))["id"]
    end_job(office, ended, FAILED, error_code="no_video")
    clock.ms += 8 * DAY_MS
    with recorded(office.database) as statements:
        Housekeeping(office, "none", lambda job_id, run: False).tidy()
    assert len(statements) > 20
    # All clients are looked at for waiting jobs, and no job of theirs but the first.
    assert scans(office.database, statements) == []


@pytest.mark.parametrize("what", ["job", "consent", "withdraw", "delete", "retry", "needed"])
def test_what_is_done_to_one_thing_reads_no_whole_table(
    office: Office, client: str, what: str
) -> None:
    upload, consent = send(office, client), lend(office, client)
    job = submit(office, client, swap_of(upload, consent))["id"]
    acts: dict[str, Callable[[], object]] = {
        "job": lambda: erase_job(office, job),
        "consent": lambda: erase_consent(office, consent),
        "withdraw": lambda: withdraw(office, None, consent, purge=True),
        "delete": lambda: delete(office, client, job),
        "retry": lambda: (cancel(office, client, job), retry(office, client, job)),
        "needed": lambda: find_unneeded(office, [upload]),
    }
    with recorded(office.database) as statements:
        acts[what]()
    assert statements
    assert scans(office.database, statements) == []


def test_the_next_job_of_a_client_is_found_without_sorting_all_that_wait(
    office: Office, client: str
) -> None:
    upload = send(office, client)
    with recorded(office.database) as statements:
        submit(office, client, ScanJob(upload))
    (next_one,) = [each for each in statements if "ORDER BY jobs.priority" in each[0]]
    with office.database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {next_one[0]}", next_one[1]).all()
    assert not any("TEMP B-TREE" in row[3] for row in plan)


# No statement for each row


def test_progress_of_many_jobs_takes_as_many_statements_as_of_one(
    office: Office, client: str
) -> None:
    upload = send(office, client)
    ids = [submit(office, client, ScanJob(upload))["id"] for _ in range(6)]
    for number, job in enumerate(ids[:3]):
        start_job(office, job, frames_total=100)
        note = {"job_id": job, "run": 1, "name": "scan", "state": "running", "attempts": 1}
        with office.database.writing() as connection:
            row = {**note, "frames_done": 10 * number, "created_ms": 0}
            connection.execute(tasks.insert().values(**row))
    rows = list_jobs(office, client)
    with recorded(office.database) as of_all:
        told = progress_of_all(office, rows)
    with recorded(office.database) as of_two:
        progress_of_all(office, [next(r for r in rows if r["state"] == s) for s in LIVE])
    assert told == [progress_of(office, row) for row in rows]
    assert {each.frames_done for each in told} == {0, 10, 20}
    assert sorted(each.queue_position for each in told if each.queue_position) == [1, 2, 3]
    assert selects(of_all) == selects(of_two) == 2


def test_a_list_of_consents_takes_one_statement(office: Office, client: str) -> None:
    for _ in range(5):
        lend(office, client)
    with recorded(office.database) as statements:
        assert len(list_consents(office, None)) == 5
    assert selects(statements) == 1


def test_a_submission_takes_one_statement_more_for_its_files(office: Office, client: str) -> None:
    lend(office, client)
    uploads = [send(office, client) for _ in range(9)]
    many = SwapJob(uploads[0], (PairRef(tuple(map(PhotoRef, uploads[1:]))),))
    submit(office, client, swap_of(uploads[0]))  # which counts all that wait, for a second
    counts = []
    for request in (swap_of(uploads[0]), many):
        with recorded(office.database) as statements:
            submit(office, client, request)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert sum("INSERT INTO job_uploads" in sql for sql, _ in statements) == 1


def selects(statements: list[Any]) -> int:
    return sum(sql.startswith("SELECT") for sql, _ in statements)


# Whose consents


def test_a_submission_reads_the_consents_of_its_client_alone(office: Office, client: str) -> None:
    other = new_client(office).client_id
    upload = send(office, client)
    lend(office, other)
    with pytest.raises(ConsentMissingError):
        submit(office, client, swap_of(upload))
    everybodys = lend(office, "*")
    assert submit(office, client, swap_of(upload))["state"] == "queued"
    withdraw(office, None, everybodys)
    with pytest.raises(ConsentMissingError):
        submit(office, client, swap_of(upload))
    assert rows_of(office, consent_users) == {(other, next(iter(ids_of(office, other))))}


def ids_of(office: Office, client: str) -> list[str]:
    return [consent for who, consent in rows_of(office, consent_users) if who == client]


def test_consents_that_are_over_or_have_no_face_open_nothing(
    office: Office, client: str, clock: Clock
) -> None:
    upload = send(office, client)
    terms = Terms("Anna", until_ms=clock.ms + 1000)
    add_consent(office, terms, FACE, "0" * 64, [client])
    assert submit(office, client, swap_of(upload))["state"] == "queued"
    clock.ms += 1000
    consents.submit_consent(office, client, Terms("Bob"), PhotoRef(upload))
    with pytest.raises(ConsentMissingError):
        submit(office, client, swap_of(upload))


def test_a_job_of_a_withdrawn_consent_is_not_tried_again(office: Office, client: str) -> None:
    upload, consent = send(office, client), lend(office, client)
    job = submit(office, client, swap_of(upload, consent))["id"]
    cancel(office, client, job)
    withdraw(office, None, consent)
    with pytest.raises(ConsentWithdrawnError):
        retry(office, client, job)


def test_a_withdrawal_that_could_not_stop_a_job_is_gone_on_with(
    office: Office, client: str
) -> None:
    upload, consent = send(office, client), lend(office, client)
    job = submit(office, client, swap_of(upload, consent))["id"]
    with office.database.writing() as connection:
        broken = sa.text("UPDATE jobs SET facts = '{' WHERE id = :id")
        connection.execute(broken, {"id": job})
    withdraw(office, None, consent)
    house = Housekeeping(office, "none", lambda job_id, run: True)
    house.stop_withdrawn()
    assert consents.find_unstopped(office) == [consent]
    with office.database.writing() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job).values(facts={}))
    house.stop_withdrawn()
    assert consents.find_unstopped(office) == []
    assert list_jobs(office, client)[0]["error_code"] == "consent_withdrawn"


# Which files


def test_a_job_knows_its_files_until_it_is_erased(office: Office, client: str) -> None:
    lend(office, client)
    film, photo = send(office, client), send(office, client)
    job = submit(office, client, SwapJob(film, (PairRef((PhotoRef(photo),)),)))["id"]
    assert rows_of(office, job_uploads) == {(job, film), (job, photo)}
    assert find_unneeded(office, [film, photo]) == []
    delete(office, client, job)
    assert set(find_unneeded(office, [film, photo])) == {film, photo}
    assert rows_of(office, job_uploads) == {(job, film), (job, photo)}
    assert erase_job(office, job).uploads == 2
    assert rows_of(office, job_uploads) == set()


def test_a_client_with_consents_and_jobs_can_be_erased(office: Office, client: str) -> None:
    upload, consent = send(office, client), lend(office, client)
    submit(office, client, swap_of(upload, consent))
    consents.submit_consent(office, client, Terms("Bob"), PhotoRef(upload))
    erased = erase_client(office, client)
    assert (erased.jobs, erased.uploads, erased.consents) == (2, 1, 1)
    assert rows_of(office, job_uploads) == set()
    assert rows_of(office, consent_users) == {(client, consent)}  # the operator's


# Nothing that takes its time while others wait to write


def test_whoever_asks_for_files_while_others_wait_to_write_fails_in_all_these_tests(
    office: Office,
) -> None:
    with office.database.writing(), pytest.raises(AssertionError, match="within a write"):
        office.blobs.exists("a")
    with office.database.reading():
        assert not office.blobs.exists("a")
    with pytest.raises(AssertionError, match="within a write"):
        office.database.write_together(lambda _: office.blobs.info("a"))
    assert office.blobs.info("a") is None
