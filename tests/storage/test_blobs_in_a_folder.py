"""What only a folder does: rights, drafts of dead processes, uploads that are continued."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from full_disk import largest_file
from lendface.errors import (
    BlobKeyError,
    BlobMissingError,
    BlobTooLargeError,
    DiskFullError,
    StorageUnavailableError,
    UploadBusyError,
    UploadOffsetError,
)
from lendface.storage.folder_blobs import FolderBlobs
from lendface.storage.scratch import Scratch

HOUR_S = 3600


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "kept"


@pytest.fixture
def blobs(root: Path) -> FolderBlobs:
    return FolderBlobs(root)


def content(blobs: FolderBlobs, key: str) -> bytes:
    return b"".join(blobs.read(key))


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def chunks_then_raise(*chunks: bytes) -> Iterator[bytes]:
    yield from chunks
    raise ConnectionResetError


# The folder


def test_nobody_else_may_read_what_is_kept(root: Path, blobs: FolderBlobs) -> None:
    blobs.put("a/b/c", [b"x"])
    with pytest.raises(ConnectionResetError):
        blobs.append("d", 0, chunks_then_raise(b"1"), total_size=2)
    for path in (root, *root.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert len(files(root)) == 2


def test_a_folder_that_is_there_keeps_its_own_rights(root: Path) -> None:
    root.mkdir(parents=True)
    root.chmod(0o755)
    FolderBlobs(root)
    assert root.stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in root.iterdir()} == {0o700}


def test_a_put_is_on_the_disk_before_it_has_its_name_and_when_it_returns(
    root: Path, blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled = []
    fsync = os.fsync

    def noted_fsync(descriptor: int) -> None:
        fsync(descriptor)
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(root)
        settled.append((name.parts[0], len(name.parts), blobs.exists("a/b")))

    monkeypatch.setattr(os, "fsync", noted_fsync)
    blobs.put("a/b", [b"x"])
    assert settled == [("drafts", 2, False), ("blobs", 1, False), ("blobs", 2, True)]


def test_a_local_blob_is_the_file_itself(root: Path, blobs: FolderBlobs, scratch: Scratch) -> None:
    blobs.put("a/b.mp4", [b"film"])
    with blobs.local("a/b.mp4", scratch) as path:
        assert path == root / "blobs" / "a" / "b.mp4"


def test_a_delete_takes_the_folders_that_it_empties(root: Path, blobs: FolderBlobs) -> None:
    blobs.put("jobs/1/a/b", [b"x"])
    blobs.put("jobs/2", [b"x"])
    blobs.delete("jobs/1/a/b")
    assert [path.name for path in (root / "blobs" / "jobs").iterdir()] == ["2"]
    blobs.delete("jobs/2")
    assert list((root / "blobs").iterdir()) == []


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a", "a/b/c"), ("a/b", "a")])
def test_a_key_under_another_is_refused(
    root: Path, blobs: FolderBlobs, first: str, second: str
) -> None:
    blobs.put(first, [b"x"])
    with pytest.raises(BlobKeyError):
        blobs.put(second, [b"y"])
    assert content(blobs, first) == b"x"
    assert files(root) == [f"blobs/{first}"]


def test_puts_and_deletes_in_one_folder_do_not_harm_each_other(blobs: FolderBlobs) -> None:
    """A delete takes the empty folder away while a put is about to use it."""
    together = threading.Barrier(4)

    def put_and_delete(number: int) -> None:
        together.wait(timeout=300)
        for _ in range(50):
            blobs.put(f"deep/er/{number}", [b"x"])
            assert content(blobs, f"deep/er/{number}") == b"x"
            blobs.delete(f"deep/er/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put_and_delete, range(4)))
    assert list(blobs.list()) == []


def test_a_folder_that_went_away_is_told(root: Path, blobs: FolderBlobs) -> None:
    for name in ("blobs", "drafts", "partial"):
        (root / name).rmdir()
    with pytest.raises(StorageUnavailableError):
        blobs.check()
    with pytest.raises(StorageUnavailableError):
        blobs.put("a", [b"x"])


def test_a_place_where_no_folder_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError):
        FolderBlobs(tmp_path / "file" / "kept")


# A full disk


def test_a_full_disk_leaves_nothing(root: Path, blobs: FolderBlobs) -> None:
    with pytest.raises(DiskFullError), largest_file(2000):
        blobs.put("a", [b"x" * 1500] * 3)
    assert files(root) == []
    with pytest.raises(DiskFullError), largest_file(4):
        blobs.check()


def test_an_upload_that_fills_the_disk_gives_back_the_room_it_took(blobs: FolderBlobs) -> None:
    data = bytes(range(250)) * 20
    assert blobs.append("a", 0, [data[:1000]], total_size=len(data)) is None
    with pytest.raises(DiskFullError), largest_file(2000):
        blobs.append("a", 1000, [data[1000:1500], data[1500:]], total_size=len(data))
    assert blobs.partial_size("a") == 1000
    assert blobs.append("a", 1000, [data[1000:]], total_size=len(data))
    assert content(blobs, "a") == data


# Dead processes

PUT_AND_HANG = """
import sys
from pathlib import Path
from lendface.storage.blobs import BlobInfo
from lendface.storage.folder_blobs import FolderBlobs
def chunks():
    yield b"half" * 1000
    print("half is written", flush=True)
    sys.stdin.read()
blobs = FolderBlobs(Path(sys.argv[2]))
if sys.argv[1] == "put":
    blobs.put("a", chunks())
else:
    blobs.append("a", 0, chunks(), total_size=8000)
"""


@contextmanager
def hanging(action: str, root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process in the middle of writing; killed as no process can prevent."""
    words = [sys.executable, "-c", PUT_AND_HANG, action, str(root)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "half is written\n"
            yield process
        finally:
            process.kill()


def test_a_killed_puts_half_is_never_seen_and_is_swept(root: Path, blobs: FolderBlobs) -> None:
    with hanging("put", root):
        assert not blobs.exists("a")
        # However old it seems: who writes it lives.
        assert blobs.sweep_unfinished(0, time.time() + HOUR_S) == 0
    assert not blobs.exists("a")
    assert list(blobs.list()) == []
    assert blobs.sweep_unfinished(HOUR_S, time.time()) == 0  # not yet
    assert len(files(root)) == 1
    assert blobs.sweep_unfinished(HOUR_S, time.time() + 2 * HOUR_S) == 1
    assert files(root) == []


def test_a_killed_servers_upload_is_continued(root: Path, blobs: FolderBlobs) -> None:
    with hanging("append", root):
        assert blobs.sweep_unfinished(0, time.time() + HOUR_S) == 0
        with pytest.raises(UploadBusyError):
            blobs.append("a", 4000, [b"x"], total_size=8000)
    assert blobs.partial_size("a") == 4000
    assert blobs.append("a", 4000, [b"rest" * 1000], total_size=8000)
    assert content(blobs, "a") == b"half" * 1000 + b"rest" * 1000


# Uploads that are continued


def test_parts_in_order_become_the_blob(root: Path, blobs: FolderBlobs) -> None:
    assert blobs.append("a/b", 0, [b"01", b"23"], total_size=10) is None
    assert blobs.partial_size("a/b") == 4
    assert not blobs.exists("a/b")
    assert list(blobs.list()) == []
    assert blobs.append("a/b", 4, [], total_size=10) is None
    info = blobs.append("a/b", 4, [b"456789"], total_size=10)
    assert info
    assert (info.key, info.size, info.sha256) == ("a/b", 10, sha256(b"0123456789").hexdigest())
    assert content(blobs, "a/b") == b"0123456789"
    assert blobs.partial_size("a/b") == 0
    assert files(root) == ["blobs/a/b"]


def test_an_empty_file_is_whole_at_once(blobs: FolderBlobs) -> None:
    info = blobs.append("a", 0, [], total_size=0)
    assert info
    assert info.size == 0
    assert content(blobs, "a") == b""


@pytest.mark.parametrize("offset", [0, 3, 5, 99])
def test_a_part_that_does_not_follow_is_refused(blobs: FolderBlobs, offset: int) -> None:
    blobs.append("a", 0, [b"0123"], total_size=10)
    with pytest.raises(UploadOffsetError, match="4 bytes") as seen:
        blobs.append("a", offset, [b"x"], total_size=10)
    assert seen.value.offset == 4
    assert blobs.partial_size("a") == 4


def test_what_came_before_the_connection_broke_stays(blobs: FolderBlobs) -> None:
    with pytest.raises(ConnectionResetError):
        blobs.append("a", 0, chunks_then_raise(b"012", b"34"), total_size=10)
    assert blobs.partial_size("a") == 5
    assert blobs.append("a", 5, [b"56789"], total_size=10)
    assert content(blobs, "a") == b"0123456789"


def test_more_than_the_whole_is_refused(blobs: FolderBlobs) -> None:
    with pytest.raises(BlobTooLargeError):
        blobs.append("a", 0, [b"012", b"3456"], total_size=5)
    assert blobs.partial_size("a") == 3
    assert not blobs.exists("a")
    with pytest.raises(BlobTooLargeError):
        blobs.append("a", 3, [], total_size=2)
    assert not blobs.exists("a")
    assert blobs.append("a", 3, [b"34"], total_size=5)


def test_only_one_request_sends_at_a_time(blobs: FolderBlobs) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"01"
        with pytest.raises(UploadBusyError):
            blobs.append("a", 2, [b"x"], total_size=4)
        yield b"23"

    assert blobs.append("a", 0, chunks(), total_size=4)
    assert content(blobs, "a") == b"0123"


def test_an_upload_that_is_deleted_meanwhile_does_not_come_back(
    root: Path, blobs: FolderBlobs
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"01"
        blobs.delete("a")
        yield b"23"

    with pytest.raises(BlobMissingError):
        blobs.append("a", 0, chunks(), total_size=4)
    assert files(root) == []


def test_a_delete_takes_what_came_so_far(root: Path, blobs: FolderBlobs) -> None:
    blobs.append("a/b", 0, [b"01"], total_size=4)
    blobs.delete("a/b")
    assert blobs.partial_size("a/b") == 0
    assert files(root) == []


def test_a_file_that_is_here_can_be_sent_again(blobs: FolderBlobs) -> None:
    blobs.append("a", 0, [b"old"], total_size=3)
    blobs.append("a", 0, [b"ne"], total_size=3)
    assert content(blobs, "a") == b"old"
    blobs.append("a", 2, [b"w"], total_size=3)
    assert content(blobs, "a") == b"new"


def test_an_upload_that_nobody_continues_is_swept(root: Path, blobs: FolderBlobs) -> None:
    blobs.append("old", 0, [b"01"], total_size=4)
    for path in (root / "partial").iterdir():
        os.utime(path, (time.time() - 2 * HOUR_S,) * 2)
    blobs.append("young", 0, [b"01"], total_size=4)
    assert blobs.sweep_unfinished(HOUR_S, time.time()) == 1
    assert (blobs.partial_size("old"), blobs.partial_size("young")) == (0, 2)
