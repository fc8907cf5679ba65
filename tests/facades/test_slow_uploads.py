"""Files that come slowly, beside those of others; and files that never end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from facades.live import START_S, Live, run_live
from lendface.errors import BodyTooSlowError
from lendface.facades import blob_routes
from lendface.facades.serving import Streamed
from lendface.facades.streams import Incoming
from service.offices import new_client

SIZE = 1000
PLACES = 8


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with run_live(tmp_path) as live:
        yield live


@pytest.fixture
def few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blob_routes, "AT_ONCE", PLACES)


def link_of(live: Live, key: str) -> str:
    body = {"name": "a.mp4", "content_type": "video/mp4", "size": SIZE}
    headers = {"Authorization": f"Bearer {key}"}
    made = httpx2.post(f"{live.url}/v1/uploads", json=body, headers=headers)
    return made.raise_for_status().json()["upload"]["url"]


def send_whole(url: str) -> httpx2.Response:
    return httpx2.put(
        url, content=b"x" * SIZE, headers={"Content-Type": "video/mp4"}, timeout=START_S
    )


def begin_slowly(live: Live, url: str, lines: ExitStack) -> tuple[socket.socket, bytes]:
    """An upload that waits for its body, and the first line that it was told.

    ``100 Continue`` is told when the server begins to wait for the body.
    """
    line = lines.enter_context(socket.create_connection(live.address, timeout=START_S))
    head = (
        f"PUT {url.removeprefix(live.url)} HTTP/1.1\r\nHost: here\r\nContent-Type: video/mp4\r\n"
        f"Content-Length: {SIZE}\r\nExpect: 100-continue\r\n\r\n"
    )
    line.sendall(head.encode())
    return line, line.recv(65536).partition(b"\r\n")[0]


def test_one_client_cannot_take_all_places(few_places: None, live: Live) -> None:
    mine, other = live.key, new_client(live.office, "another").key
    with ExitStack() as lines:
        begun = [begin_slowly(live, link_of(live, mine), lines) for _ in range(PLACES // 2)]
        assert {told for _, told in begun} == {b"HTTP/1.1 100 Continue"}
        refused = send_whole(link_of(live, mine))
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_at_once")
        assert int(refused.headers["retry-after"]) > 0
        assert send_whole(link_of(live, other)).status_code == 200
        line, _ = begun[0]
        line.sendall(b"x" * SIZE)
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        assert send_whole(link_of(live, mine)).status_code == 200


def test_a_place_is_free_again_when_its_client_leaves(few_places: None, live: Live) -> None:
    for _ in range(PLACES):
        with ExitStack() as lines:
            line, told = begin_slowly(live, link_of(live, live.key), lines)
            assert told == b"HTTP/1.1 100 Continue"
            line.sendall(b"x" * SIZE)
            assert line.recv(65536).startswith(b"HTTP/1.1 200")


def test_seventy_slow_uploads_hold_no_thread(live: Live) -> None:
    """As many as there were threads for, and more; then somebody else's file."""
    keys = [live.key, new_client(live.office, "another").key]
    with ExitStack() as lines:
        for number in range(70):
            _, told = begin_slowly(live, link_of(live, keys[number % 2]), lines)
            assert told == b"HTTP/1.1 100 Continue"
        assert send_whole(link_of(live, new_client(live.office, "a third").key)).is_success


# What Incoming makes of messages


class Sent:
    """A body's messages, each at its second."""

    def __init__(self, *messages: tuple[float, Message | Exception]) -> None:
        self._messages = list(messages)
        self.now_s = 0.0

    def clock_s(self) -> float:
        return self.now_s

    async def receive(self) -> Message:
        self.now_s, message = self._messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    def pieces(self, size: int, limit_s: float = 100.0) -> tuple[list[bytes], Exception | None]:
        """What was given on, and how it ended."""
        found: list[bytes] = []

        async def take() -> None:
            async for chunks in Incoming(self.receive, size, limit_s, self.clock_s).pieces():
                found.append(b"".join(chunks))

        try:
            asyncio.run(take())
        except Exception as fault:
            return found, fault
        return found, None


def chunk(data: bytes, *, more: bool = True) -> Any:
    return {"type": "http.request", "body": data, "more_body": more}


def test_small_chunks_are_written_together() -> None:
    sent = Sent((0, chunk(b"a")), (0, chunk(b"b")), (0, chunk(b"c", more=False)))
    assert sent.pieces(3) == ([b"abc"], None)


def test_what_came_before_the_client_left_is_written() -> None:
    found, fault = Sent((0, chunk(b"abc")), (0, {"type": "http.disconnect"})).pieces(10)
    assert found == [b"abc"]
    assert type(fault).__name__ == "ClientDisconnect"


def test_what_came_before_it_was_too_slow_is_written() -> None:
    found, fault = Sent((0, chunk(b"abc")), (0, BodyTooSlowError(30))).pieces(10)
    assert found == [b"abc"]
    assert isinstance(fault, BodyTooSlowError)


def test_an_upload_has_an_end_however_steadily_it_comes() -> None:
    large = bytes(512 << 10)
    sent = Sent((10, chunk(large)), (20, chunk(large)), (101, chunk(large)), (102, chunk(large)))
    found, fault = sent.pieces(10 << 20)
    assert len(found) == 3
    assert isinstance(fault, BodyTooSlowError)


def test_a_file_is_closed_when_whoever_asked_for_it_is_gone() -> None:
    closed = []

    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(100)
        finally:
            closed.append(True)

    reading = chunks()  # held here too, as by a traceback: nobody collects it

    async def ask() -> None:
        is_sent = asyncio.Event()

        async def receive() -> Message:
            await is_sent.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                is_sent.set()
                await asyncio.Event().wait()  # nobody takes it

        scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.3"}}
        await Streamed(reading, 200, {})(scope, receive, send)

    asyncio.run(ask())
    assert closed == [True]
