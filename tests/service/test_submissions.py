"""Jobs made together with the rows of their files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from lendface.errors import (
    ClientRevokedError,
    IdempotencyMismatchError,
    NotFoundError,
    UrlNotAllowedError,
)
from lendface.service.clients import revoke_client
from lendface.service.jobs import Wish, submit
from lendface.service.office import Office
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from lendface.service.submissions import Intake, is_repeated, submit_new
from lendface.storage.tables import jobs, uploads
from service.offices import RecordingQueue, new_client, open_office

FILM, FACE = "https://example.org/a.mp4", "https://example.org/b.jpg"
AT_ONCE = 8


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Iterator[Office]:
    with open_office(tmp_path, database_url=database_url) as office:
        yield office


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office).client_id


def make_swap(intake: Intake) -> SwapJob:
    return SwapJob(intake.by_url(FILM), (PairRef((PhotoRef(intake.by_url(FACE)),)),))


def counts(office: Office) -> tuple[int, int]:
    """Jobs, uploads."""
    with office.database.reading() as connection:
        found = [
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (jobs, uploads)
        ]
    return found[0], found[1]


def test_files_and_job_come_into_being_together(office: Office, client: str) -> None:
    job = submit_new(office, client, "hash", make_swap, Wish())
    assert counts(office) == (1, 2)
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.submitted == [(job["id"], 1)]


def test_a_request_that_was_on_its_way_when_its_client_was_revoked_makes_nothing(
    office: Office, client: str
) -> None:
    revoke_client(office, client)
    with pytest.raises(ClientRevokedError):
        submit_new(office, client, "hash", make_swap, Wish())
    with pytest.raises(ClientRevokedError):
        submit(office, client, ScanJob("nothing"))
    assert counts(office) == (0, 0)


def test_where_one_file_is_refused_nothing_comes_into_being(office: Office, client: str) -> None:
    def make(intake: Intake) -> ScanJob:
        intake.by_url(FILM)
        return ScanJob(intake.by_url("http://10.0.0.1/a.mp4"))

    with pytest.raises(UrlNotAllowedError):
        submit_new(office, client, "hash", make, Wish())
    with pytest.raises(NotFoundError):
        submit_new(office, client, "hash", lambda intake: ScanJob("nothing"), Wish())
    assert counts(office) == (0, 0)


def test_the_same_request_at_the_same_time_is_done_once(office: Office, client: str) -> None:
    together = threading.Barrier(AT_ONCE)

    def submit(_: int) -> str:
        together.wait(10)
        return submit_new(office, client, "hash", make_swap, Wish(idempotency_key="k"))["id"]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert len(set(threads.map(submit, range(AT_ONCE)))) == 1
    assert counts(office) == (1, 2)


def test_a_key_is_a_clients_own(office: Office, client: str) -> None:
    other = new_client(office).client_id
    wish = Wish(idempotency_key="k")
    first = submit_new(office, client, "hash", make_swap, wish)
    assert submit_new(office, other, "hash", make_swap, wish)["id"] != first["id"]
    assert is_repeated(office, client, "k", "hash")
    assert not is_repeated(office, client, "j", "hash")
    assert not is_repeated(office, client, None, "hash")
    with pytest.raises(IdempotencyMismatchError):
        is_repeated(office, client, "k", "another hash")
