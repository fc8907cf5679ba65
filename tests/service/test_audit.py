"""What the log holds of a server's doings, and that its chain survives many writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest
import sqlalchemy as sa

from lendface.errors import AttestationMissingError
from lendface.service.audit import AT_A_TIME, read, record, record_alone, verify
from lendface.service.clients import create_client, revoke_client, revoke_key, rotate_key
from lendface.service.house import Housekeeping
from lendface.service.jobs import Wish, cancel, delete, submit
from lendface.service.office import DAY_MS, Office
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from lendface.service.states import FAILED
from lendface.service.submissions import submit_new
from lendface.service.uploads import Declared, declare, delete_upload, mark_received
from lendface.storage.database import Database
from lendface.storage.tables import audit, keys
from service.offices import Clock, end_job, new_client, open_office

WRITERS, EACH = 3, 40


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, database_url: str, clock: Clock) -> Iterator[Office]:
    with open_office(tmp_path, database_url=database_url, clock=clock) as office:
        yield office


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office, "Anna").client_id


@pytest.fixture
def upload(office: Office, client: str) -> str:
    row, _ = declare(office, client, Declared("anna.mp4", "video/mp4", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_received(office, row["blob_key"], 4, "0" * 64)
    return row["id"]


def told(office: Office) -> list[tuple[str, str, str | None]]:
    """What was done, by whom, to what."""
    return [(entry.action, entry.actor, entry.subject) for entry in read(office.database)]


def write_many(url: str, name: str) -> None:
    """In a process of its own; every third time what it tells does not happen after all."""
    database = Database(url)
    for number in range(EACH):
        try:
            with database.writing() as connection:
                record(connection, "key.revoked", f"{name}-{number}", None, {}, number)
                if number % 3 == 2:
                    raise KeyError(name)
        except KeyError:
            pass
        record_alone(database, "job.ended", f"{name}-{number}", None, {}, number)
    database.close()


@pytest.mark.slow
def test_processes_that_write_at_the_same_time_make_one_chain(
    office: Office, database_url: str
) -> None:
    context = get_context("spawn")
    crew = [
        context.Process(target=write_many, args=(database_url, str(number)))
        for number in range(WRITERS)
    ]
    for writer in crew:
        writer.start()
    for writer in crew:
        writer.join()
    verdict = verify(office.database)
    kept = sum(number % 3 != 2 for number in range(EACH)) + EACH
    assert (verdict.holds, verdict.entries) == (True, WRITERS * kept)


def test_threads_whose_transactions_are_shared_make_one_chain(office: Office) -> None:
    def one(number: int) -> None:
        record_alone(office.database, "key.revoked", str(number), None, {}, number)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(one, range(200)))
    verdict = verify(office.database)
    assert (verdict.holds, verdict.entries) == (True, 200)


def test_jobs_and_what_becomes_of_them_are_entries(
    office: Office, client: str, upload: str, clock: Clock
) -> None:
    failed = submit(office, client, ScanJob(upload))["id"]
    end_job(office, failed, FAILED, error_code="no_video")
    stopped = submit(office, client, ScanJob(upload))["id"]
    cancel(office, client, stopped)
    delete(office, client, failed)
    delete_upload(office, client, upload)
    clock.pass_s(400 * DAY_MS / 1000)
    Housekeeping(office, "cpu", lambda job, run: True).purge_expired()
    assert told(office)[1:] == [
        ("job.submitted", client, failed),
        ("job.ended", "server", failed),
        ("job.submitted", client, stopped),
        ("job.ended", client, stopped),
        ("job.deleted", client, failed),
        ("upload.deleted", client, upload),
        ("job.purged", "server", stopped),
    ]
    assert verify(office.database).holds


def test_files_past_their_time_are_entries(
    office: Office, client: str, upload: str, clock: Clock
) -> None:
    clock.pass_s(400 * DAY_MS / 1000)
    house = Housekeeping(office, "cpu", lambda job, run: True)
    house.purge_expired()
    house.purge_expired()
    assert told(office)[1:] == [("upload.purged", "server", upload)]


def test_what_an_operator_does_to_clients_and_keys_is_the_operators(office: Office) -> None:
    made = create_client(office, "Anna")
    rotate_key(office, made.client_id)
    with office.database.reading() as connection:
        ids = connection.execute(sa.select(keys.c.id)).scalars().all()
    revoke_key(office, ids[0])
    revoke_client(office, made.client_id)
    assert [entry.action for entry in read(office.database)] == [
        "client.created",
        "key.rotated",
        "key.revoked",
        "client.revoked",
    ]
    assert {entry.actor for entry in read(office.database)} == {"operator"}


def test_no_entry_holds_a_name(office: Office, client: str, upload: str) -> None:
    submit(office, client, ScanJob(upload))
    assert "anna" not in str([entry.describe() for entry in read(office.database)]).lower()


def test_an_entry_of_what_did_not_happen_is_not_there(office: Office) -> None:
    def fail(connection: sa.Connection) -> None:
        record(connection, "key.revoked", "a", None, {}, 1)
        raise KeyError

    with pytest.raises(KeyError):
        office.database.write_together(fail)
    assert verify(office.database).entries == 0


TAMPERED: list[tuple[str, Callable[[sa.Connection], object], tuple[int, str]]] = [
    (
        "changed",
        lambda c: c.execute(audit.update().where(audit.c.id == 3).values(subject="z")),
        (3, "changed"),
    ),
    ("missing", lambda c: c.execute(audit.delete().where(audit.c.id == 3)), (3, "missing")),
    (
        "moved",
        lambda c: [
            c.execute(audit.update().where(audit.c.id == was).values(id=new))
            for was, new in ((3, 99), (4, 3), (99, 4))
        ],
        (3, "reordered"),
    ),
]


@pytest.mark.parametrize(
    ("change", "found"), [t[1:] for t in TAMPERED], ids=[t[0] for t in TAMPERED]
)
def test_what_somebody_does_to_the_table_is_found(
    office: Office, change: Callable[[sa.Connection], object], found: tuple[int, str]
) -> None:
    for number in range(6):
        record_alone(office.database, "key.revoked", str(number), None, {}, number)
    with office.database.writing() as connection:
        change(connection)
    first = verify(office.database).breaks[0]
    assert (first.number, first.kind) == found


def test_a_cut_off_tail_is_found_by_the_head_that_was_kept(office: Office) -> None:
    for number in range(4):
        record_alone(office.database, "key.revoked", str(number), None, {}, number)
    head = verify(office.database).head
    record_alone(office.database, "key.revoked", "5", None, {}, 5)
    assert verify(office.database, head).holds
    with office.database.writing() as connection:
        connection.execute(audit.delete().where(audit.c.id >= 4))
    assert verify(office.database).holds
    (found,) = verify(office.database, head).breaks
    assert (found.number, found.kind) == (4, "truncated")


def test_a_long_log_is_read_page_by_page(office: Office) -> None:
    count = AT_A_TIME + 5
    with office.database.writing() as connection:
        for number in range(count):
            record(connection, "key.revoked", None, None, {}, number)
    assert verify(office.database).entries == count
    some = [entry.at_ms for entry in read(office.database, 10, count - 10)]
    assert some == list(range(10, count - 10))


def test_a_job_that_is_refused_when_it_comes_is_an_entry_and_no_job(
    office: Office, upload: str
) -> None:
    stranger = new_client(office, is_attested=False).client_id
    theirs, _ = declare(office, stranger, Declared("b.mp4", "video/mp4", 4))
    office.blobs.put(theirs["blob_key"], [b"film"])
    request = SwapJob(theirs["id"], (PairRef((PhotoRef(theirs["id"]),)),))
    with pytest.raises(AttestationMissingError):
        submit(office, stranger, request)
    with pytest.raises(AttestationMissingError):
        submit_new(office, stranger, "0" * 64, lambda intake: request, Wish())
    refused = [entry for entry in read(office.database) if entry.action == "job.refused"]
    assert [(entry.client_id, entry.actor) for entry in refused] == [(stranger, stranger)] * 2
    assert refused[0].detail == {"code": "attestation_missing"}
    assert verify(office.database).holds
