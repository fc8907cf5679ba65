"""Fetching over real loopback servers: what comes through and what is cut off."""

from __future__ import annotations

import itertools
import socket
import tracemalloc
import zlib
from dataclasses import dataclass, replace
from threading import Event

import pytest
from loopback import (
    PUBLIC,
    WAIT_S,
    Answer,
    PretendedInternet,
    redirect,
    reply,
    route,
    serving,
)
from ticking import TickingClock

from lendface.errors import (
    FetchError,
    UrlIncompleteError,
    UrlNotAllowedError,
    UrlStatusError,
    UrlTimeoutError,
    UrlTooLargeError,
    UrlTooSlowError,
    UrlTypeError,
    UrlUnreachableError,
)
from lendface.net.connect import Outside
from lendface.net.fetch import Fetched, FetchPolicy, fetch
from lendface.net.guard import parse_allow

OTHER_PUBLIC = "93.184.215.15"
ANYWHERE = FetchPolicy(max_bytes=1000, timeout_s=WAIT_S, allow=parse_allow("127.0.0.0/8 ::1"))
PUBLIC_ONLY = replace(ANYWHERE, allow=())


def read(
    answer: Answer, policy: FetchPolicy = ANYWHERE, outside: Outside | None = None
) -> tuple[Fetched, bytes]:
    with serving(answer) as server:
        url = f"http://127.0.0.1:{server.port}/film.mp4"
        with fetch(url, policy, outside or Outside()) as got:
            return got, b"".join(got.chunks)


def test_a_file_comes_through_with_what_the_server_says_of_it() -> None:
    got, body = read(reply(b"film", headers=("Content-Type: Video/MP4; codecs=x",)))
    assert (got.content_type, got.content_length, body) == ("video/mp4", 4, b"film")
    assert got.url.endswith("/film.mp4")


def test_a_body_without_a_declared_length_comes_through() -> None:
    got, body = read(chunked(b"fi", b"lm", end=b"0\r\n\r\n"))
    assert (got.content_type, got.content_length, body) == ("", None, b"film")


def test_an_empty_file_comes_through() -> None:
    assert read(reply(b""))[1] == b""


def test_the_request_asks_for_bytes_as_they_are() -> None:
    with serving(reply()) as server:
        with fetch(f"http://127.0.0.1:{server.port}/a?b=c#d", ANYWHERE):
            pass
        head = server.heads[0].decode().lower()
    assert head.startswith("get /a?b=c http/1.1\r\n")
    assert f"\r\nhost: 127.0.0.1:{server.port}\r\n" in head
    assert "\r\naccept-encoding: identity\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


def test_ipv6_is_fetched_with_its_brackets_in_the_host_header() -> None:
    with serving(reply(), address="::1") as server:
        with fetch(f"http://[::1]:{server.port}/", ANYWHERE) as got:
            assert b"".join(got.chunks) == b"film"
        assert f"Host: [::1]:{server.port}\r\n".encode() in server.heads[0]


# Names and addresses


def test_a_name_is_looked_up_once_and_connected_to_where_it_was_checked() -> None:
    """A rebinding resolver: public at the first look, loopback at any later one."""
    internet = PretendedInternet()
    answers = itertools.chain([[PUBLIC]], itertools.repeat(["127.0.0.1"]))
    looked_up: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return next(answers)

    with serving(reply(b"public")) as public, serving(reply(b"a secret")) as private:
        internet.put("files.example", public)
        outside = Outside(resolve=resolve, dial=internet.dial)
        with fetch(f"http://files.example:{private.port}/", PUBLIC_ONLY, outside) as got:
            assert b"".join(got.chunks) == b"public"
        assert b"Host: files.example" in public.heads[0]
        assert private.connections == 0
    assert looked_up == ["files.example"]
    assert internet.dialled == [PUBLIC]


def test_a_redirect_to_the_same_name_is_checked_anew() -> None:
    internet = PretendedInternet()
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    with serving(reply(b"a secret")) as private:
        there = f"http://files.example:{private.port}/"
        with serving(redirect(there)) as public:
            internet.put("files.example", public)
            outside = Outside(resolve=lambda *_: next(answers), dial=internet.dial)
            with pytest.raises(UrlNotAllowedError), fetch(there, PUBLIC_ONLY, outside):
                pass
        assert private.connections == 0


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    internet = PretendedInternet()
    with serving(reply()) as server, closed_port() as port:
        internet.put("files.example", server, OTHER_PUBLIC)
        internet.addresses["files.example"] = [PUBLIC, OTHER_PUBLIC]
        internet.ports[PUBLIC] = port
        with fetch("http://files.example/", PUBLIC_ONLY, internet.outside) as got:
            assert b"".join(got.chunks) == b"film"
    assert internet.dialled == [PUBLIC, OTHER_PUBLIC]


def test_an_unknown_name_is_unreachable() -> None:
    internet = PretendedInternet()
    with (
        pytest.raises(UrlUnreachableError, match=r"nowhere\.example cannot be reached"),
        fetch("http://nowhere.example/", PUBLIC_ONLY, internet.outside),
    ):
        pass


def test_a_closed_port_is_unreachable() -> None:
    with (
        closed_port() as port,
        pytest.raises(UrlUnreachableError),
        fetch(f"http://127.0.0.1:{port}/", ANYWHERE),
    ):
        pass


@pytest.mark.parametrize("allow", ["minio.local", "minio.local:{port}", "127.0.0.1:{port}", "::/0"])
def test_a_private_host_is_reached_when_it_is_allowed(allow: str) -> None:
    internet = PretendedInternet({"minio.local": ["127.0.0.1"]})
    with serving(reply()) as server:
        policy = replace(ANYWHERE, allow=parse_allow(allow.format(port=server.port)))
        url = f"http://minio.local:{server.port}/"
        if allow == "::/0":  # the other family
            with pytest.raises(UrlNotAllowedError), fetch(url, policy, internet.outside):
                pass
        else:
            with fetch(url, policy, internet.outside) as got:
                assert b"".join(got.chunks) == b"film"


@pytest.mark.parametrize("allow", ["minio.local:1", "local", "io.local", "127.0.0.2"])
def test_a_private_host_stays_closed_when_another_is_allowed(allow: str) -> None:
    internet = PretendedInternet({"minio.local": ["127.0.0.1"]})
    with serving(reply()) as server:
        policy = replace(ANYWHERE, allow=parse_allow(allow))
        url = f"http://minio.local:{server.port}/"
        with pytest.raises(UrlNotAllowedError), fetch(url, policy, internet.outside):
            pass
        assert server.connections == 0


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(reply(b"of the proxy")) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert read(reply())[1] == b"film"
        assert proxy.connections == 0


# Redirects


def test_a_redirect_is_followed_to_another_public_host() -> None:
    internet = PretendedInternet()
    with serving(reply()) as server, serving(redirect("//cdn.example/b.mp4?k=1")) as first:
        internet.put("files.example", first)
        internet.put("cdn.example", server, OTHER_PUBLIC)
        with fetch("http://files.example/a", PUBLIC_ONLY, internet.outside) as got:
            assert (got.url, b"".join(got.chunks)) == ("http://cdn.example/b.mp4?k=1", b"film")
        assert b"Host: cdn.example" in server.heads[0]
    assert internet.dialled == [PUBLIC, OTHER_PUBLIC]


@pytest.mark.parametrize("status", ["301 x", "302 x", "303 x", "307 x", "308 x"])
def test_a_relative_redirect_is_followed(status: str) -> None:
    answer = route({"/film.mp4": redirect("../b?c=1", status), "/b": reply(b"other")})
    got, body = read(answer)
    assert (got.url.partition("/b")[2], body) == ("?c=1", b"other")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0x7f000001:{port}/",
        "http://localhost:{port}/",
        "http://user@127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http://169.254.169.254/latest/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "http://internal.example:{port}/",
        "http:\\\\127.0.0.1:{port}\\",
        "http://exa mple:{port}/",
    ],
)
def test_a_redirect_to_a_private_place_is_refused_without_naming_it(location: str) -> None:
    internet = PretendedInternet({"internal.example": ["10.0.0.7"], "localhost": ["127.0.0.1"]})
    with serving(reply(b"a secret")) as private:
        location = location.format(port=private.port)
        with serving(redirect(location)) as public:
            internet.put("files.example", public)
            with (
                pytest.raises(UrlNotAllowedError, match=r"^files\.example .*redirects") as refused,
                fetch("http://files.example/", PUBLIC_ONLY, internet.outside),
            ):
                pass
        assert private.connections == 0
    for secret in ("127.", "169.", "10.", "internal", "localhost", "passwd", "0x7f"):
        assert secret not in str(refused.value)
    assert internet.dialled == [PUBLIC]


def test_a_redirect_to_a_dead_host_does_not_name_it() -> None:
    internet = PretendedInternet()
    with serving(redirect("http://internal.example/")) as public:
        internet.put("files.example", public)
        with (
            pytest.raises(UrlUnreachableError, match=r"^files\.example ") as refused,
            fetch("http://files.example/", PUBLIC_ONLY, internet.outside),
        ):
            pass
    assert "internal" not in str(refused.value)


def test_a_redirect_loop_ends_after_the_limit() -> None:
    with (
        serving(redirect("/again")) as server,
        pytest.raises(UrlUnreachableError, match="more than 5 times"),
        fetch(f"http://127.0.0.1:{server.port}/", ANYWHERE),
    ):
        pass
    assert server.connections == 6


def test_five_redirects_are_followed() -> None:
    answers = {f"/{n}": redirect(f"/{n + 1}") for n in range(1, 5)} | {"/5": reply()}
    assert read(route({"/film.mp4": redirect("/1")} | answers))[1] == b"film"


def test_a_redirect_without_an_end_leads_nowhere() -> None:
    with pytest.raises(UrlUnreachableError):
        read(reply(b"", status="302 Found"))


# Answers that are not the file


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 403, 404, 410, 500, 503])
def test_another_status_is_told(status: int) -> None:
    with pytest.raises(UrlStatusError, match=str(status)) as refused:
        read(reply(b"", status=f"{status} x"))
    assert refused.value.status == status


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_is_refused(kind: str) -> None:
    with pytest.raises(UrlTypeError, match="web page"):
        read(reply(b"<html>", headers=(f"Content-Type: {kind}",)))


def test_only_the_asked_types_are_taken_where_any_are_asked() -> None:
    videos = replace(ANYWHERE, content_types=("video/", "application/octet-stream"))
    assert read(reply(headers=("Content-Type: video/webm",)), videos)[1] == b"film"
    with pytest.raises(UrlTypeError, match="video/"):
        read(reply(headers=("Content-Type: image/png",)), videos)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "zstd", "deflate, gzip", "x-gzip"])
def test_a_compressed_answer_is_refused_before_it_is_read(encoding: str) -> None:
    bomb = zlib.compress(bytes(10_000_000), wbits=31)
    with pytest.raises(UrlTypeError, match="compressed"):
        read(
            reply(bomb, headers=(f"Content-Encoding: {encoding}",)),
            replace(ANYWHERE, max_bytes=10**9),
        )


def test_a_compressed_transfer_is_refused() -> None:
    with pytest.raises(UrlUnreachableError):
        read(reply(b"", headers=("Transfer-Encoding: gzip, chunked",)))


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nfilm",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nfilm",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nfilm",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nfilm",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nfilm",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"",
    ],
)
def test_what_is_no_http_is_unreachable(raw: bytes) -> None:
    with pytest.raises(UrlUnreachableError):
        read(lambda stream, _head: stream.sendall(raw))


def test_an_upgrade_is_not_followed() -> None:
    with pytest.raises(FetchError):
        read(reply(b"", status="101 Switching", headers=("Connection: upgrade", "Upgrade: x")))


# Sizes


def test_a_declared_size_over_the_limit_is_refused_before_the_body() -> None:
    def answer(stream: socket.socket, _head: bytes) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
        assert stream.recv(1) == b""  # the client leaves; the body is never sent

    with pytest.raises(UrlTooLargeError, match="1000 bytes"):
        read(answer)


def test_a_body_of_just_the_limit_comes_through() -> None:
    assert len(read(reply(bytes(1000)))[1]) == 1000


def test_a_body_that_ends_early_is_an_error() -> None:
    with pytest.raises(UrlIncompleteError, match="broke off"):
        read(reply(b"film", headers=("Content-Length: 5",)))


def test_chunks_that_end_early_are_an_error() -> None:
    with pytest.raises(UrlIncompleteError):
        read(chunked(b"fi", b"lm", end=b""))


def test_nothing_after_the_declared_end_is_read() -> None:
    got, body = read(reply(b"film and more", headers=("Content-Length: 4",)))
    assert (got.content_length, body) == (4, b"film")


def test_a_length_beside_chunks_is_not_believed() -> None:
    body = b"5\r\nfilms\r\n0\r\n\r\n"
    answer = reply(body, headers=("Content-Length: 4", "Transfer-Encoding: chunked"))
    got, read_body = read(answer)
    assert (got.content_length, read_body) == (None, b"films")


@pytest.mark.parametrize("head", [b"", b"Transfer-Encoding: chunked\r\n"])
def test_an_endless_body_is_cut_off_at_the_limit_and_never_kept(head: bytes) -> None:
    piece = bytes(65536) if not head else b"10000\r\n" + bytes(65536) + b"\r\n"

    def answer(stream: socket.socket, _head: bytes) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            stream.sendall(piece)

    limit = 16 * 2**20
    with serving(answer) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with fetch(url, replace(ANYWHERE, max_bytes=limit)) as got:
            received, peak_bytes = count_until_too_large(got)
    assert limit - 2**20 < received <= limit
    assert peak_bytes < 2**20


def count_until_too_large(got: Fetched) -> tuple[int, int]:
    """Bytes that came before the limit cut them off, and the most memory meanwhile."""
    received = 0
    tracemalloc.start()
    try:
        for chunk in got.chunks:
            received += len(chunk)
    except UrlTooLargeError:
        return received, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    raise AssertionError("the body ended")


# Time


def test_a_body_that_drips_is_cut_off_when_the_time_is_over() -> None:
    clock = TickingClock()
    answer = clock.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    with pytest.raises(UrlTimeoutError):
        read(answer, replace(ANYWHERE, timeout_s=50), Outside(clock=clock))
    assert 30 <= clock.now_s <= 60


def test_a_head_that_drips_is_cut_off_when_the_time_is_over() -> None:
    clock = TickingClock()
    answer = clock.drip(b"HTTP/1.1 200 OK\r\nX: ")
    with pytest.raises(UrlTimeoutError):
        read(answer, replace(ANYWHERE, timeout_s=50), Outside(clock=clock))
    assert 30 <= clock.now_s <= 60


def test_a_body_slower_than_the_least_pace_is_cut_off() -> None:
    clock = TickingClock()
    answer = clock.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    policy = replace(ANYWHERE, timeout_s=10**6, stall_timeout_s=10**6, slow_s=30)
    with pytest.raises(UrlTooSlowError, match=r"less than 16 kB a second") as caught:
        read(answer, policy, Outside(clock=clock))
    assert caught.value.code == "url_too_slow"
    assert clock.now_s < 200


def test_a_body_at_the_least_pace_comes_whole() -> None:
    """Byte by byte, for longer than the pace is looked at."""
    clock = TickingClock()
    answer = clock.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
    policy = replace(ANYWHERE, timeout_s=10**6, min_bytes_per_s=0.01)
    assert len(read(answer, policy, Outside(clock=clock))[1]) == 200
    assert clock.now_s > 2 * policy.slow_s


def test_the_time_that_storing_takes_is_not_the_senders() -> None:
    clock = PatientClock()
    policy = replace(ANYWHERE, timeout_s=10**6, max_bytes=10**6)
    with (
        serving(reply(bytes(300_000))) as server,
        fetch(f"http://127.0.0.1:{server.port}/", policy, Outside(clock=clock)) as got,
    ):
        received = 0
        for chunk in got.chunks:
            received += len(chunk)
            clock.now_s += 3600  # in which the reader was busy
    assert received == 300_000


@dataclass
class PatientClock:
    """Goes on only when it is told to."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_head_and_the_redirects_before_it_have_a_time_of_their_own() -> None:
    clock = TickingClock()
    answer = clock.drip(b"HTTP/1.1 200 OK\r\nX: ")
    policy = replace(ANYWHERE, timeout_s=10**6, stall_timeout_s=10**6, head_timeout_s=50)
    with pytest.raises(UrlTimeoutError):
        read(answer, policy, Outside(clock=clock))
    assert 30 <= clock.now_s <= 60
    clock = TickingClock()
    policy = replace(policy, max_redirects=10**6)
    with pytest.raises(UrlTimeoutError):
        read(redirect("/again"), policy, Outside(clock=clock))
    assert clock.now_s <= 60


def test_redirects_share_the_time_of_the_first_url() -> None:
    clock = TickingClock()
    policy = replace(ANYWHERE, timeout_s=20, max_redirects=10**6)
    with pytest.raises(UrlTimeoutError):
        read(redirect("/again"), policy, Outside(clock=clock))
    assert clock.now_s <= 30


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfi"])
def test_a_silent_server_is_left(sent: bytes) -> None:
    def answer(stream: socket.socket, _head: bytes) -> None:
        stream.sendall(sent)
        assert stream.recv(1) == b""  # until the client leaves

    with pytest.raises(UrlTimeoutError, match="took too long"):
        read(answer, replace(ANYWHERE, stall_timeout_s=0.05))


def test_a_name_server_that_does_not_answer_is_left() -> None:
    given_up, answered = Event(), Event()

    def resolve(_host: str, _port: int) -> list[str]:
        given_up.wait(WAIT_S)
        answered.set()
        return [PUBLIC]

    policy = replace(PUBLIC_ONLY, connect_timeout_s=0.05)
    try:
        with (
            pytest.raises(UrlTimeoutError),
            fetch("http://slow.example/", policy, Outside(resolve=resolve)),
        ):
            pass
        assert not answered.is_set()
    finally:
        given_up.set()


# The end of it


def test_the_connection_is_closed_when_the_reader_leaves_early() -> None:
    left = Event()

    def answer(stream: socket.socket, _head: bytes) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nfilm")
        if stream.recv(1) == b"":
            left.set()

    with serving(answer) as server:
        with fetch(f"http://127.0.0.1:{server.port}/", ANYWHERE) as got:
            assert next(got.chunks)
        assert left.wait(WAIT_S)


def test_an_error_of_the_reader_stays_its_own() -> None:
    with (
        serving(reply()) as server,
        pytest.raises(ZeroDivisionError),
        fetch(f"http://127.0.0.1:{server.port}/", ANYWHERE) as got,
    ):
        fail_on(got)


def fail_on(got: Fetched) -> None:
    next(got.chunks)
    raise ZeroDivisionError


def chunked(*chunks: bytes, end: bytes) -> Answer:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end
    return reply(body, headers=("Transfer-Encoding: chunked",))


class closed_port:  # noqa: N801
    """A port on which nobody listens, held so that nobody else takes it."""

    def __enter__(self) -> int:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        return self.socket.getsockname()[1]

    def __exit__(self, *_: object) -> None:
        self.socket.close()
