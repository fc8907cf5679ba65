"""Certificates are checked against the name although the connection goes to a checked address."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from authority import Authority
from loopback import WAIT_S, LoopbackServer, PretendedInternet, redirect, reply, route, serving

from lendface.errors import UrlNotAllowedError, UrlTimeoutError, UrlUnreachableError
from lendface.net.connect import Outside
from lendface.net.fetch import FetchPolicy, fetch, post

POLICY = FetchPolicy(max_bytes=1000, timeout_s=WAIT_S)


@dataclass
class SecureSite:
    """https://files.example/, with a certificate of the tests' authority."""

    server: LoopbackServer
    internet: PretendedInternet
    authority: Authority
    server_names: list[str | None] = field(default_factory=list)

    @property
    def outside(self) -> Outside:
        return replace(self.internet.outside, tls=self.authority.trusting())

    def note_name(self, _socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        self.server_names.append(name)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


@pytest.fixture
def site(authority: Authority, tmp_path: Path) -> Iterator[SecureSite]:
    tls = authority.serving_as("files.example", tmp_path)
    answers = {"/": reply(), "/down": redirect("http://files.example/"), "/on": redirect("/")}
    with serving(route(answers), tls) as server:
        internet = PretendedInternet()
        internet.put("files.example", server)
        site = SecureSite(server, internet, authority)
        tls.sni_callback = site.note_name
        yield site


def test_the_server_is_asked_for_by_name_though_reached_by_address(site: SecureSite) -> None:
    with fetch("https://files.example./", POLICY, site.outside) as got:
        assert b"".join(got.chunks) == b"film"
    assert site.server_names == ["files.example"]
    assert b"\r\nHost: files.example\r\n" in site.server.heads[0]


def test_a_webhook_is_posted_over_tls(site: SecureSite) -> None:
    assert post("https://files.example/", b"{}", {}, POLICY, site.outside).status == 200


def test_a_certificate_for_another_name_is_refused(site: SecureSite) -> None:
    site.internet.put("other.example", site.server)
    with (
        pytest.raises(UrlUnreachableError, match="certificate"),
        fetch("https://other.example/", POLICY, site.outside),
    ):
        pass
    assert site.server_names == ["other.example"]
    assert site.server.heads == []


def test_an_address_is_no_name_for_a_certificate(site: SecureSite) -> None:
    site.internet.ports["8.8.8.8"] = site.server.port
    with (
        pytest.raises(UrlUnreachableError, match="certificate"),
        fetch("https://8.8.8.8/", POLICY, site.outside),
    ):
        pass
    assert site.server.heads == []


def test_an_unknown_authority_is_refused(site: SecureSite, tmp_path: Path) -> None:
    """The default trusts the system's authorities only, whatever the environment says."""
    with (
        pytest.raises(UrlUnreachableError, match="certificate"),
        fetch("https://files.example/", POLICY, replace(site.outside, tls=None)),
    ):
        pass
    assert site.server.heads == []


def test_a_redirect_within_https_is_followed(site: SecureSite) -> None:
    with fetch("https://files.example/on", POLICY, site.outside) as got:
        assert got.url == "https://files.example/"


def test_a_redirect_from_https_to_http_is_refused(site: SecureSite) -> None:
    with (
        pytest.raises(UrlNotAllowedError, match="from https to http"),
        fetch("https://files.example/down", POLICY, site.outside),
    ):
        pass
    assert site.server.connections == 1


def test_a_server_without_tls_is_unreachable_by_https() -> None:
    internet = PretendedInternet()
    with serving(reply()) as server:
        internet.put("files.example", server)
        server.read_head = lambda stream: stream.recv(5)  # answers a hello with plain HTTP
        with pytest.raises(UrlUnreachableError, match="TLS"):
            fetch_all("https://files.example/", internet)


def fetch_all(url: str, internet: PretendedInternet) -> None:
    policy = replace(POLICY, connect_timeout_s=0.2)
    with fetch(url, policy, internet.outside):
        pass


def test_a_handshake_that_stalls_is_left() -> None:
    """The server takes the connection and says nothing."""
    internet = PretendedInternet({"files.example": ["93.184.215.14"]})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        internet.ports["93.184.215.14"] = silent.getsockname()[1]
        with pytest.raises(UrlTimeoutError):
            fetch_all("https://files.example/", internet)


def test_a_handshake_that_drips_is_left() -> None:
    """Byte after byte of a record that never ends; each comes long before the limit."""
    left = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KiB
            while not left.wait(0.005):
                connection.sendall(b"\x02")

    internet = PretendedInternet({"files.example": ["93.184.215.14"]})
    with socket.create_server(("127.0.0.1", 0)) as listener:
        internet.ports["93.184.215.14"] = listener.getsockname()[1]
        dripping = threading.Thread(target=drip, args=(listener,))
        dripping.start()
        try:
            with pytest.raises(UrlTimeoutError):
                fetch_all("https://files.example/", internet)
            assert dripping.is_alive()
        finally:
            left.set()
            dripping.join(WAIT_S)
