"""Files that clients send: what was looked at is what is used, whatever is sent afterwards."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np
import pytest
import sqlalchemy as sa

from lendface.errors import (
    BlobChangedError,
    UploadDoneError,
    UploadLostError,
    UploadMissingError,
)
from lendface.pipeline.parts import Parts
from lendface.service.house import Housekeeping
from lendface.service.jobs import Wish, submit
from lendface.service.office import DAY_MS, Office
from lendface.service.requests import FetchJob, ScanJob
from lendface.service.submissions import submit_new
from lendface.service.uploads import (
    Declared,
    arrive,
    declare,
    delete_upload,
    get_upload,
    mark_received,
    new_place,
    notice,
    take_in,
)
from lendface.service.work import JobWork
from lendface.storage import s3_blobs
from lendface.storage.blobs import open_blobs
from lendface.storage.s3_blobs import S3Blobs
from lendface.storage.scratch import Scratch
from lendface.storage.signing import SignedRequest
from lendface.storage.tables import uploads
from people import write_photo
from service.crafts import Row, do_task, now_ms, row_of
from service.offices import Clock, new_client, open_office
from services.s3_server import S3Server

BUCKETS = ["moto_s3", pytest.param("rgw", marks=pytest.mark.services)]


@pytest.fixture(params=["folder", *BUCKETS])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Its time is that of the server which checks its links."""
    with open_office(tmp_path, clock=Clock(now_ms())) as office:
        yield office if request.param == "folder" else in_bucket(request, office)


@pytest.fixture(params=BUCKETS)
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, clock=Clock(now_ms())) as office:
        yield in_bucket(request, office)


def in_bucket(request: pytest.FixtureRequest, office: Office) -> Office:
    server: S3Server = request.getfixturevalue(request.param)
    blobs = open_blobs(server.url(server.new_bucket()), **server.keys)
    assert isinstance(blobs, S3Blobs)
    return replace(office, blobs=blobs, links=blobs)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> str:
    names = request.fixturenames
    used: Office = request.getfixturevalue("bucket" if "bucket" in names else "office")
    return new_client(used).client_id


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Two of the same length, 64 and 32 pixels wide."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for width in (64, 32):
        path = write_photo(folder / f"{width}.png", np.zeros((48, width, 3), np.uint8))
        made.append(path.read_bytes())
    longest = max(map(len, made))
    first, second = (data.ljust(longest, b"\0") for data in made)
    return first, second


def declared(office: Office, client: str, size: int) -> tuple[Row, SignedRequest]:
    return declare(office, client, Declared("a.png", "image/png", size))


def send(request: SignedRequest, data: bytes) -> None:
    with httpx2.Client(trust_env=False) as http:
        http.put(request.url, content=data, headers=dict(request.headers)).raise_for_status()


def content(office: Office, row: Row) -> bytes:
    return b"".join(office.blobs.read(row["blob_key"]))


def keys(office: Office, top: str) -> list[str]:
    return [blob.key for blob in office.blobs.list(top)]


def working(office: Office, folder: Path) -> JobWork:
    def load_parts() -> Parts:
        raise AssertionError("no engine is needed")

    return JobWork(office, Scratch(folder / "scratch", 1 << 30), load_parts, None)


def probed_width(office: Office, folder: Path, job_id: str) -> int:
    work = working(office, folder)
    with closing(work.scratch):
        do_task(work, job_id, "fetch")
        do_task(work, job_id, "probe")
    return row_of(office, job_id)["facts"]["target"]["width"]


def test_a_job_uses_what_was_sent_first(
    bucket: Office, client: str, pictures: tuple[bytes, bytes], tmp_path: Path
) -> None:
    first, second = pictures
    row, link = declared(bucket, client, len(first))
    send(link, first)
    job = submit(bucket, client, ScanJob(row["id"]))["id"]  # which notices that it has come
    send(link, second)  # the link is good for two hours
    assert probed_width(bucket, tmp_path, job) == 64
    again = submit(bucket, client, ScanJob(row["id"]))["id"]
    assert probed_width(bucket, tmp_path, again) == 64
    now = get_upload(bucket, client, row["id"])
    assert (now["state"], now["sha256"]) == ("ready", hashlib.sha256(first).hexdigest())
    assert content(bucket, now) == first


def test_what_is_sent_after_a_look_is_swept(bucket: Office, client: str) -> None:
    row, link = declared(bucket, client, 5)
    send(link, b"first")
    before = get_upload(bucket, client, row["id"])
    assert (before["state"], before["size"], keys(bucket, "incoming")) == ("ready", 5, [])
    send(link, b"later")
    assert get_upload(bucket, client, row["id"]) == before
    assert content(bucket, before) == b"first"
    waiting, its_link = declared(bucket, client, 5)
    send(its_link, b"thing")
    assert isinstance(bucket.now_ms, Clock)
    bucket.now_ms.pass_s(2 * DAY_MS / 1000)
    Housekeeping(bucket, "none", lambda job, run: True).sweep_orphans()
    assert keys(bucket, "incoming") == [waiting["incoming_key"]]
    assert keys(bucket, "uploads") == [before["blob_key"]]
    delete_upload(bucket, client, waiting["id"])
    assert keys(bucket, "incoming") == []


def test_a_file_that_was_never_sent_is_missing(bucket: Office, client: str) -> None:
    row, _ = declared(bucket, client, 5)
    with pytest.raises(UploadMissingError):
        submit(bucket, client, ScanJob(row["id"]))
    with pytest.raises(UploadMissingError):
        submit_new(bucket, client, "hash", lambda intake: ScanJob(row["id"]), Wish())


def test_of_two_that_notice_it_at_once_one_brings_it(office: Office, client: str) -> None:
    row, _ = declared(office, client, 5)
    office.blobs.put(row["incoming_key"], [b"first"])
    together = threading.Barrier(4)

    def bring(_: int) -> Row:
        together.wait(10)
        return take_in(office, row)

    with ThreadPoolExecutor(4) as threads:
        rows = list(threads.map(bring, range(4)))
    now = get_upload(office, client, row["id"])
    assert now["state"] == "ready"
    assert {each["blob_key"] for each in rows if each["state"] == "ready"} == {now["blob_key"]}
    assert (keys(office, "uploads"), keys(office, "incoming")) == ([now["blob_key"]], [])
    assert content(office, now) == b"first"


def test_who_waits_for_another_that_brings_it_sees_it_ready(office: Office, client: str) -> None:
    row, _ = declared(office, client, 5)
    office.blobs.put(row["incoming_key"], [b"first"])
    with ThreadPoolExecutor(1) as threads:
        with office.arrivals.held(row["id"], wait=True):
            assert notice(office, row)["state"] == "waiting"  # who only looks does not wait
            waiting = threads.submit(notice, office, row, wait=True)
            take_in(office, row)
            assert not waiting.done()
        assert waiting.result(60)["state"] == "ready"


def test_a_file_that_came_second_does_not_count(office: Office, client: str) -> None:
    """As of two requests that send at the same time."""
    row, _ = declared(office, client, 5)
    sent = office.blobs.put(row["incoming_key"], [b"first"])
    assert sent.sha256
    assert sent.etag == office.blobs.info(row["incoming_key"]).etag  # type: ignore[union-attr]
    mark_received(office, row["incoming_key"], 5, sent.sha256, sent.etag)
    before = get_upload(office, client, row["id"])
    later = office.blobs.put(row["incoming_key"], [b"later"])
    assert later.sha256
    with pytest.raises(UploadDoneError):
        mark_received(office, row["incoming_key"], 5, later.sha256, later.etag)
    assert get_upload(office, client, row["id"]) == before
    assert content(office, before) == b"first"


def test_the_bytes_that_are_meant_are_copied_and_no_others(office: Office) -> None:
    first = office.blobs.put("incoming/a/b", [b"first"])
    office.blobs.put("incoming/a/b", [b"later"])
    with pytest.raises(BlobChangedError):
        office.blobs.copy("incoming/a/b", "uploads/a/b-1", first.etag or "")
    info = office.blobs.info("incoming/a/b")
    assert info is not None
    assert info.etag
    kept = office.blobs.copy("incoming/a/b", "uploads/a/b-2", info.etag)
    assert (kept.key, kept.size) == ("uploads/a/b-2", 5)
    office.blobs.put("incoming/a/b", [b"again"])
    assert b"".join(office.blobs.read("uploads/a/b-2", etag=kept.etag)) == b"later"
    with pytest.raises(BlobChangedError):
        office.blobs.read("uploads/a/b-2", etag='"another"')
    assert keys(office, "uploads") == ["uploads/a/b-2"]


def test_a_file_too_large_for_one_request_is_copied_in_parts(
    bucket: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(12 << 20)
    info = bucket.blobs.put("incoming/a/b", [data])
    monkeypatch.setattr(s3_blobs, "COPY_BYTES", 5 << 20)
    monkeypatch.setattr(s3_blobs, "COPY_PART_BYTES", 5 << 20)
    kept = bucket.blobs.copy("incoming/a/b", "uploads/a/b", info.etag or "")
    assert kept.size == len(data)
    assert b"".join(bucket.blobs.read("uploads/a/b", etag=kept.etag)) == data


def test_of_a_file_that_two_jobs_fetch_the_first_counts(office: Office, client: str) -> None:
    job = submit_new(
        office,
        client,
        "hash",
        lambda intake: FetchJob(intake.by_url("https://example.org/a.png")),
        Wish(),
    )
    row = get_upload(office, client, job["request"]["target"])
    first, second = (office.blobs.put(new_place(row), [data]) for data in (b"first", b"later"))
    arrive(office, row, first)
    now = arrive(office, row, second)
    assert now["sha256"] == first.sha256
    assert keys(office, "uploads") == [first.key]


def ready_picture(office: Office, client: str, data: bytes) -> Row:
    row, _ = declared(office, client, len(data))
    sent = office.blobs.put(row["incoming_key"], [data])
    mark_received(office, row["incoming_key"], len(data), sent.sha256 or "", sent.etag)
    return get_upload(office, client, row["id"])


def test_a_ready_file_that_is_not_what_it_was_is_told_so(
    office: Office, client: str, pictures: tuple[bytes, bytes], tmp_path: Path
) -> None:
    first, second = pictures
    row = ready_picture(office, client, first)
    office.blobs.put(row["blob_key"], [second])
    with pytest.raises(UploadLostError):
        probed_width(office, tmp_path, submit(office, client, ScanJob(row["id"]))["id"])
    office.blobs.delete(row["blob_key"])
    with pytest.raises(UploadLostError):
        probed_width(office, tmp_path, submit(office, client, ScanJob(row["id"]))["id"])


def test_a_file_that_was_brought_elsewhere_is_known_by_its_hash(
    office: Office, client: str, pictures: tuple[bytes, bytes], tmp_path: Path
) -> None:
    """A copy of a folder gives every file another inode, and so another etag."""
    row = ready_picture(office, client, pictures[0])
    office.blobs.put(row["blob_key"], [pictures[0]])
    if isinstance(office.blobs, S3Blobs):
        with office.database.writing() as connection:
            other = uploads.update().where(uploads.c.id == row["id"]).values(etag='"of another"')
            connection.execute(other)
    job = submit(office, client, ScanJob(row["id"]))["id"]
    assert probed_width(office, tmp_path, job) == 64
    now = get_upload(office, client, row["id"])
    info = office.blobs.info(row["blob_key"])
    assert info is not None
    assert now["etag"] == info.etag


def test_what_was_sent_before_an_upgrade_still_comes(office: Office, client: str) -> None:
    """Then the link led to where the file was to stay."""
    row, _ = declared(office, client, 5)
    old = f"uploads/{client}/0a1b"
    with office.database.writing() as connection:
        is_meant = uploads.c.id == row["id"]
        connection.execute(
            sa.update(uploads).where(is_meant).values(blob_key=old, incoming_key=old)
        )
    office.blobs.put(old, [b"first"])
    now = get_upload(office, client, row["id"])
    assert (now["state"], content(office, now)) == ("ready", b"first")
    assert now["blob_key"] != old
