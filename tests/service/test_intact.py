"""Stored files are what was written down of them, or they are not handed out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lendface.errors import BlobChangedError, BlobMissingError
from lendface.service.intact import Intact, record_of
from lendface.service.work import read_cast, write_cast
from lendface.storage.blobs import Blobs, open_blobs
from lendface.storage.folder_blobs import FolderBlobs
from services.s3_server import S3Server

DATA = bytes(range(256)) * 40
BUCKETS = ["moto_s3", pytest.param("rgw", marks=pytest.mark.services)]
WRONG = [DATA[:-1], DATA + b"\0", DATA[:-1] + b"\0", b"", os.urandom(len(DATA))]
WRONG_IDS = ["shorter", "longer", "one byte", "empty", "garbage"]


@pytest.fixture(params=["folder", *BUCKETS])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return open_blobs(str(tmp_path / "kept"))
    server: S3Server = request.getfixturevalue(request.param)
    return open_blobs(server.url(server.new_bucket()), **server.keys)


@pytest.mark.parametrize("wrong", WRONG, ids=WRONG_IDS)
def test_other_bytes_are_noticed(blobs: Blobs, wrong: bytes) -> None:
    intact, record = Intact(), record_of(blobs.put("results/1/a.mp4", [DATA]))
    assert intact.check(blobs, "results/1/a.mp4", record).size == len(DATA)
    blobs.put("results/1/a.mp4", [wrong])
    with pytest.raises(BlobChangedError):
        intact.check(blobs, "results/1/a.mp4", record)
    blobs.delete("results/1/a.mp4")
    with pytest.raises(BlobMissingError):
        intact.check(blobs, "results/1/a.mp4", record)


@pytest.mark.parametrize("wrong", WRONG[2:], ids=WRONG_IDS[2:])
def test_other_bytes_in_the_same_file_are_noticed(tmp_path: Path, wrong: bytes) -> None:
    """Though its time of writing was put back, and the process knew it."""
    blobs, intact = FolderBlobs(tmp_path), Intact()
    record = record_of(blobs.put("results/1/a.mp4", [DATA]))
    intact.check(blobs, "results/1/a.mp4", record)
    path = tmp_path / "blobs/results/1/a.mp4"
    facts = path.stat()
    path.write_bytes(wrong)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(BlobChangedError):
        intact.check(blobs, "results/1/a.mp4", record)


def test_a_file_is_read_once_by_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs, intact, reads = FolderBlobs(tmp_path), Intact(), []
    record = record_of(blobs.put("results/1/a.mp4", [DATA]))
    read = blobs.read
    monkeypatch.setattr(blobs, "read", lambda *a, **kw: reads.append(a) or read(*a, **kw))
    for _ in range(3):
        intact.check(blobs, "results/1/a.mp4", record)
    assert len(reads) == 1
    Intact().check(blobs, "results/1/a.mp4", record)
    assert len(reads) == 2


def test_the_same_bytes_under_another_etag_are_the_same(blobs: Blobs) -> None:
    record = record_of(blobs.put("a/b", [DATA]))
    blobs.put("a/b", [DATA])
    Intact().check(blobs, "a/b", record | {"etag": '"as in another bucket"'})


def test_what_an_earlier_version_did_not_write_down_is_not_asked_for(blobs: Blobs) -> None:
    blobs.put("a/b", [DATA])
    assert Intact().is_as(blobs, "a/b", {})
    assert Intact().is_as(blobs, "a/b", {"size": len(DATA)})
    assert not Intact().is_as(blobs, "a/b", {"size": len(DATA) + 1})


def test_a_cast_is_read_whole_or_not_at_all() -> None:
    cast = {"frames": 3, "people": [{"face": 1, "best_time_s": 0.04}], "more": {10: 1, 9: (2, 3)}}
    data = write_cast(cast)
    assert read_cast(data) == cast | {"more": {"10": 1, "9": [2, 3]}}
    for wrong in (
        b"",
        data[:-1],
        data.replace(b"0.04", b"0.05"),
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{}",
    ):
        assert read_cast(wrong) is None
    assert read_cast(b'{"frames": 3, "people": []}') == {"frames": 3, "people": []}
