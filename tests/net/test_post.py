"""Posting webhooks: the same guard, no redirects, little patience."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from loopback import WAIT_S, Answer, PretendedInternet, redirect, reply, serving
from ticking import TickingClock

from lendface.errors import UrlNotAllowedError, UrlTimeoutError, UrlUnreachableError
from lendface.net.connect import Outside
from lendface.net.fetch import DISCARDED_BYTES, POST_TIMEOUT_S, FetchPolicy, post
from lendface.net.guard import parse_allow

ANYWHERE = FetchPolicy(max_bytes=0, timeout_s=600, allow=parse_allow("127.0.0.0/8"))
BODY = b'{"a":"\xc3\xa4"}'


def test_the_body_arrives_byte_by_byte_with_its_headers() -> None:
    bodies: list[bytes] = []

    def answer(stream: socket.socket, head: bytes) -> None:
        body = head.partition(b"\r\n\r\n")[2]
        while len(body) < len(BODY):
            body += stream.recv(100)
        bodies.append(body)
        stream.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    headers = {"content-type": "application/json", "webhook-id": "msg_1", "user-agent": "other"}
    headers["host"] = "elsewhere.example"
    with serving(answer) as server:
        result = post(f"http://127.0.0.1:{server.port}/hook?a=b", BODY, headers, ANYWHERE)
    head = server.heads[0].partition(b"\r\n\r\n")[0].decode().lower()
    assert bodies == [BODY]
    assert result.status == 204
    assert head.startswith("post /hook?a=b http/1.1\r\n")
    for line in ("content-type: application/json", "webhook-id: msg_1", "user-agent: other"):
        assert head.count(line.partition(" ")[0]) == 1
        assert line in head
    assert f"content-length: {len(BODY)}" in head
    assert f"\r\nhost: 127.0.0.1:{server.port}" in head
    assert "elsewhere" not in head


@pytest.mark.parametrize("status", [200, 201, 202, 400, 401, 404, 410, 429, 500, 503])
def test_every_status_is_an_answer(status: int) -> None:
    with serving(reply(b"thanks", status=f"{status} x")) as server:
        assert post(f"http://127.0.0.1:{server.port}/", BODY, {}, ANYWHERE).status == status


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with serving(reply()) as other, serving(redirect(f"http://127.0.0.1:{other.port}/")) as server:
        assert post(f"http://127.0.0.1:{server.port}/", BODY, {}, ANYWHERE).status == 302
        assert other.connections == 0


def test_a_private_target_is_refused() -> None:
    internet = PretendedInternet({"hooks.example": ["127.0.0.1"]})
    with serving(reply()) as server:
        policy = replace(ANYWHERE, allow=())
        for url in (f"http://hooks.example:{server.port}/", f"http://127.0.0.1:{server.port}/"):
            with pytest.raises(UrlNotAllowedError):
                post(url, BODY, {}, policy, internet.outside)
        assert server.connections == 0


def test_the_time_it_took_is_told() -> None:
    clock = TickingClock()
    with serving(reply()) as server:
        url = f"http://127.0.0.1:{server.port}/"
        result = post(url, BODY, {}, replace(ANYWHERE, timeout_s=1e6), Outside(clock=clock))
    assert 1 <= result.seconds < clock.now_s


def test_a_receiver_that_says_nothing_costs_ten_seconds_at_most() -> None:
    clock = TickingClock()
    answer = clock.drip(b"HTTP/1.1 200 OK\r\nX: ")
    with serving(answer) as server, pytest.raises(UrlTimeoutError):
        post(f"http://127.0.0.1:{server.port}/", BODY, {}, ANYWHERE, Outside(clock=clock))
    assert clock.now_s <= POST_TIMEOUT_S + 5


def test_what_comes_after_the_status_is_not_waited_for() -> None:
    """Not for the ten seconds that the answer itself may take."""
    clock = TickingClock(step_s=0.1)
    with serving(dripping(clock)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        result = post(url, BODY, {}, replace(ANYWHERE, timeout_s=1e6), Outside(clock=clock))
    assert result.status == 200
    assert clock.now_s < POST_TIMEOUT_S / 2


def broken_off(stream: socket.socket, _head: bytes) -> None:
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok")


def dripping(clock: TickingClock) -> Answer:
    return clock.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")


def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    sent: list[int] = []

    def endless(stream: socket.socket, _head: bytes) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent.append(stream.send(bytes(DISCARDED_BYTES)))

    with serving(endless) as server:
        assert post(f"http://127.0.0.1:{server.port}/", BODY, {}, ANYWHERE).status == 200
    assert sum(sent) < 64 * 2**20  # what the system's buffers took beside it


def test_what_follows_the_status_changes_nothing() -> None:
    clock = TickingClock()
    for answer in (broken_off, dripping(clock)):
        with serving(answer) as server:
            url = f"http://127.0.0.1:{server.port}/"
            assert post(url, BODY, {}, ANYWHERE, Outside(clock=clock)).status == 200


def test_a_target_that_is_not_there_is_unreachable() -> None:
    policy = replace(ANYWHERE, connect_timeout_s=WAIT_S)
    internet = PretendedInternet()
    with pytest.raises(UrlUnreachableError):
        post("https://hooks.example/", BODY, {}, policy, internet.outside)
