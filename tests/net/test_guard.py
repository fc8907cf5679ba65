"""What is refused before any connection, and what an operator can allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import LoopbackServer, PretendedInternet, reply, serving

from lendface.errors import BadOptionError, FetchError, InvalidUrlError, UrlNotAllowedError
from lendface.net.fetch import FetchPolicy, fetch, post
from lendface.net.guard import (
    Allowed,
    Target,
    check_addresses,
    check_url,
    is_public,
    parse_allow,
    parse_url,
)

POLICY = FetchPolicy(max_bytes=1000, timeout_s=5, connect_timeout_s=5)

HOSTILE_URLS = (
    # loopback, as it is and in the spellings that the C library understands
    "http://127.0.0.1:{port}/",
    "http://127.0.0.1.:{port}/",
    "http://127.255.255.254:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7F.0.0.1:{port}/",
    "http://0x7f.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.0.0.0x1:{port}/",
    "http://127.0.0.1..:{port}/",
    "http://127.0.0.01:{port}/",
    "http://１２７.０.０.１:{port}/",
    "http://127。0。0。1:{port}/",
    "http://①②⑦.⓪.⓪.①:{port}/",
    "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%00.example.org:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://0x0:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://ｌｏｃａｌｈｏｓｔ:{port}/",
    # IPv6
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::1%lo]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::7f00:1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::1]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[fe80::1]:{port}/",
    "http://[fec0::1]:{port}/",
    "http://[fd00:ec2::254]:{port}/",
    "http://[ff02::1]:{port}/",
    "http://[2001:db8::1]:{port}/",
    "http://[3fff::1]:{port}/",
    "http://::1:{port}/",
    "http://[::1:{port}/",
    "http://[v1.127]:{port}/",
    # private, shared, reserved, and clouds' metadata
    "http://10.0.0.1:{port}/",
    "http://172.16.0.1:{port}/",
    "http://192.168.0.1:{port}/",
    "http://100.64.0.1:{port}/",
    "http://100.100.100.200:{port}/",
    "http://169.254.169.254:{port}/latest/meta-data/",
    "http://2852039166:{port}/",
    "http://168.63.129.16:{port}/",
    "http://192.0.0.192:{port}/",
    "http://198.18.0.1:{port}/",
    "http://192.0.2.1:{port}/",
    "http://224.0.0.1:{port}/",
    "http://240.0.0.1:{port}/",
    "http://255.255.255.255:{port}/",
    # URLs that two parsers can read in two ways
    "http://example.org@127.0.0.1:{port}/",
    "http://user:secret@127.0.0.1:{port}/",
    "http://@127.0.0.1:{port}/",
    "http://example.org\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@example.org/",
    "http://127.0.0.1:{port}#@example.org/",
    "http://127.0.0.1:{port}?@example.org/",
    "http://127.0.0.1:{port};@example.org/",
    "http:127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "127.0.0.1:{port}/",
    "http://127.0.0.1:{port}:80/",
    "http://127.0.0.1 :{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1:{port}/\r\nHost: example.org",
    "http://127.0.0.\u200b1:{port}/",
    "http://-:{port}/",
    "http://exa!mple.org:{port}/",
    "http://" + "a" * 64 + ".example:{port}/",
    "http://" + "a." * 130 + "example:{port}/",
    "http://:{port}/",
    # other schemes
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd?{port}",
    "gopher://127.0.0.1:{port}/_GET",
    "unix:///run/docker.sock?{port}",
    "http+unix://%2Frun%2Fdocker.sock:{port}/",
    "ws://127.0.0.1:{port}/",
    "javascript:alert({port})",
    "data:video/mp4;base64,{port}",
    "",
)


@pytest.fixture(scope="module")
def private_server() -> Iterator[LoopbackServer]:
    with serving(reply(b"a secret")) as server:
        yield server


@pytest.mark.parametrize("url", HOSTILE_URLS)
def test_a_hostile_url_is_refused_and_opens_no_connection(
    url: str, private_server: LoopbackServer
) -> None:
    url = url.format(port=private_server.port)
    with pytest.raises(FetchError) as refused, fetch(url, POLICY):
        pass
    assert refused.value.code in ("url_invalid", "url_not_allowed")
    with pytest.raises(FetchError):
        post(url, b"{}", {}, POLICY)
    assert private_server.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["0.0.0.0"],
        ["93.184.215.14", "127.0.0.1"],  # all of them count
        ["2606:2800:21f:cb07::1", "10.0.0.1"],
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused(
    addresses: list[str], private_server: LoopbackServer
) -> None:
    internet = PretendedInternet({"files.example": addresses})
    url = f"http://files.example:{private_server.port}/"
    with (
        pytest.raises(UrlNotAllowedError, match=r"files\.example may not be reached") as refused,
        fetch(url, POLICY, internet.outside),
    ):
        pass
    assert not re.search(r"127\.|10\.|169\.|::", str(refused.value))
    assert internet.dialled == []
    assert private_server.connections == 0


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://example.org", Target("http", "example.org", 80, "/")),
        ("HTTPS://Example.ORG./a?b=c#d", Target("https", "example.org", 443, "/a?b=c")),
        ("https://example.org:8443/ä", Target("https", "example.org", 8443, "/%C3%A4")),
        ("http://bücher.example/", Target("http", "xn--bcher-kva.example", 80, "/")),
        ("http://my_minio:9000/x", Target("http", "my_minio", 9000, "/x")),
        ("http://8.8.8.8/", Target("http", "8.8.8.8", 80, "/")),
        ("https://[2A00:1450::1]:8080/", Target("https", "2a00:1450::1", 8080, "/")),
        ("http://a.example/u@v:1\u00e9", Target("http", "a.example", 80, "/u@v:1%C3%A9")),
    ],
)
def test_an_ordinary_url_is_read_in_its_one_spelling(url: str, target: Target) -> None:
    assert check_url(url) == target
    assert parse_url(target.url) == target


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("http://example.org:80/", "example.org"),
        ("https://example.org:80/", "example.org:80"),
        ("https://[2a00::1]/", "[2a00::1]"),
        ("https://[2a00::1]:8443/", "[2a00::1]:8443"),
    ],
)
def test_the_host_header_is_written_as_servers_expect_it(url: str, authority: str) -> None:
    assert parse_url(url).authority == authority


@pytest.mark.parametrize("port", ["0", "65536", "99999", "8_0", "+80", "８０", "-1", "80a"])
def test_a_port_is_a_plain_number_in_range(port: str) -> None:
    with pytest.raises(InvalidUrlError):
        parse_url(f"http://example.org:{port}/")


def test_a_refused_url_is_not_repeated() -> None:
    with pytest.raises(InvalidUrlError) as refused:
        parse_url("https://user:hunter2@example.org/")
    assert "hunter2" not in str(refused.value)


def test_an_endless_url_is_refused() -> None:
    with pytest.raises(InvalidUrlError, match="8192"):
        parse_url("http://example.org/" + "a" * 8192)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::1", "172.32.0.1", "100.128.0.1"],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.integers(0, 2**32 - 1))
def test_wrapping_an_ipv4_address_changes_no_verdict(number: int) -> None:
    plain = IPv4Address(number)
    mapped, nat64 = IPv6Address(0xFFFF << 32 | number), IPv6Address((0x64FF9B << 96) | number)
    verdicts = set()
    for address in (plain, mapped, nat64):
        try:
            check_addresses("files.example", 80, [address], ())
            verdicts.add(True)
        except UrlNotAllowedError:
            verdicts.add(False)
    assert verdicts == {is_public(plain)}


PRIVATE_V4 = st.sampled_from([0x0A000000, 0x7F000000, 0xA9FE0000, 0xC0A80000]).flatmap(
    lambda base: st.integers(base, base + 0xFFFF)
)


@given(PRIVATE_V4, st.sampled_from(["{}", "0x{:x}", "0{:o}", "0X{:08X}"]), st.booleans())
def test_no_spelling_of_a_private_address_passes(number: int, form: str, has_dot: bool) -> None:
    octets = IPv4Address(number).packed
    whole = form.format(number)
    dotted = ".".join(form.format(octet) for octet in octets)
    short = f"{form.format(octets[0])}.{form.format(number & 0xFFFFFF)}"
    for host in (whole, dotted, short):
        with pytest.raises(FetchError):
            check_url(f"http://{host}{'.' if has_dot else ''}/")


def test_the_allow_list_is_read() -> None:
    assert parse_allow(
        "10.0.0.0/8, Minio.Local,example.org:8080 127.0.0.1 [::1]:9000,fd00::/8"
    ) == (
        Allowed(ip_network("10.0.0.0/8")),
        Allowed("minio.local"),
        Allowed("example.org", 8080),
        Allowed(ip_network("127.0.0.1/32")),
        Allowed(ip_network("::1/128"), 9000),
        Allowed(ip_network("fd00::/8")),
    )
    assert parse_allow("::1 [::1] 10.0.0.1:80 x:80") == (
        Allowed(ip_network("::1/128")),
        Allowed(ip_network("::1/128")),
        Allowed(ip_network("10.0.0.1/32"), 80),
        Allowed("x", 80),
    )
    assert parse_allow("") == parse_allow(" , ") == ()


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        "10.0.0.1/8",
        "*.example.org",
        "http://minio.local",
        "minio.local/bucket",
        "minio.local:0",
        "minio.local:http",
        "user@minio.local",
        "minio.local?x",
        "127.1",
        "0x7f000001",
        "[::1",
        "fe80::1%eth0",
        "[fe80::1%eth0]:80",
        "-",
    ],
)
def test_a_wrong_entry_of_the_allow_list_is_named(entry: str) -> None:
    with pytest.raises(BadOptionError, match=re.escape(repr(entry))):
        parse_allow(f"10.0.0.0/8,{entry}")


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("127.0.0.0/8", "http://127.0.0.1:9000/"),
        ("127.0.0.1", "http://127.0.0.1/"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/"),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]/"),
        ("::ffff:127.0.0.1", "http://127.0.0.1/"),
        ("[::1]:80", "http://[::1]/"),
        ("fd00::/8", "http://[fd00::1]/"),
    ],
)
def test_the_allow_list_opens_what_it_names(allow: str, url: str) -> None:
    check_url(url, parse_allow(allow))


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9001/"),
        ("127.0.0.2", "http://127.0.0.1/"),
        ("10.0.0.0/8", "http://127.0.0.1/"),
        ("127.0.0.1.example", "http://127.0.0.1/"),
        ("127.0.0.0/8", "http://127.1/"),
        ("127.0.0.0/8", "http://[::1]/"),
    ],
)
def test_the_allow_list_opens_nothing_else(allow: str, url: str) -> None:
    with pytest.raises(FetchError):
        check_url(url, parse_allow(allow))
