"""Jobs made together with the rows of their files."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from lendface.errors import (
    ClientRevokedError,
    IdempotencyMismatchError,
    InvalidUrlError,
    NotFoundError,
    UrlNotAllowedError,
)
from lendface.service.clients import revoke_client
from lendface.service.jobs import Wish, submit
from lendface.service.office import Office
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from lendface.service.submissions import Intake, is_repeated, submit_new
from lendface.service.uploads import find_upload
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


PICTURE = bytes(range(256)) * 3000
URI = f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}"


def make_with_picture(intake: Intake) -> SwapJob:
    return SwapJob(intake.by_url(FILM), (PairRef((PhotoRef(intake.by_data_uri(URI)),)),))


def kept(office: Office) -> list[bytes]:
    return [b"".join(office.blobs.read(blob.key)) for blob in office.blobs.list("")]


def test_a_picture_within_a_request_is_kept_as_a_file_at_once(office: Office, client: str) -> None:
    job = submit_new(office, client, "hash", make_with_picture, Wish(idempotency_key="k"))
    with office.database.reading() as connection:
        upload_id = job["request"]["pairs"][0]["photos"][0]["upload"]
        row = find_upload(connection, client, upload_id)
    assert row is not None
    assert (row["state"], row["size"], row["url"]) == ("ready", len(PICTURE), None)
    assert row["sha256"] == hashlib.sha256(PICTURE).hexdigest()
    assert b"".join(office.blobs.read(row["blob_key"])) == PICTURE


def test_no_column_of_any_table_holds_a_picture_of_a_request(office: Office, client: str) -> None:
    submit_new(office, client, "hash", make_with_picture, Wish(idempotency_key="k"))
    every = sa.MetaData()
    every.reflect(office.database.engine)
    texts: list[str] = []
    with office.database.reading() as connection:
        for table in every.tables.values():
            texts += [str(value) for row in connection.execute(sa.select(table)) for value in row]
    assert any(FILM in text for text in texts)
    assert not [text for text in texts if "data:" in text or URI[4000:4040] in text]
    assert max(map(len, texts)) < 5000


def test_a_request_that_comes_to_nothing_leaves_no_picture(office: Office, client: str) -> None:
    def make(intake: Intake) -> SwapJob:
        return replace(make_with_picture(intake), target="nothing")

    with pytest.raises(NotFoundError):
        submit_new(office, client, "hash", make, Wish())
    with pytest.raises(InvalidUrlError):
        submit_new(office, client, "hash", lambda i: ScanJob(i.by_data_uri(URI + "!")), Wish())
    assert (counts(office), kept(office)) == ((0, 0), [])


def test_a_repeated_request_leaves_one_picture(office: Office, client: str) -> None:
    together = threading.Barrier(AT_ONCE)

    def make(intake: Intake) -> SwapJob:
        made = make_with_picture(intake)
        together.wait(10)  # each has kept its picture before any is written down
        return made

    def submit(_: int) -> str:
        return submit_new(office, client, "hash", make, Wish(idempotency_key="k"))["id"]

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert len(set(threads.map(submit, range(AT_ONCE)))) == 1
    submit(0)
    assert (counts(office), kept(office)) == ((1, 2), [PICTURE])


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
