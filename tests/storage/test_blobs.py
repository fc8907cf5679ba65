"""What every store of blobs promises: a folder, moto's S3 and Ceph's."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lendface.errors import (
    BadOptionError,
    BlobKeyError,
    BlobMissingError,
    BlobTooLargeError,
)
from lendface.storage.blobs import Blobs, open_blobs
from lendface.storage.folder_blobs import FolderBlobs
from lendface.storage.scratch import Scratch
from peak_memory import PEAK_MIB
from services.s3_server import S3Server

MIB = 1 << 20
LARGE = random.Random(1).randbytes(20 * MIB)  # more than two parts of an upload in parts

EVIL_KEYS = [
    "", "/", ".", "..", "/etc/passwd", "a/../b", "../a", "a/..", "a..b", "a//b", "a/", "./a",
    "a/./b", "A", "a b", "a\n", "a\0b", "a\\b", "ä", "a%2fb", "a?b", "a#1", ".hidden",
    "a/.hidden", "-a", "a" * 201, "a/" * 200 + "a",
]  # fmt: skip


def content(blobs: Blobs, key: str) -> bytes:
    return b"".join(blobs.read(key))


def pieces(data: bytes, size: int = MIB) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def unfinished(blobs: Blobs) -> int:
    """How much any put left behind."""
    return blobs.sweep_unfinished(older_than_s=-3600, now_s=time.time())


def keys(blobs: Blobs, prefix: str = "") -> list[str]:
    return sorted(found.key for found in blobs.list(prefix))


# Put and get


@pytest.mark.parametrize("data", [b"", b"x", LARGE], ids=["empty", "small", "large"])
def test_what_is_put_comes_back_and_its_hash_is_exact(blobs: Blobs, data: bytes) -> None:
    put = blobs.put("a/b.mp4", pieces(data))
    assert (put.key, put.size, put.sha256) == (
        "a/b.mp4",
        len(data),
        hashlib.sha256(data).hexdigest(),
    )
    found = blobs.info("a/b.mp4")
    assert found
    assert put.etag == found.etag
    assert content(blobs, "a/b.mp4") == data
    assert blobs.exists("a/b.mp4")


def test_a_file_is_put_as_it_is(blobs: Blobs, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(LARGE)
    put = blobs.put_file("film.mp4", path, content_type="video/mp4")
    assert (put.size, put.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    assert content(blobs, "film.mp4") == LARGE


def test_a_later_put_replaces_and_its_tag_differs(blobs: Blobs) -> None:
    blobs.put("a", [b"old, and longer"])
    old = blobs.info("a")
    blobs.put("a", [b"new"])
    new = blobs.info("a")
    assert content(blobs, "a") == b"new"
    assert old
    assert new
    assert old.etag != new.etag


def test_the_facts_of_a_blob(blobs: Blobs) -> None:
    before_ms = time.time() * 1000
    blobs.put("a", [b"12345"])
    info = blobs.info("a")
    assert info
    assert (info.key, info.size) == ("a", 5)
    assert info.etag
    assert info.etag.startswith('"')
    assert info.modified_ms
    assert abs(info.modified_ms - before_ms) < 60_000


RANGES = [
    (0, None, b"0123456789"), (3, None, b"3456789"), (0, 4, b"0123"), (3, 7, b"3456"),
    (9, 10, b"9"), (5, 99, b"56789"), (10, None, b""), (99, None, b""), (4, 4, b""), (7, 3, b""),
]  # fmt: skip


def test_ranges_are_read(blobs: Blobs) -> None:
    blobs.put("a", [b"0123456789"])
    for start, end, expected in RANGES:
        assert b"".join(blobs.read("a", start, end)) == expected, (start, end)


def test_a_range_of_a_large_blob_is_exact(blobs: Blobs) -> None:
    blobs.put("a", pieces(LARGE))
    start, end = 3 * MIB + 17, 18 * MIB + 5
    assert b"".join(blobs.read("a", start, end)) == LARGE[start:end]
    assert max(map(len, blobs.read("a"))) <= 4 * MIB


def test_nothing_of_an_empty_blob_can_be_read(blobs: Blobs) -> None:
    blobs.put("a", [])
    assert list(blobs.read("a", 0, 5)) == []


def test_a_missing_blob_is_missing_everywhere(blobs: Blobs, scratch: Scratch) -> None:
    blobs.put("a/b/c", [b"x"])
    for key in ("nothing", "a", "a/b"):
        assert blobs.info(key) is None
        assert not blobs.exists(key)
        with pytest.raises(BlobMissingError):
            blobs.read(key)  # at the call, before an answer has begun
        with pytest.raises(BlobMissingError):
            blobs.read(key, 1, 2)
        with pytest.raises(BlobMissingError), blobs.local(key, scratch):
            pass


def test_a_read_that_is_not_finished_leaves_nothing_open(blobs: Blobs) -> None:
    blobs.put("a", pieces(LARGE))
    blobs.read("a")  # never begun
    assert next(iter(blobs.read("a")))


# Never half a blob


@pytest.mark.parametrize(
    ("fault", "size"),
    [(ValueError, 0), (ConnectionResetError, 100), (FileNotFoundError, len(LARGE)),
     (KeyboardInterrupt, len(LARGE))],
)  # fmt: skip
def test_a_half_written_blob_is_never_seen(
    blobs: Blobs, fault: type[BaseException], size: int
) -> None:
    raised = fault("the client went away")

    def chunks() -> Iterator[bytes]:
        yield from pieces(LARGE[:size])
        assert not blobs.exists("a")
        assert keys(blobs) == []
        raise raised

    with pytest.raises(fault) as seen:
        blobs.put("a", chunks())
    assert seen.value is raised
    assert not blobs.exists("a")
    assert keys(blobs) == []
    assert unfinished(blobs) == 0


def test_an_older_blob_stays_while_and_after_a_put_fails(blobs: Blobs) -> None:
    blobs.put("a", [b"older"])

    def chunks() -> Iterator[bytes]:
        yield from pieces(LARGE)
        assert content(blobs, "a") == b"older"
        raise ValueError

    with pytest.raises(ValueError):
        blobs.put("a", chunks())
    assert content(blobs, "a") == b"older"


@pytest.mark.parametrize("limit", [0, 5, 12 * MIB])
def test_a_put_ends_as_soon_as_the_limit_is_passed(blobs: Blobs, limit: int) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield LARGE[:MIB]

    with pytest.raises(BlobTooLargeError, match=f"at most {limit} bytes"):
        blobs.put("a", endless(), max_bytes=limit)
    assert taken == limit // MIB + 1
    assert not blobs.exists("a")
    assert unfinished(blobs) == 0


def test_a_blob_of_just_the_limit_is_taken(blobs: Blobs) -> None:
    assert blobs.put("a", [b"12", b"345"], max_bytes=5).size == 5


def test_of_many_puts_at_once_one_is_there_whole(blobs: Blobs) -> None:
    together = threading.Barrier(4)

    def put(letter: int) -> None:
        together.wait(timeout=300)
        blobs.put("a/b", [bytes([letter]) * 1000] * 100)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, b"abcd"))
    found = content(blobs, "a/b")
    assert found in [bytes([letter]) * 100_000 for letter in b"abcd"]
    assert unfinished(blobs) == 0


PUT_MUCH = (
    PEAK_MIB
    + """
import sys
from lendface.storage.blobs import open_blobs
url, access_key, secret_key, mib = sys.argv[1:]
blobs = open_blobs(url, access_key=access_key or None, secret_key=secret_key or None)
blobs.put("small", [b"x"])  # all that is imported and started is there now
before = peak_mib()
info = blobs.put("large", (bytes([i % 256]) * (1 << 20) for i in range(int(mib))))
assert info.size == int(mib) << 20
assert sum(map(len, blobs.read("large"))) == info.size
print(peak_mib() - before)
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "mib", "most_mib"), [("folder", 64, 16), ("moto_s3", 256, 160)])
def test_a_long_stream_takes_little_memory(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, mib: int, most_mib: int
) -> None:
    where = [str(tmp_path / "kept"), "", ""]
    if kind != "folder":
        server: S3Server = request.getfixturevalue(kind)
        where = [server.url(server.new_bucket()), *server.keys.values()]
    words = [sys.executable, "-c", PUT_MUCH, *where, str(mib)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < most_mib


# List and delete


def test_a_list_holds_what_lies_under_a_prefix(blobs: Blobs) -> None:
    for key in ("jobs/1/b", "jobs/1/a", "jobs/12/a", "jobs/1/deep/er", "other"):
        blobs.put(key, [b"123"])
    assert (
        keys(blobs, "jobs/1")
        == keys(blobs, "jobs/1/")
        == ["jobs/1/a", "jobs/1/b", "jobs/1/deep/er"]
    )
    assert keys(blobs) == ["jobs/1/a", "jobs/1/b", "jobs/1/deep/er", "jobs/12/a", "other"]
    assert keys(blobs, "jobs/3") == []
    found = next(blobs.list("jobs/12"))
    assert found.size == 3
    assert abs(found.modified_ms - time.time() * 1000) < 60_000


def test_a_delete_may_be_repeated(blobs: Blobs) -> None:
    blobs.put("a/b", [b"x"])
    blobs.put("a/c", [b"y"])
    for _ in range(2):
        blobs.delete("a/b")
        assert keys(blobs) == ["a/c"]
    blobs.delete("a")
    blobs.delete("a/c/d")
    assert keys(blobs) == ["a/c"]


def test_many_are_deleted_and_those_missing_do_not_matter(blobs: Blobs) -> None:
    for number in range(5):
        blobs.put(f"a/{number}", [b"x"])
    blobs.delete_many(f"a/{number}" for number in (0, 2, 7, 4))
    assert keys(blobs) == ["a/1", "a/3"]
    blobs.delete_many([])


# Keys


@pytest.mark.parametrize("key", EVIL_KEYS)
def test_an_evil_key_is_refused_by_every_method(key: str, tmp_path: Path, scratch: Scratch) -> None:
    blobs = FolderBlobs(tmp_path / "kept")
    refuse_everywhere(blobs, key, scratch)
    assert keys(blobs) == []


def test_evil_keys_are_refused_by_every_store(blobs: Blobs, scratch: Scratch) -> None:
    refuse_everywhere(blobs, "a/../../b", scratch)


def refuse_everywhere(blobs: Blobs, key: str, scratch: Scratch) -> None:
    actions: list[Callable[[], object]] = [
        lambda: blobs.put(key, [b"x"]),
        lambda: blobs.put_file(key, Path(__file__)),
        lambda: blobs.info(key),
        lambda: blobs.read(key),
        lambda: blobs.read(key, 1, 2),
        lambda: blobs.exists(key),
        lambda: blobs.delete(key),
        lambda: blobs.delete_many(["fine", key]),
        lambda: list(blobs.list(key.rstrip("/") + "//")),
        lambda: blobs.local(key, scratch).__enter__(),
    ]
    for action in actions:
        with pytest.raises(BlobKeyError):
            action()


def test_plain_keys_are_taken(blobs: Blobs) -> None:
    plain = sorted(["a", "0", "a.b-c_d/e", "b/-b", "b/_b", "c" * 200, "d/e/f/g.mp4"])
    for key in plain:
        blobs.put(key, [key.encode()])
    assert keys(blobs) == plain
    assert [content(blobs, key).decode() for key in plain] == plain


# Local files


def test_a_blob_is_a_local_file(blobs: Blobs, scratch: Scratch) -> None:
    blobs.put("a/film.mp4", pieces(LARGE))
    with blobs.local("a/film.mp4", scratch) as path, blobs.local("a/film.mp4", scratch) as again:
        assert path == again
        assert path.suffix == ".mp4"
        assert path.read_bytes() == LARGE


def test_a_local_file_is_that_of_the_blob_as_it_is_now(blobs: Blobs, scratch: Scratch) -> None:
    for data in (b"old", b"newer"):
        blobs.put("a", [data])
        with blobs.local("a", scratch) as path:
            assert path.read_bytes() == data


# Opening


def test_a_store_that_can_be_used_says_so(blobs: Blobs) -> None:
    blobs.check()
    assert keys(blobs) == []
    assert unfinished(blobs) == 0


def test_a_path_and_a_file_url_name_the_same_folder(tmp_path: Path) -> None:
    open_blobs(str(tmp_path / "with space")).put("a", [b"x"])
    assert content(open_blobs(f"file://{tmp_path}/with%20space"), "a") == b"x"
    assert content(open_blobs(f"file://localhost{tmp_path}/with%20space"), "a") == b"x"


@pytest.mark.parametrize(
    "url",
    [
        "gs://bucket", "http://host/x", "file://host/x", "file://relative", "file:///x?y=1", "s3://",
        "s3://user:word@bucket", "s3://bucket?colour=red", "s3://bucket?style=round",
        "s3://bucket?endpoint=host:1", "s3://bucket?endpoint=ftp://host", "s3://bucket#x",
        "s3://bucket:80/x",
    ],
)  # fmt: skip
def test_an_address_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(BadOptionError):
        open_blobs(url, access_key="a", secret_key="s")


def test_half_a_pair_of_keys_is_refused() -> None:
    with pytest.raises(BadOptionError, match="both keys"):
        open_blobs("s3://bucket", access_key="a")
