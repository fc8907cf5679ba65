"""After an erasure nothing of it is left: in no table, in no file of the database, in no blob."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from lendface.errors import ClientRevokedError, NotFoundError
from lendface.service.audit import read, verify
from lendface.service.clients import find_client
from lendface.service.consents import Terms, add_consent
from lendface.service.deliveries import line_up
from lendface.service.endpoints import add_endpoint
from lendface.service.erasure import erase_client, erase_consent, erase_job, erase_person
from lendface.service.jobs import Wish, get_job, submit
from lendface.service.office import Message, Office
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from lendface.service.states import SUCCEEDED
from lendface.service.uploads import Declared, declare, get_upload, mark_received, url_row
from lendface.storage.tables import consents, job_consents, metadata, uploads
from service.offices import RecordingQueue, change_job, end_job, new_client, open_office

ANNA = "anna-marker"  # in every text and file that comes from her


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Iterator[Office]:
    with open_office(tmp_path, database_url=database_url) as office:
        yield office


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office, "a shop").client_id


def send(office: Office, client: str, name: str, marker: str = ANNA) -> str:
    row, _ = declare(office, client, Declared(f"{marker}-{name}", "image/png", len(marker)))
    office.blobs.put(row["blob_key"], [marker.encode()])
    mark_received(office, row["blob_key"], len(marker), "0" * 64)
    return row["id"]


def swapped(
    office: Office, client: str, target: str, source: str, marker: str = ANNA, scan: str = "5f1e"
) -> str:
    """A finished swap that left its traces everywhere."""
    wish = Wish(
        alias=f"{marker}-{target}-{source}",
        webhook_url=f"https://{marker}.example",
        idempotency_key=f"{marker}-{target}-{source}",
        notes={"mine": marker},
    )
    request = SwapJob(target, (PairRef((PhotoRef(source),)),))
    job = submit(office, client, request, wish)["id"]
    place = f"scans/{client}/{scan}"
    for key in (f"{place}/face-1.jpg", f"{place}/tracks", f"work/{job}/0.mp4"):
        office.blobs.put(key, [marker.encode()])
    key = f"results/{job}/result.mp4"
    office.blobs.put(key, [marker.encode()])
    change_job(office, job, scan_key=place, facts={"scan": place, "seen": marker})
    end_job(office, job, SUCCEEDED, result={"blob_key": key, "name": marker}, error_message=marker)
    with office.database.writing() as connection:
        message = Message(f"msg-{job}", "job.ended", f"https://{marker}.example", marker)
        line_up(connection, office, client, "native", message, job)
    return job


def blobs_of(office: Office) -> dict[str, bytes]:
    return {blob.key: b"".join(office.blobs.read(blob.key)) for blob in office.blobs.list()}


def texts_of(office: Office) -> str:
    """Every row of every table."""
    with office.database.reading() as connection:
        tables = metadata.sorted_tables
        return "\n".join(f"{t.name} {connection.execute(sa.select(t)).all()}" for t in tables)


def files_of(office: Office) -> bytes:
    """The database as it lies on the disk, where it is a file."""
    if not office.database.is_sqlite:
        return b""
    path = Path(str(office.database.engine.url.database))
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def assert_gone(office: Office, marker: str = ANNA) -> None:
    assert marker not in texts_of(office)
    assert marker.encode() not in files_of(office)
    assert [key for key, data in blobs_of(office).items() if marker.encode() in data] == []
    assert verify(office.database).holds


def test_a_job_goes_with_its_files_its_scan_and_its_messages(office: Office, client: str) -> None:
    target, source = send(office, client, "film.mp4"), send(office, client, "me.png")
    job = swapped(office, client, target, source)
    erased = erase_job(office, job)
    assert (erased.jobs, erased.uploads, erased.files, erased.messages) == (1, 2, 6, 1)
    assert blobs_of(office) == {}
    assert_gone(office)
    with pytest.raises(NotFoundError):
        get_job(office, client, job)
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.forgotten == [(job, 1)]


def test_an_erasure_is_one_entry_without_what_was_erased(office: Office, client: str) -> None:
    job = swapped(office, client, send(office, client, "film.mp4"), send(office, client, "me.png"))
    erase_job(office, job)
    *_, entry = read(office.database)
    assert (entry.action, entry.actor, entry.subject) == ("job.erased", "operator", job)
    counts = {"jobs": 1, "uploads": 2, "files": 6, "consents": 0, "messages": 1}
    assert entry.detail == counts


def test_a_job_that_runs_is_stopped_first(office: Office, client: str) -> None:
    job = submit(office, client, ScanJob(send(office, client, "film.mp4")))["id"]
    erase_job(office, job)
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.cancelled == [(job, 1)]
    actions = [entry.action for entry in read(office.database)]
    assert actions[-2:] == ["job.ended", "job.erased"]
    assert_gone(office)


def test_files_that_another_job_is_made_of_stay_and_the_job_is_named(
    office: Office, client: str
) -> None:
    film = send(office, client, "film.mp4", "film-marker")
    job = swapped(office, client, film, send(office, client, "me.png"))
    other = swapped(office, client, film, send(office, client, "b", "bob-marker"), "bob-marker")
    erased = erase_job(office, job)
    assert erased.shared_with == (other,)
    assert erased.uploads == 1
    assert get_upload(office, client, film)["state"] == "ready"
    assert office.blobs.exists(f"results/{other}/result.mp4")
    assert office.blobs.exists(f"scans/{client}/5f1e/tracks")
    assert_gone(office)
    assert erase_job(office, other).shared_with == ()
    assert blobs_of(office) == {}


def test_a_person_goes_with_all_jobs_and_files_that_show_them(office: Office, client: str) -> None:
    film, photo = send(office, client, "film.mp4"), send(office, client, "me.png")
    both = [
        swapped(office, client, film, photo),
        swapped(office, client, film, send(office, client, "more.png"), scan="77aa"),
    ]
    unused = send(office, client, "unused.png")
    kept = swapped(
        office,
        client,
        send(office, client, "c", "bob-marker"),
        send(office, client, "d", "bob-marker"),
        "bob-marker",
        scan="88bb",
    )
    erased = erase_person(
        office, "person", "consent-1", client, jobs=both, uploads=[unused], detail={"request": 7}
    )
    assert (erased.jobs, erased.uploads, erased.shared_with) == (2, 4, ())
    assert_gone(office)
    assert get_job(office, client, kept)["state"] == SUCCEEDED
    *_, entry = read(office.database)
    assert (entry.action, entry.subject) == ("person.erased", "consent-1")
    assert entry.detail["request"] == 7


def test_a_client_goes_wholly_and_others_stay(office: Office) -> None:
    made = new_client(office, ANNA)
    bob = new_client(office, "bob-marker")
    client = made.client_id
    film, photo = send(office, client, "film.mp4"), send(office, client, "me.png")
    swapped(office, client, film, photo)
    with office.database.writing() as connection:
        row = url_row(office, client, f"data:image/png;base64,{ANNA * 5000}")
        connection.execute(uploads.insert().values(**row))
    add_endpoint(office, client, "native", f"https://8.8.8.8/{ANNA}", ())
    kept = swapped(
        office,
        bob.client_id,
        send(office, bob.client_id, "c", "bob-marker"),
        send(office, bob.client_id, "d", "bob-marker"),
        "bob-marker",
    )
    erased = erase_client(office, client)
    assert (erased.jobs, erased.uploads) == (1, 3)
    assert_gone(office)
    assert not [key for key in blobs_of(office) if client in key]
    with pytest.raises(ClientRevokedError):
        find_client(office, made.key)
    assert find_client(office, bob.key).name == "bob-marker"
    assert get_job(office, bob.client_id, kept)["state"] == SUCCEEDED
    *_, entry = read(office.database)
    assert (entry.action, entry.subject, entry.client_id) == ("client.erased", client, client)


def test_an_erasure_done_again_finds_nothing_more(office: Office, client: str) -> None:
    job = swapped(office, client, send(office, client, "film.mp4"), send(office, client, "me.png"))
    erase_client(office, client)
    again = erase_client(office, client)
    assert (again.files, again.messages) == (0, 0)
    assert erase_job(office, job).files == 0
    assert verify(office.database).holds


def test_who_was_never_there_cannot_be_erased(office: Office) -> None:
    for erase in (erase_job, erase_client):
        with pytest.raises(NotFoundError):
            erase(office, "nobody")


def consented(office: Office, owner: str | None, *job_ids: str) -> str:
    """A consent on record, on which the jobs rest."""
    terms = Terms(f"{ANNA} herself", scope=ANNA, statement=ANNA)
    face = np.full(128, 1 / np.sqrt(128), np.float32)
    consent = add_consent(office, terms, face, "0" * 64, ["*"])["id"]
    with office.database.writing() as connection:
        whose = consents.update().where(consents.c.id == consent).values(client_id=owner)
        connection.execute(whose)
        for job_id in job_ids:
            connection.execute(job_consents.insert().values(job_id=job_id, consent_id=consent))
    return consent


def test_who_gave_a_consent_goes_with_every_job_that_rested_on_it(
    office: Office, client: str
) -> None:
    film = send(office, client, "film.mp4", "film-marker")
    photo = send(office, client, "me.png")
    both = [
        swapped(office, client, film, photo),
        swapped(office, client, film, send(office, client, "more.png"), scan="77aa"),
    ]
    kept = swapped(office, client, film, send(office, client, "b", "b"), "bob-marker", "88bb")
    consent = consented(office, None, *both)
    erased = erase_consent(office, consent)
    assert (erased.jobs, erased.uploads, erased.consents) == (2, 2, 1)
    assert erased.shared_with == (kept,)
    assert_gone(office)
    *_, entry = read(office.database)
    assert (entry.action, entry.subject) == ("consent.erased", consent)
    with pytest.raises(NotFoundError):
        erase_consent(office, consent)


def test_a_clients_consents_go_with_it_and_other_clients_stay(office: Office, client: str) -> None:
    job = swapped(office, client, send(office, client, "film.mp4"), send(office, client, "me.png"))
    consented(office, client, job)
    with office.database.writing() as connection:
        others = consents.insert().from_select(
            ["id", "users", "label", "scope", "statement", "created_ms"],
            sa.select(
                sa.literal("operators"),
                consents.c.users,
                consents.c.label,
                sa.literal("film"),
                consents.c.statement,
                consents.c.created_ms,
            ),
        )
        connection.execute(others)
    assert erase_client(office, client).consents == 1
    with office.database.reading() as connection:
        assert connection.execute(sa.select(consents.c.id)).scalars().all() == ["operators"]
    assert_gone(office)
