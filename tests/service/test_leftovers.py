"""Nothing of a person stays that no job and no upload tells of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lendface.service.house import Housekeeping
from lendface.service.jobs import delete, get_row, submit
from lendface.service.office import DAY_MS, Office
from lendface.service.requests import DetectJob, ScanJob
from lendface.service.states import SUCCEEDED
from lendface.service.uploads import Declared, declare, delete_upload, mark_received
from service.offices import BEGAN_MS, Clock, change_job, end_job, new_client, open_office

FOUND = ("cast.json", "face-1.jpg", "tracks")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def office(folder: Path, clock: Clock) -> Iterator[Office]:
    with open_office(folder, clock=clock) as office:
        yield office


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office).client_id


@pytest.fixture
def upload(office: Office, client: str) -> str:
    row, _ = declare(office, client, Declared("a.mp4", "video/mp4", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_received(office, row["blob_key"], 4, "0" * 64)
    return row["id"]


def scanned(office: Office, client: str, upload: str) -> str:
    """A job that has found somebody in the film, whose scan other jobs share."""
    job = submit(office, client, ScanJob(upload))["id"]
    place = f"scans/{client}/5f1e"
    for name in FOUND:
        office.blobs.put(f"{place}/{name}", [b"a face"])
    office.blobs.put(f"work/{job}/0.mp4", [b"a face"])
    office.blobs.put(f"results/{job}/result.mp4", [b"a face"])
    change_job(office, job, scan_key=place, facts={"scan": place})
    end_job(office, job, SUCCEEDED, result={"people": []})
    return job


def names(office: Office) -> set[str]:
    return {blob.key.split("/")[0] for blob in office.blobs.list()}


def grow_old(folder: Path) -> None:
    """Every file was written a little more than a day before the office's time."""
    for path in (folder / "blobs" / "blobs").rglob("*"):
        os.utime(path, (BEGAN_MS / 1000 - 90_000,) * 2)


def keep_house(office: Office) -> None:
    Housekeeping(office, "none", lambda job_id, run: True).tidy()


def test_a_scan_goes_with_the_last_job_that_is_made_of_it(
    office: Office, client: str, upload: str
) -> None:
    first, second = (scanned(office, client, upload) for _ in range(2))
    delete(office, client, first)
    assert names(office) == {"uploads", "scans", "work", "results"}
    delete(office, client, second)
    assert names(office) == {"uploads"}


def test_a_scan_goes_when_the_time_of_its_job_is_over(
    office: Office, client: str, upload: str, clock: Clock
) -> None:
    scanned(office, client, upload)
    clock.ms += 8 * DAY_MS
    keep_house(office)
    assert names(office) == set()


def test_what_was_deleted_when_the_server_died_goes_later(
    office: Office, client: str, upload: str, clock: Clock
) -> None:
    job = scanned(office, client, upload)
    delete(office, client, job)
    change_job(office, job, purged_ms=None)
    office.blobs.put(f"results/{job}/result.mp4", [b"a face"])
    clock.pass_s(1)
    keep_house(office)
    assert names(office) == {"uploads"}


def test_what_a_worker_still_made_for_nobody_goes_after_a_day(
    office: Office, client: str, upload: str, folder: Path
) -> None:
    job = scanned(office, client, upload)
    delete(office, client, job)
    delete_upload(office, client, upload)
    owners = (f"work/{job}/1.mp4", f"results/{job}/a.mp4", f"scans/{client}/5f1e/tracks")
    for key in (*owners, f"uploads/{client}/6a01"):
        office.blobs.put(key, [b"a face"])
    keep_house(office)
    assert names(office) == {"work", "results", "scans", "uploads"}
    grow_old(folder)
    keep_house(office)
    assert names(office) == set()


def test_what_is_still_somebodys_stays_however_old(
    office: Office, client: str, upload: str, folder: Path
) -> None:
    scanned(office, client, upload)
    grow_old(folder)
    keep_house(office)
    assert names(office) == {"work", "results", "scans", "uploads"}


def test_a_row_whose_files_are_gone_tells_nothing_of_faces(
    office: Office, client: str, upload: str
) -> None:
    """Points and boxes are of a person as much as the pictures are."""
    job = submit(office, client, DetectJob((upload,)))["id"]
    face = {"points_xy": [[1.5, 2.5]] * 5, "box_xywh": [1, 2, 3, 4]}
    change_job(office, job, facts={"result": {"targets": [face]}})
    end_job(office, job, SUCCEEDED, result={"targets": [face]})
    delete(office, client, job)
    with office.database.reading() as connection:
        row = get_row(connection, job)
    assert (row["facts"], row["result"]) == ({}, None)
    assert row["kind"] == "detect"
