"""Bodies that are too large, too slow or not what they claim, as a real server meets them."""

from __future__ import annotations

import json
import select
import socket
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from facades.live import START_S, Live, run_live
from lendface.facades.pace import LeastPace
from service.offices import MIB

PIECE = b"\0" * MIB
PATIENCE_S = 0.3
FLAT = 16 * MIB  # what Python may hold while 128 MiB pass


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("live")
    least = LeastPace(bytes_per_s=1, window_s=PATIENCE_S)
    with run_live(folder, patience_s=PATIENCE_S, least=least) as live:
        object.__setattr__(live.office.rules.limits, "max_bytes", 1 << 30)
        yield live


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that waits."""
    with run_live(tmp_path_factory.mktemp("patient")) as live:
        yield live


def declare(live: Live, size: int) -> dict[str, Any]:
    body = {"name": "a.mp4", "content_type": "video/mp4", "size": size}
    made = httpx2.post(f"{live.url}/v1/uploads", json=body, headers=live.headers)
    return made.raise_for_status().json()


def talk(live: Live, head: str, body: Iterator[bytes]) -> tuple[int, dict[str, Any], int]:
    """Send a request as far as the server takes it: (status, problem, bytes it let us send)."""
    sent = 0
    with socket.create_connection(live.address, timeout=START_S) as line:
        line.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        try:
            for piece in body:
                # Who goes on sending to a closed line may lose the answer that is on its way.
                if select.select([line], [], [], 0)[0]:
                    break
                line.sendall(piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = read_all(line)
    top, _, rest = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in top.lower()
    return int(top.split()[1]), json.loads(rest), sent


def read_all(line: socket.socket) -> bytes:
    found = b""
    try:
        while data := line.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


def head_of(live: Live, method: str, url: str, *lines: str) -> str:
    path = url.removeprefix(live.url)
    host, port = live.address
    return "\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", *lines])


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


def endless() -> Iterator[bytes]:
    for _ in range(1024):
        yield PIECE


def test_a_file_longer_than_declared_is_refused_before_it_is_read(live: Live) -> None:
    link = declare(live, 1000)["upload"]
    head = head_of(
        live, "PUT", link["url"], "Content-Type: video/mp4", f"Content-Length: {1 << 30}"
    )
    status, problem, _ = talk(live, head, iter([b"x" * 10]))
    assert (status, problem["code"]) == (403, "signature_invalid")


def test_a_bomb_without_a_length_is_cut_off_early(live: Live) -> None:
    made = declare(live, 1000)
    head = head_of(
        live, "PUT", made["upload"]["url"], "Content-Type: video/mp4",
        "Content-Range: bytes 0-999/1000", "Transfer-Encoding: chunked",
    )  # fmt: skip
    status, problem, sent = talk(live, head, chunked(endless()))
    assert (status, problem["code"]) == (422, "upload_mismatch")
    assert sent < 64 * MIB  # what fits into the buffers on the way
    state = httpx2.get(f"{live.url}/v1/uploads/{made['id']}", headers=live.headers).json()["state"]
    assert state == "waiting"


@pytest.mark.parametrize("coding", [f"Content-Length: {1 << 30}", "Transfer-Encoding: chunked"])
def test_json_larger_than_the_limit_is_cut_off_early(live: Live, coding: str) -> None:
    head = head_of(
        live, "POST", f"{live.url}/v1/swaps", "Content-Type: application/json",
        f"Authorization: Bearer {live.key}", coding,
    )  # fmt: skip
    body = chunked(endless()) if "chunked" in coding else endless()
    status, problem, sent = talk(live, head, body)
    assert (status, problem["code"]) == (413, "body_too_large")
    assert sent < 64 * MIB


@pytest.mark.parametrize(("path", "status"), [("/v1/swaps", 401), ("/nothing", 404)])
def test_what_strangers_send_is_not_read(live: Live, path: str, status: int) -> None:
    head = head_of(live, "POST", live.url + path, "Transfer-Encoding: chunked")
    refused, _, sent = talk(live, head, chunked(endless()))
    assert refused == status
    assert sent < 64 * MIB


def test_without_a_key_no_body_is_waited_for(live: Live) -> None:
    head = head_of(live, "POST", f"{live.url}/v1/swaps", "Transfer-Encoding: chunked")
    with socket.create_connection(live.address, timeout=START_S) as line:
        line.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 401")  # nothing of the body was sent yet


def test_a_body_that_does_not_come_is_not_waited_for(live: Live) -> None:
    link = declare(live, 1000)["upload"]
    put = head_of(live, "PUT", link["url"], "Content-Type: video/mp4", "Content-Length: 1000")
    post = head_of(
        live, "POST", f"{live.url}/v1/swaps", "Content-Type: application/json",
        f"Authorization: Bearer {live.key}", "Content-Length: 1000",
    )  # fmt: skip
    for head in (put, post):
        status, problem, _ = talk(live, head, iter([b"{ "]))
        assert (status, problem["code"]) == (408, "body_too_slow")


def test_what_came_before_the_line_broke_is_kept(live: Live) -> None:
    made = declare(live, 3 * MIB)
    link, host = made["upload"], live.address
    head = head_of(
        live, "PUT", link["url"], "Content-Type: video/mp4", f"Content-Length: {3 * MIB}"
    )
    with socket.create_connection(host, timeout=START_S) as line:
        line.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + PIECE + PIECE[:1000])
        assert read_all(line).startswith(b"HTTP/1.1 408")  # it waited for more
    kind = {"Content-Type": "video/mp4"}
    asked = httpx2.put(link["url"], headers=kind | {"Content-Range": f"bytes */{3 * MIB}"})
    here = int(asked.headers["upload-offset"])
    assert (asked.status_code, here) == (202, MIB + 1000)
    part = {"Content-Range": f"bytes {here}-{3 * MIB - 1}/{3 * MIB}"}
    rest = httpx2.put(link["url"], content=b"\0" * (3 * MIB - here), headers=kind | part)
    assert (rest.status_code, rest.headers["upload-offset"]) == (200, str(3 * MIB))


def test_a_large_file_comes_and_goes_through_flat_memory(live: Live) -> None:
    size = 128 * MIB
    made = declare(live, size)
    link = made["upload"]

    def pieces() -> Iterator[bytes]:
        for _ in range(128):
            yield PIECE

    tracemalloc.start()
    try:
        answer = httpx2.put(link["url"], content=pieces(), headers=link["headers"], timeout=START_S)
        assert (answer.status_code, answer.headers["upload-offset"]) == (200, str(size))
        blobs = live.office.blobs
        (blob,) = (blob for blob in blobs.list("uploads") if blob.size == size)
        url = live.office.links.presign_get(blob.key, 60, live.office.now_s)
        with httpx2.stream("GET", url) as got:
            assert sum(len(piece) for piece in got.iter_raw()) == size
        assert tracemalloc.get_traced_memory()[1] < FLAT
    finally:
        tracemalloc.stop()
    blobs.delete(blob.key)


def test_two_who_send_the_same_file_do_not_mix(patient: Live) -> None:
    live = patient
    link = declare(live, 1000)["upload"]
    kind = {"Content-Type": "video/mp4"}
    head = head_of(live, "PUT", link["url"], "Content-Type: video/mp4", "Content-Length: 1000")
    with socket.create_connection(live.address, timeout=START_S) as line:
        line.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + b"a" * 10)
        second = wait_for_conflict(link["url"], kind)
        assert second in ("upload_busy", "upload_offset")
        line.sendall(b"a" * 990)
        assert line.recv(100).startswith(b"HTTP/1.1 200")


def wait_for_conflict(url: str, kind: dict[str, str]) -> str:
    """The code of a refused part; until the first request has begun, parts are not refused."""
    for _ in range(1000):
        answer = httpx2.put(url, content=b"", headers=kind | {"Content-Range": "bytes */1000"})
        if int(answer.headers["upload-offset"]) > 0:
            break
    part = kind | {"Content-Range": "bytes 0-4/1000"}
    return httpx2.put(url, content=b"b" * 5, headers=part).json()["code"]
