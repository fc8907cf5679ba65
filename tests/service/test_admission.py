"""How many jobs of a client run at a time, and whose turn is next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lendface.service.jobs import Wish, get_job, submit
from lendface.service.office import Office
from lendface.service.requests import DetectJob, ScanJob
from lendface.service.states import SUCCEEDED
from lendface.service.uploads import Declared, declare, mark_received, url_row
from lendface.storage.tables import uploads
from service.offices import RecordingQueue, end_job, new_client, open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


def a_client(office: Office, **facts: int) -> tuple[str, str]:
    """A client and a film of theirs."""
    client = new_client(office, **facts).client_id
    row, _ = declare(office, client, Declared("a.mp4", "video/mp4", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_received(office, row["blob_key"], 4, "0" * 64)
    return client, row["id"]


def is_admitted(office: Office, client: str, job: str) -> bool:
    return get_job(office, client, job)["admitted_ms"] is not None


def test_a_client_has_no_more_jobs_running_than_it_may(office: Office) -> None:
    client, film = a_client(office, max_running=1)
    other, their_film = a_client(office)
    first, second = (submit(office, client, ScanJob(film))["id"] for _ in range(2))
    theirs = submit(office, other, ScanJob(their_film))["id"]
    assert is_admitted(office, client, first)
    assert not is_admitted(office, client, second)
    assert is_admitted(office, other, theirs)


def test_the_end_of_a_job_admits_the_most_urgent_that_waits(office: Office) -> None:
    client, film = a_client(office, max_running=1)
    first, later, urgent = (
        submit(office, client, ScanJob(film), Wish(priority=priority))["id"]
        for priority in (50, 50, 1)
    )
    end_job(office, first, SUCCEEDED, result={"people": []})
    assert is_admitted(office, client, urgent)
    assert not is_admitted(office, client, later)


def test_a_short_look_waits_for_nobody_and_takes_nobodys_place(office: Office) -> None:
    client, film = a_client(office, max_running=1)
    submit(office, client, ScanJob(film))
    look = submit(office, client, DetectJob((film,)))["id"]
    assert is_admitted(office, client, look)
    other, their_film = a_client(office, max_running=1)
    submit(office, other, DetectJob((their_film,)))
    assert is_admitted(office, other, submit(office, other, ScanJob(their_film))["id"])


def test_only_what_lies_elsewhere_is_fetched_before_a_job_takes_a_place(office: Office) -> None:
    client, film = a_client(office, max_running=1)
    row = url_row(office, client, "https://files.example/a.mp4")
    named = row["id"]
    with office.database.writing() as connection:
        connection.execute(uploads.insert().values(**row))
    sent = submit(office, client, DetectJob((film,)))["id"]
    fetched = submit(office, client, DetectJob((film, named)))["id"]
    running = submit(office, client, ScanJob(film))["id"]
    later = submit(office, client, ScanJob(named))["id"]
    queue = office.queue
    assert isinstance(queue, RecordingQueue)
    assert queue.fetching == [fetched]
    end_job(office, running, SUCCEEDED, result={"people": []})
    assert queue.fetching == [fetched, later]
    assert [job for job, _ in queue.submitted] == [sent, fetched, running, later]
    assert set(queue.clients.values()) == {client}
    with office.database.writing() as connection:
        connection.execute(uploads.update().where(uploads.c.id == named).values(state="ready"))
    again = submit(office, client, DetectJob((named,)))["id"]
    assert again not in queue.fetching
