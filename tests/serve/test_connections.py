"""Who is let in where there is no place left, and who has to go."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from anyio.to_thread import run_sync
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from lendface.facades.cors import OpenPaths
from lendface.serve import http
from lendface.serve.connections import (
    ConnectionLimits,
    Connections,
    raise_file_limit,
    shared_addresses,
)
from lendface.serve.http import LimitedServer, make_server

PATIENCE_S = 300.0  # never waited for where all is well
HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: here\r\nX-Slow: "


@dataclass(eq=False)
class Line:
    """A connection as ``Connections`` sees one."""

    unsent: int = 0
    is_closing: bool = False
    is_open: bool = True

    def drop(self) -> None:
        self.is_open = False


@dataclass
class Seconds:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Kept:
    """Connections under a clock that stands still."""

    limits: ConnectionLimits = field(default_factory=lambda: ConnectionLimits(16, 8))
    trusted: str = ""
    clock_s: Seconds = field(default_factory=Seconds)

    def __post_init__(self) -> None:
        shared = shared_addresses(self.trusted)
        self.all = Connections(self.limits, self.clock_s, shared)

    def open(self, count: int, host: str = "192.0.2.1", *, answered: bool = False) -> list[Line]:
        lines = [Line() for _ in range(count)]
        for line in lines:
            self.all.add(line, host)
            if answered:
                self.all.begin(line)
        return lines


def are_open(lines: list[Line]) -> list[bool]:
    return [line.is_open for line in lines]


def test_of_one_address_the_one_that_waited_longest_makes_room() -> None:
    kept = Kept()
    lines = kept.open(9)
    assert are_open(lines) == [False, *[True] * 8]
    assert kept.all.closed == {"address_full": 1}


def test_the_address_with_most_waiting_makes_room_for_others() -> None:
    kept = Kept()
    other, many = kept.open(5, "192.0.2.2"), kept.open(8)
    third, newest = kept.open(3, "192.0.2.3"), kept.open(1, "192.0.2.4")
    assert are_open(many) == [False, *[True] * 7]
    assert all(are_open([*other, *third, *newest]))


def test_who_is_answered_is_never_closed_for_somebody_new() -> None:
    kept = Kept()
    answered, waiting = kept.open(7, answered=True), kept.open(2)
    assert all(are_open(answered))
    assert are_open(waiting) == [False, True]


def test_an_answer_on_its_way_is_not_cut_while_another_one_waits() -> None:
    kept = Kept()
    (slow,) = kept.open(1, answered=True)
    slow.unsent = 100
    kept.all.end(slow)
    waiting = kept.open(8)
    assert slow.is_open
    assert are_open(waiting) == [False, *[True] * 7]


def test_a_few_places_are_kept_from_being_answered() -> None:
    kept = Kept()
    answered = kept.open(8, answered=True)
    assert kept.all.may_answer(answered[0]) is False  # 7 of one address
    kept.all.remove(answered[7])
    assert kept.all.may_answer(answered[0]) is True
    kept.open(7, "192.0.2.2", answered=True)
    assert kept.all.may_answer(answered[0]) is True  # 14 of 16
    (one_more,) = kept.open(1, "192.0.2.3", answered=True)
    assert kept.all.may_answer(one_more) is False


def test_a_proxy_is_held_to_the_number_of_all_alone() -> None:
    kept = Kept(trusted="10.0.0.0/8, ::1")
    assert all(are_open(kept.open(16, "10.1.2.3")))
    assert kept.all.may_answer(kept.open(1, "10.1.2.3", answered=True)[0])


def test_the_addresses_of_one_ipv6_network_count_as_one() -> None:
    kept = Kept()
    lines = [line for n in range(9) for line in kept.open(1, f"2001:db8::{n:x}")]
    assert are_open(lines) == [False, *[True] * 8]


def test_a_head_has_to_come_in_time() -> None:
    kept = Kept()
    first = kept.open(1)
    kept.clock_s.now_s = 10
    second = kept.open(1)
    kept.clock_s.now_s = 20
    kept.all.sweep()
    assert are_open([*first, *second]) == [False, True]
    assert kept.all.closed == {"slow_head": 1}


def test_an_answer_may_take_as_long_as_it_needs_while_it_is_taken() -> None:
    kept = Kept()
    (line,) = kept.open(1, answered=True)
    kept.clock_s.now_s = 100_000
    kept.all.sweep()
    line.unsent = 4096 * 10
    kept.all.stall(line)
    kept.clock_s.now_s += 69  # 60 s, and 10 for what waits
    kept.all.sweep()
    kept.all.flow(line)
    kept.clock_s.now_s += 100_000
    kept.all.sweep()
    assert line.is_open
    kept.all.stall(line)
    kept.clock_s.now_s += 70
    kept.all.sweep()
    assert not line.is_open
    assert kept.all.closed == {"slow_reader": 1}


def test_the_end_of_an_answer_has_to_be_taken_too() -> None:
    kept = Kept()
    (line,) = kept.open(1, answered=True)
    line.unsent = 4096
    kept.all.end(line)
    kept.clock_s.now_s = 60
    kept.all.sweep()
    assert line.is_open
    kept.clock_s.now_s = 61
    kept.all.sweep()
    assert not line.is_open


def test_an_answer_that_was_broken_off_does_not_keep_its_place() -> None:
    kept = Kept()
    (line,) = kept.open(1, answered=True)
    line.is_closing = True  # what is left is being sent
    kept.all.sweep()
    kept.clock_s.now_s = 60
    kept.all.sweep()
    assert not line.is_open


def test_nothing_is_remembered_of_those_who_left() -> None:
    kept = Kept()
    for line in [*kept.open(8), *kept.open(8, "192.0.2.2", answered=True)]:
        kept.all.remove(line)
        kept.all.remove(line)
    assert len(kept.all) == 0
    assert all(are_open(kept.open(8)))


@pytest.mark.parametrize(
    ("files", "asked", "total", "per_address"),
    [
        (1024, (0, 0), 384, 96),
        (20_000, (0, 0), 4096, 1024),
        (64, (0, 0), 16, 16),
        (1024, (5000, 9), 384, 9),
        (20_000, (100, 0), 100, 25),
        (20_000, (100, 500), 100, 100),
    ],
)
def test_there_are_never_more_than_the_system_gives_files_for(
    files: int, asked: tuple[int, int], total: int, per_address: int
) -> None:
    limits = ConnectionLimits.within(files, *asked)
    assert (limits.total, limits.per_address) == (total, per_address)


def test_all_files_that_the_system_allows_are_used() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, before[1]))
    try:
        assert raise_file_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


# A real server


class Watched(Connections):
    """Says when a client does not keep up, and when one was given up."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.is_stalled, self.has_closed = threading.Event(), threading.Event()

    def sweep(self) -> None:
        super().sweep()
        if self.closed:
            self.has_closed.set()

    def stall(self, connection: Any) -> None:
        super().stall(connection)
        self.is_stalled.set()


@dataclass
class Running:
    address: tuple[str, int]
    clock_s: Seconds
    connections: Watched
    is_free: threading.Event  # until then requests for /wait are not answered
    has_begun: threading.Semaphore  # for each of them

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def get(self, path: str = "/") -> bytes:
        with self.connect() as line:
            line.sendall(head_for(path))
            return read_all(line)


def head_for(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode()


def read_all(line: socket.socket) -> bytes:
    found = b""
    try:
        while data := line.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


@contextmanager
def running(
    limits: ConnectionLimits, headers_of: Callable[[Scope], Mapping[str, str]] = lambda scope: {}
) -> Iterator[Running]:
    clock_s, is_free, has_begun = Seconds(), threading.Event(), threading.Semaphore(0)
    connections, is_up = Watched(limits, clock_s), threading.Event()

    class Announced(LimitedServer):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            is_up.set()

    app = app_for(is_free, has_begun)
    made = make_server(app, connections, headers_of, log_config=None, lifespan="off")
    server = Announced(made.config, connections)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert is_up.wait(PATIENCE_S)
            yield Running(listener.getsockname(), clock_s, connections, is_free, has_begun)
        finally:
            is_free.set()
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def app_for(is_free: threading.Event, has_begun: threading.Semaphore) -> ASGIApp:
    def endless() -> Iterator[bytes]:
        while not is_free.is_set():
            yield bytes(1 << 16)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/endless":
            answer: Any = StreamingResponse(endless())
        else:
            if scope["path"] == "/wait":
                has_begun.release()
                await run_sync(is_free.wait)
            answer = PlainTextResponse("here")
        await answer(scope, receive, send)

    return app


def test_somebody_new_is_answered_beside_heads_that_never_end() -> None:
    with running(ConnectionLimits(64, 16)) as server:
        lines = [server.connect() for _ in range(100)]
        for line in lines[:50]:
            line.sendall(HALF_A_HEAD)
        assert server.get().endswith(b"here")
        assert read_all(lines[0]) == b""  # closed: it waited longest
        for line in lines:
            line.close()


def test_a_head_that_does_not_end_is_given_up() -> None:
    with running(ConnectionLimits(64, 16)) as server, server.connect() as line:
        line.sendall(HALF_A_HEAD)
        assert server.get().endswith(b"here")
        server.clock_s.now_s = 20
        assert read_all(line) == b""


def test_a_client_that_takes_nothing_of_its_answer_is_given_up() -> None:
    with running(ConnectionLimits(64, 16)) as server, server.connect() as line:
        line.sendall(head_for("/endless"))
        assert line.recv(12) == b"HTTP/1.1 200"
        assert server.connections.is_stalled.wait(PATIENCE_S)
        server.clock_s.now_s = 1000
        assert server.connections.has_closed.wait(PATIENCE_S)  # while nothing is read
        assert server.connections.closed == {"slow_reader": 1}
        assert len(read_all(line)) > 0  # what was on its way, and then it ends


def test_a_page_can_read_an_answer_that_no_application_gave() -> None:
    open_paths = OpenPaths(["/s2s/", "/detect"])
    with running(ConnectionLimits(16, 16), open_paths.headers_of) as server:
        lines = [server.connect() for _ in range(14)]
        for line in lines:
            line.sendall(head_for("/wait"))
            assert server.has_begun.acquire(timeout=PATIENCE_S)
        for path, is_open in (("/s2s/v2.0/file", True), ("/detect", True), ("/v1/jobs", False)):
            head = server.get(path).partition(b"\r\n\r\n")[0].lower()
            assert head.startswith(b"http/1.1 503")
            assert (b"access-control-allow-origin: *" in head) is is_open
        server.is_free.set()
        for line in lines:
            assert read_all(line).endswith(b"here")
            line.close()


def test_whoever_finds_all_places_taken_is_told_so_and_health_still_answers() -> None:
    with running(ConnectionLimits(16, 16)) as server:
        lines = [server.connect() for _ in range(14)]
        for line in lines:
            line.sendall(head_for("/wait"))
            assert server.has_begun.acquire(timeout=PATIENCE_S)
        head, _, body = server.get().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 5" in head.lower()
        assert body == b"too many requests at once\n"
        assert server.get("/healthz").endswith(b"here")
        server.is_free.set()
        assert all(read_all(line).endswith(b"here") for line in lines)
        for line in lines:
            line.close()


def test_what_says_twice_where_its_body_ends_is_refused_with_all_that_follows() -> None:
    """A proxy that goes by the length passes the second request on as a body, unlooked at."""
    twice = (
        b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    with running(ConnectionLimits(64, 16)) as server, server.connect() as line:
        line.sendall(twice + head_for("/"))
        head, _, body = read_all(line).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400")
        assert body == b"one length of the body, not two\n"


def refusal_head(size: int) -> bytes:
    """Of a request that is answered before its body was read, and whose connection ends then."""
    return f"{head_for('/').decode()[:-2]}Content-Length: {size}\r\n\r\n".encode()


def test_answered_clients_that_still_send_keep_nobody_from_being_answered() -> None:
    with running(ConnectionLimits(16, 16)) as server:
        lines = [server.connect() for _ in range(15)]
        for line in lines:
            line.sendall(refusal_head(1 << 20))
            assert line.recv(65536).startswith(b"HTTP/1.1 200")
            line.sendall(bytes(1000))
        assert server.get().endswith(b"here")
        for line in lines:
            line.close()


def test_who_still_sends_gets_the_answer_that_came_early() -> None:
    """A connection that is closed meanwhile is reset, and the answer may be lost with it."""
    with running(ConnectionLimits(64, 16)) as server, server.connect() as line:
        line.sendall(refusal_head(4 << 20))
        answer = line.recv(65536)  # it does not wait for the body
        for _ in range(64):
            line.sendall(bytes(1 << 16))
        assert (answer + read_all(line)).endswith(b"here")


@pytest.mark.parametrize(("name", "value"), [("LINGER_S", 0.05), ("LINGER_BYTES", 1 << 16)])
def test_after_an_early_answer_nobody_is_read_for_long(
    name: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, name, value)
    with running(ConnectionLimits(64, 16)) as server, server.connect() as line:
        line.sendall(refusal_head(1 << 40))
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        with suppress(ConnectionError):
            line.sendall(bytes(1 << 18))
        read_all(line)  # to its end: it is closed
