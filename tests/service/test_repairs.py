"""What is kept between the steps of a job and can be made again: damaged, it is made again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lendface.errors import ResultDamagedError, ResultGoneError
from lendface.pipeline.parts import Parts
from lendface.service.jobs import get_row, retry, submit
from lendface.service.office import Office
from lendface.service.requests import ScanJob
from lendface.service.results import whole_file
from lendface.service.scans import read_frames, take_portrait
from lendface.service.sealed_files import sealed
from lendface.service.sealing import Sealer
from lendface.service.states import FAILED
from lendface.service.work import JobWork
from material import Material
from people import read_person, write_photo
from service.crafts import Row, do_job, do_task, render_all, submit_swap, upload, work_off, worker
from service.offices import end_job, new_client, open_office

pytestmark = pytest.mark.slow


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, chunk_s=0.2) as office:
        yield office


@pytest.fixture
def work(office: Office, tmp_path: Path, parts: Parts) -> Iterator[JobWork]:
    with worker(office, tmp_path, parts, None) as work:
        yield work


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """P005, small."""
    pixels = read_person("P005", side_px=240)
    return write_photo(tmp_path_factory.mktemp("pictures") / "p005.png", pixels)


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office).client_id


def overwrite(office: Office, key: str, data: bytes) -> None:
    """In its place, as a disk would: by no way of ours."""
    path = office.blobs._place(key)  # type: ignore[attr-defined]
    facts = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def damages(office: Office, key: str) -> dict[str, bytes]:
    data = b"".join(office.blobs.read(key))
    middle = len(data) // 2
    return {
        "garbage": os.urandom(len(data)),
        "one byte": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "truncated": data[:middle],
        "empty": b"",
    }


def job_now(office: Office, job_id: str) -> Row:
    with office.database.reading() as connection:
        return get_row(connection, job_id)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("tracks", "truncated"),
        ("cast.json", "one byte"),
        ("cast.json", "empty"),
        ("frames.ndjson", "garbage"),
        ("face-1.png", "garbage"),
    ],
)
def test_a_damaged_scan_is_made_again(
    office: Office,
    work: JobWork,
    client: str,
    material: Material,
    picture: Path,
    name: str,
    how: str,
) -> None:
    first = do_job_of(work, submit_swap(office, client, picture, material.photo))
    place = first["facts"]["scan"]
    before = {blob.key: b"".join(office.blobs.read(blob.key)) for blob in office.blobs.list(place)}
    overwrite(office, f"{place}/{name}", damages(office, f"{place}/{name}")[how])
    again = do_job_of(work, submit_swap(office, client, picture, material.photo))
    assert (again["state"], again["facts"]["scan"]) == ("succeeded", place)
    after = {blob.key: b"".join(office.blobs.read(blob.key)) for blob in office.blobs.list(place)}
    assert set(after) == set(before)
    assert after[f"{place}/face-1.png"] == before[f"{place}/face-1.png"]
    assert after[f"{place}/frames.ndjson"] == before[f"{place}/frames.ndjson"]


def do_job_of(work: JobWork, job: Row) -> Row:
    return do_job(work, job["id"])


def test_a_scan_sealed_by_another_secret_is_made_again(
    office: Office, work: JobWork, client: str, material: Material, picture: Path
) -> None:
    scan = submit(office, client, ScanJob(upload(office, client, picture)))
    place = do_scan(work, scan["id"])["facts"]["scan"]
    key = f"{place}/tracks"
    other = Sealer(bytes(range(100, 132)))
    overwrite(office, key, b"".join(sealed(other, [b"the scan of somebody"], key)))
    swap = do_job_of(work, submit_swap(office, client, picture, material.photo))
    assert swap["state"] == "succeeded"


def do_scan(work: JobWork, job_id: str) -> Row:
    for task in ("fetch", "probe", "scan", "finish"):
        do_task(work, job_id, task)
    return job_now(work.office, job_id)


def test_tracks_that_break_while_a_job_renders_are_made_again(
    office: Office, work: JobWork, client: str, material: Material, picture: Path
) -> None:
    job = submit_swap(office, client, picture, material.photo)
    assert work_off(work, job["id"])["state"] == "running"
    place = job_now(office, job["id"])["facts"]["scan"]
    overwrite(office, f"{place}/tracks", b"")
    for task in ("chunk/0", "join", "finish"):
        do_task(work, job["id"], task)
    assert job_now(office, job["id"])["state"] == "succeeded"


@pytest.mark.parametrize("how", ["garbage", "missing"])
def test_a_damaged_chunk_is_rendered_again(
    office: Office, work: JobWork, client: str, material: Material, how: str
) -> None:
    job = submit_swap(office, client, material.film, material.photo)["id"]
    render_all(work, job)
    chunks = [blob.key for blob in office.blobs.list(f"work/{job}")]
    assert chunks
    if how == "missing":
        office.blobs.delete(chunks[0])
    else:
        overwrite(office, chunks[0], damages(office, chunks[0])[how])
    do_task(work, job, "join")
    do_task(work, job, "finish")
    ended = job_now(office, job)
    assert ended["state"] == "succeeded"
    whole_file(office, ended, ended["result"]["blob_key"])
    assert [blob.key for blob in office.blobs.list(f"work/{job}")] == chunks


def test_a_damaged_result_is_not_handed_out_and_a_retry_joins_it_again(
    office: Office, work: JobWork, client: str, material: Material, picture: Path
) -> None:
    job = submit_swap(office, client, picture, material.photo)["id"]
    render_all(work, job)
    do_task(work, job, "join")
    key = job_now(office, job)["facts"]["result"]["blob_key"]
    whole = b"".join(office.blobs.read(key))
    for damage in damages(office, key).values():
        overwrite(office, key, damage)
        do_task(work, job, "join")  # as after a worker that was killed
        assert job_now(office, job)["facts"]["result"]["blob_key"] == key
        assert b"".join(office.blobs.read(key)) == whole
    end_job(office, job, FAILED, error_code="internal")
    retry(office, client, job)
    ended = do_job(work, job, 2)
    whole_file(office, ended, ended["result"]["blob_key"])
    for damage in damages(office, key).values():
        overwrite(office, key, damage)
        with pytest.raises(ResultDamagedError):
            whole_file(office, ended, key)
    office.blobs.delete(key)
    with pytest.raises(ResultDamagedError):
        whole_file(office, ended, key)
    with pytest.raises(ResultGoneError):
        whole_file(office, {**ended, "expires_ms": 0}, key)


def test_what_a_scan_found_is_told_as_it_was_found_or_not_at_all(
    office: Office, work: JobWork, client: str, material: Material, picture: Path
) -> None:
    film = upload(office, client, picture)
    first = do_scan(work, submit(office, client, ScanJob(film))["id"])
    place = first["facts"]["scan"]
    damaged: list[tuple[str, Any]] = [
        ("face-1.png", lambda job: take_portrait(office, client, job["id"], 1)),
        ("frames.ndjson", lambda job: read_frames(office, job, 0, 10)),
    ]
    for name, ask in damaged:
        ask(first)
        overwrite(office, f"{place}/{name}", damages(office, f"{place}/{name}")["garbage"])
        with pytest.raises(ResultDamagedError):
            ask(first)
        again = do_scan(work, submit(office, client, ScanJob(film))["id"])
        ask(again)
        ask(first)
