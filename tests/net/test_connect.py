"""The backend under the HTTP library: nothing of a fetch goes around it."""

from __future__ import annotations

import inspect

import httpcore2
import pytest
from loopback import WAIT_S, LoopbackServer, PretendedInternet, reply, serving
from ticking import TickingClock

from lendface.errors import UrlNotAllowedError
from lendface.net.connect import MAX_ADDRESSES, Deadline, GuardedBackend, Outside, ask_system
from lendface.net.guard import parse_allow

PUBLIC_NAMES = ("93.184.215.1", "93.184.215.2", "93.184.215.3")


def backend(outside: Outside, allow: str = "", timeout_s: float = WAIT_S) -> GuardedBackend:
    deadline = Deadline.after(outside.clock, timeout_s)
    return GuardedBackend(parse_allow(allow), outside, deadline)


def test_the_pool_takes_a_backend_by_its_public_argument() -> None:
    """Without it the library would connect by itself, and unguarded."""
    assert "network_backend" in inspect.signature(httpcore2.ConnectionPool).parameters


def test_the_pool_opens_every_connection_through_the_backend() -> None:
    internet = PretendedInternet({"files.example": ["127.0.0.1"]})
    with (
        serving(reply()) as server,
        httpcore2.ConnectionPool(network_backend=backend(internet.outside)) as pool,
    ):
        for scheme in ("http", "https"):
            with pytest.raises(UrlNotAllowedError):
                pool.request("GET", f"{scheme}://files.example:{server.port}/")
        assert server.connections == 0
    assert internet.looked_up == ["files.example", "files.example"]


def test_a_local_socket_is_refused() -> None:
    guarded = backend(Outside())
    with (
        httpcore2.ConnectionPool(uds="/run/any.sock", network_backend=guarded) as pool,
        pytest.raises(UrlNotAllowedError),
    ):
        pool.request("GET", "http://files.example/")


def test_the_system_gives_addresses_and_no_names() -> None:
    assert set(ask_system("localhost", 80)) <= {"127.0.0.1", "::1"}


def test_every_address_is_dialled_as_a_number_until_one_answers() -> None:
    internet = PretendedInternet({"files.example": [*PUBLIC_NAMES, PUBLIC_NAMES[0]]})
    shares_s: list[float] = []

    def dial(address: str, port: int, timeout_s: float) -> httpcore2.NetworkStream:
        shares_s.append(timeout_s)
        if address != PUBLIC_NAMES[-1]:
            raise httpcore2.ConnectTimeout("silent")
        return internet.dial(address, port, timeout_s)

    with serving(reply()) as server:
        internet.ports[PUBLIC_NAMES[-1]] = server.port
        outside = Outside(resolve=internet.resolve, dial=dial, clock=lambda: 0.0)
        backend(outside).connect_tcp("files.example", 80, timeout=6).close()
    assert shares_s == [2.0, 3.0, 6.0]


def test_only_the_first_few_of_many_addresses_are_tried() -> None:
    dialled: list[str] = []

    def dial(address: str, port: int, timeout_s: float) -> httpcore2.NetworkStream:
        dialled.append(address)
        raise httpcore2.ConnectError("refused")

    outside = Outside(resolve=lambda *_: [f"93.184.215.{n}" for n in range(99)], dial=dial)
    with pytest.raises(httpcore2.ConnectError):
        backend(outside).connect_tcp("files.example", 80)
    assert len(dialled) == MAX_ADDRESSES


def test_the_last_of_many_addresses_is_checked_though_never_tried() -> None:
    addresses = [f"93.184.215.{n}" for n in range(99)] + ["127.0.0.1"]
    internet = PretendedInternet({"files.example": addresses})
    with pytest.raises(UrlNotAllowedError):
        backend(internet.outside).connect_tcp("files.example", 80)
    assert internet.dialled == []


def test_a_name_without_addresses_is_a_failed_connection() -> None:
    internet = PretendedInternet({"files.example": []})
    with pytest.raises(httpcore2.ConnectError):
        backend(internet.outside).connect_tcp("files.example", 80)


def test_a_stream_gives_each_read_only_what_is_left() -> None:
    with serving(reply()) as server:
        clock = TickingClock()
        stream = connected(server, Outside(clock=clock), timeout_s=8)
        stream.write(b"GET / HTTP/1.1\r\n\r\n")
        assert stream.read(5, timeout=100) == b"HTTP/"
        clock.now_s = 8
        for use in (lambda: stream.read(1, timeout=100), lambda: stream.write(b"x", timeout=100)):
            with pytest.raises(httpcore2.TimeoutException):
                use()
        stream.close()


def connected(
    server: LoopbackServer, outside: Outside, timeout_s: float
) -> httpcore2.NetworkStream:
    guarded = backend(outside, "127.0.0.1", timeout_s)
    return guarded.connect_tcp("127.0.0.1", server.port)
