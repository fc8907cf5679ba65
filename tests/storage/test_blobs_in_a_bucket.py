"""What only a bucket does: links that its server checks, parts, lost connections, keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from full_disk import largest_file
from lendface.errors import (
    BadOptionError,
    BlobTooLargeError,
    DiskFullError,
    StorageUnavailableError,
)
from lendface.storage.blobs import open_blobs
from lendface.storage.s3_blobs import Bucket, S3Blobs, open_session
from lendface.storage.scratch import Scratch
from lendface.storage.signing import SignedRequest
from services.rgw import free_port
from services.s3_server import S3Server

HOUR_S = 3600
FILM = b"not really a film" * 100
LARGE = bytes(range(256)) * (20 << 12)  # 20 MiB: three parts


def open_bucket(url: str, **keys: str) -> S3Blobs:
    blobs = open_blobs(url, **keys)
    assert isinstance(blobs, S3Blobs)
    return blobs


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def blobs(s3: S3Server, bucket: str) -> S3Blobs:
    return open_bucket(s3.url(bucket), **s3.keys)


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    """A client that knows nothing of S3."""
    with httpx2.Client(trust_env=False) as client:
        yield client


# Links


def send(http: httpx2.Client, request: SignedRequest, body: bytes, **headers: str) -> int:
    answer = http.request(
        request.method, request.url, content=body, headers={**request.headers, **headers}
    )
    return answer.status_code


def test_a_link_takes_the_file_it_was_made_for(
    s3: S3Server, bucket: str, blobs: S3Blobs, http: httpx2.Client
) -> None:
    request = blobs.presign_put("up/film.mp4", "video/mp4", len(FILM), 60, time.time())
    assert request.method == "PUT"
    assert request.headers == {"Content-Type": "video/mp4", "Content-Length": str(len(FILM))}
    assert send(http, request, FILM) == 200
    assert b"".join(blobs.read("up/film.mp4")) == FILM
    head = s3.client.head_object(Bucket=bucket, Key="pre/fix/up/film.mp4")
    assert head["ContentType"] == "video/mp4"


def test_a_link_gives_the_file_under_a_name_and_a_type(blobs: S3Blobs, http: httpx2.Client) -> None:
    blobs.put("a/b", [FILM])
    answer = http.get(blobs.presign_get("a/b", 60, time.time(), 'Zoë "x".mp4', "video/mp4"))
    assert (answer.status_code, answer.content) == (200, FILM)
    assert answer.headers["content-type"] == "video/mp4"
    assert (
        answer.headers["content-disposition"]
        == "attachment; filename=\"Zo_ _x_.mp4\"; filename*=UTF-8''Zo%C3%AB%20_x_.mp4"
    )
    part = http.get(blobs.presign_get("a/b", 60, time.time()), headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, FILM[4:10])


@pytest.mark.services
def test_a_real_server_refuses_what_a_link_was_not_made_for(
    rgw: S3Server, http: httpx2.Client
) -> None:
    blobs = open_bucket(rgw.url(rgw.new_bucket()), **rgw.keys)
    now_s = time.time()

    def link(now_s: float = now_s) -> SignedRequest:
        return blobs.presign_put("a", "video/mp4", len(FILM), 60, now_s)

    def changed(old: str, new: str) -> SignedRequest:
        assert old in link().url
        return SignedRequest("PUT", link().url.replace(old, new), link().headers)

    other = open_bucket(rgw.url("bucket-1"), access_key="rgw-access", secret_key="guessed")
    refused = {
        "wrong type": send(http, link(), FILM, **{"Content-Type": "text/html"}),
        "longer body": send(http, link(), FILM + b"x", **{"Content-Length": str(len(FILM) + 1)}),
        "shorter body": send(http, link(), FILM[1:], **{"Content-Length": str(len(FILM) - 1)}),
        "expired": send(http, link(now_s - HOUR_S), FILM),
        "forged": send(http, other.presign_put("a", "video/mp4", len(FILM), 60, now_s), FILM),
        "other key": send(http, changed("/pre/fix/a?", "/pre/fix/b?"), FILM),
        "longer life": send(http, changed("X-Amz-Expires=60", "X-Amz-Expires=6000"), FILM),
        "read by it": send(http, SignedRequest("GET", link().url, link().headers), FILM),
        "unsigned": http.put(link().url.split("?")[0], content=FILM).status_code,
    }
    assert refused == dict.fromkeys(refused, 403)
    assert list(blobs.list()) == []
    assert send(http, link(), FILM) == 200


@pytest.mark.services
def test_a_real_server_gives_nothing_to_a_wrong_link(rgw: S3Server, http: httpx2.Client) -> None:
    blobs = open_bucket(rgw.url(rgw.new_bucket()), **rgw.keys)
    blobs.put("a", [FILM])
    blobs.put("b", [FILM])
    good = blobs.presign_get("a", 60, time.time(), "film.mp4", "video/mp4")
    wrong = {
        "expired": blobs.presign_get("a", 60, time.time() - HOUR_S),
        "other key": good.replace("/a?", "/b?"),
        "other name": good.replace("film.mp4", "film.exe"),
        "other type": good.replace("video%2Fmp4", "text%2Fhtml"),
        "added": good + "&versionId=1",
    }
    assert {name: http.get(url).status_code for name, url in wrong.items()} == dict.fromkeys(
        wrong, 403
    )
    assert http.delete(good).status_code == 403
    assert http.get(good).status_code == 200


def test_the_signature_is_that_of_amazons_own_example() -> None:
    """From "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)"."""
    keys = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    bucket = Bucket.parse("s3://examplebucket?endpoint=https://s3.amazonaws.com&style=virtual")
    url = S3Blobs(bucket, open_session(*keys)).presign_get("test.txt", 86400, 1369353600.0)
    assert url == (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_temporary_keys_go_with_the_link() -> None:
    session = open_session("key", "secret", "token of an hour")
    url = S3Blobs(Bucket("b"), session).presign_get("a", 60, 0.0)
    assert parse_qs(urlsplit(url).query)["X-Amz-Security-Token"] == ["token of an hour"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://b/p", "https://b.s3.us-east-1.amazonaws.com/p/k"),
        ("s3://b?region=&endpoint=", "https://b.s3.us-east-1.amazonaws.com/k"),
        ("s3://b?region=eu-central-1", "https://b.s3.eu-central-1.amazonaws.com/k"),
        ("s3://b?region=eu-central-1&style=path", "https://s3.eu-central-1.amazonaws.com/b/k"),
        ("s3://b/p/q/?endpoint=http://host:90/", "http://host:90/b/p/q/k"),
        ("s3://b?endpoint=http://host:90&style=virtual", "http://b.host:90/k"),
        ("s3://b?endpoint=http://inside:90&public_endpoint=https://out", "https://out/b/k"),
    ],
)
def test_links_name_the_bucket_as_clients_reach_it(address: str, expected: str) -> None:
    blobs = S3Blobs(Bucket.parse(address), open_session("key", "secret"))
    assert blobs.presign_get("k", 60, 0.0).split("?")[0] == expected


# Puts


def test_a_type_is_kept_with_the_file(s3: S3Server, bucket: str, blobs: S3Blobs) -> None:
    for key, data in (("small", b"x"), ("large", LARGE)):
        blobs.put(key, [data], content_type="video/mp4")
        head = s3.client.head_object(Bucket=bucket, Key=f"pre/fix/{key}")
        assert head["ContentType"] == "video/mp4"


def test_a_blob_can_be_made_of_another(blobs: S3Blobs) -> None:
    blobs.put("a", [LARGE])
    copied = blobs.put("b", blobs.read("a"))
    assert copied.size == len(LARGE)
    assert b"".join(blobs.read("b")) == LARGE


@pytest.mark.services
def test_the_parts_of_an_upload_that_never_ended_are_swept(rgw: S3Server) -> None:
    bucket = rgw.new_bucket()
    blobs = open_bucket(rgw.url(bucket), **rgw.keys)
    for key in ("pre/fix/a", "pre/fix/b", "pre/fixed/c"):
        upload = rgw.client.create_multipart_upload(Bucket=bucket, Key=key)
        part = {"Bucket": bucket, "Key": key, "UploadId": upload["UploadId"], "PartNumber": 1}
        rgw.client.upload_part(**part, Body=b"x")
    now_s = time.time()
    assert blobs.sweep_unfinished(HOUR_S, now_s) == 0
    assert blobs.sweep_unfinished(HOUR_S, now_s + 2 * HOUR_S) == 2
    left = rgw.client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == ["pre/fixed/c"]


def test_a_prefix_sees_only_its_own(s3: S3Server, bucket: str, blobs: S3Blobs) -> None:
    whole = open_bucket(s3.url(bucket, ""), **s3.keys)
    blobs.put("a", [b"x"])
    whole.put("pre/fixed/a", [b"y"])
    assert [found.key for found in blobs.list()] == ["a"]
    assert [found.key for found in whole.list("pre")] == ["pre/fix/a", "pre/fixed/a"]


@pytest.mark.slow
def test_many_pages_are_listed_and_deleted(moto_s3: S3Server) -> None:
    blobs = open_bucket(moto_s3.url(moto_s3.new_bucket()), **moto_s3.keys)
    names = [f"a/{number:04}" for number in range(1005)]
    for name in names:
        blobs.put(name, [])
    assert [found.key for found in blobs.list("a")] == names
    blobs.delete_many(names)
    assert list(blobs.list()) == []


# Local copies


def test_a_blob_is_downloaded_once(blobs: S3Blobs, scratch: Scratch) -> None:
    blobs.put("a.mp4", [FILM])
    with blobs.local("a.mp4", scratch) as path:
        first = path.stat()
    with blobs.local("a.mp4", scratch) as path:
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert scratch.kept() == {"a.mp4"}  # by which it is forgotten


def test_a_full_disk_is_told_while_downloading(blobs: S3Blobs, scratch: Scratch) -> None:
    blobs.put("a", [FILM])
    with pytest.raises(DiskFullError), largest_file(100), blobs.local("a", scratch):
        pass
    with blobs.local("a", scratch) as path:
        assert path.read_bytes() == FILM


# Servers that do not answer


def test_a_server_that_is_gone_is_told() -> None:
    blobs = open_bucket(
        f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}", access_key="a", secret_key="s"
    )
    with pytest.raises(StorageUnavailableError, match="does not answer"):
        blobs.put("a", [b"x"])


def test_a_missing_bucket_is_not_an_empty_one(s3: S3Server) -> None:
    blobs = open_bucket(s3.url("no-such-bucket"), **s3.keys)
    with pytest.raises(StorageUnavailableError):
        blobs.check()
    with pytest.raises(StorageUnavailableError):
        list(blobs.list())
    with pytest.raises(StorageUnavailableError):
        blobs.put("a", [b"x"])


@pytest.mark.services
def test_wrong_keys_are_not_an_empty_bucket(rgw: S3Server) -> None:
    wrong = {**rgw.keys, "secret_key": "guessed"}
    blobs = open_bucket(rgw.url(rgw.new_bucket()), **wrong)
    for action in (
        blobs.check,
        lambda: blobs.info("a"),
        lambda: blobs.put("a", [b"x"]),
        lambda: blobs.put("a", [LARGE]),
        lambda: blobs.delete("a"),
        lambda: blobs.delete_many(["a"]),
        lambda: blobs.sweep_unfinished(0, 0.0),
    ):
        with pytest.raises(StorageUnavailableError):
            action()


class HalfAnswers(BaseHTTPRequestHandler):
    """Announces a file and breaks off in the middle of it."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"half" * 100)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_connection_lost_in_the_middle_gives_no_half_file(scratch: Scratch) -> None:
    with serving(HalfAnswers) as endpoint:
        blobs = open_bucket(f"s3://b?endpoint={endpoint}", access_key="a", secret_key="s")
        with pytest.raises(StorageUnavailableError):
            list(blobs.read("a"))
        with pytest.raises(StorageUnavailableError), blobs.local("a", scratch):
            pass


# Keys and the environment


def test_the_environment_does_not_redirect_a_bucket(
    moto_s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    blobs = open_bucket(moto_s3.url(moto_s3.new_bucket()), **moto_s3.keys)
    blobs.check()
    assert "Security-Token" not in blobs.presign_get("a", 60, 0.0)


@pytest.mark.services
def test_without_keys_those_of_the_machine_are_used(
    rgw: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", rgw.keys["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", rgw.keys["secret_key"])
    blobs = open_bucket(rgw.url(rgw.new_bucket()))
    blobs.put("a", [b"x"])
    assert httpx2.get(blobs.presign_get("a", 60, time.time())).content == b"x"


@pytest.fixture
def no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that has no keys of AWS and is none of AWS."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_a_machine_without_keys_says_what_to_give(no_keys: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadOptionError, match="no keys for the bucket"):
        open_blobs("s3://bucket")
    no_keys.setenv("AWS_PROFILE", "missing")
    with pytest.raises(BadOptionError, match="AWS configuration"):
        open_blobs("s3://bucket")


def test_the_limit_holds_in_the_middle_of_parts(blobs: S3Blobs) -> None:
    with pytest.raises(BlobTooLargeError):
        blobs.put("a", [LARGE, b"x"], max_bytes=len(LARGE))
    assert list(blobs.list()) == []
    assert blobs.sweep_unfinished(-HOUR_S, time.time()) == 0
