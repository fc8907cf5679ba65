"""Files inside the request: exact bytes in, and nothing half-understood."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import InvalidUrlError, UrlTooLargeError
from lendface.net.datauri import DataUri, is_data_uri, read_data_uri

LIMIT = 1000


@pytest.mark.parametrize(
    ("uri", "read"),
    [
        ("data:image/png;base64,aGk=", DataUri("image/png", b"hi")),
        ("DATA:Image/PNG;BASE64,aGk=", DataUri("image/png", b"hi")),
        ("data:image/svg+xml,%3Csvg%3E", DataUri("image/svg+xml", b"<svg>")),
        ("data:video/mp4;codecs=avc1.42;base64,aGk=", DataUri("video/mp4", b"hi")),
        ("data:;base64,aGk=", DataUri("text/plain", b"hi")),
        ("data:,", DataUri("text/plain", b"")),
        ("data:image/jpeg;base64,", DataUri("image/jpeg", b"")),
        ("data:image/jpeg;base64,%2B%2f8%3D", DataUri("image/jpeg", b"\xfb\xff")),
        ("data:text/plain,a,b+c", DataUri("text/plain", b"a,b+c")),
        ("data:text/plain;charset=utf-8,%C3%A4", DataUri("text/plain", b"\xc3\xa4")),
    ],
)
def test_a_data_uri_is_read(uri: str, read: DataUri) -> None:
    assert is_data_uri(uri)
    assert read_data_uri(uri, LIMIT) == read


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "data:",
        "data:image/png;base64",
        "image/png;base64,aGk=",
        " data:image/png;base64,aGk=",
        "data:image/png;base64,aGk",
        "data:image/png;base64,aGk==",
        "data:image/png;base64,aGk=aGk=",
        "data:image/png;base64,aG k=",
        "data:image/png;base64,aGk=\n",
        "data:image/png;base64,a-_=",
        "data:image/png;base64,a",
        "data:image/png;base64,====",
        "data:image/png;base64,äGk=",
        "data:image/png;base64;x=y,aGk=",
        "data:image;base64,aGk=",
        "data:image/;base64,aGk=",
        "data:/png;base64,aGk=",
        "data:image/png;,aGk=",
        "data:image/png;charset,a",
        "data:image/p ng,a",
        "data:text/plain,100%",
        "data:text/plain,%zz",
        "data:text/plain,a b",
        "data:text/plain,\u00e4",
        "data:" + "a" * 300 + "/b,x",
        "data:text/plain" + ";a=b" * 100 + ",x",
    ],
)
def test_a_malformed_data_uri_is_refused(uri: str) -> None:
    with pytest.raises(InvalidUrlError):
        read_data_uri(uri, LIMIT)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 998, 999, 1000])
def test_up_to_the_limit_it_is_read(size: int) -> None:
    data = bytes(size)
    assert read_data_uri(f"data:,{'%00' * size}", LIMIT).data == data
    assert read_data_uri(f"data:;base64,{base64.b64encode(data).decode()}", LIMIT).data == data


@pytest.mark.parametrize("size", [1001, 1002, 1003, 10_000])
def test_over_the_limit_it_is_refused(size: int) -> None:
    for payload in ("a" * size, "%00" * size):
        with pytest.raises(UrlTooLargeError, match="1000 bytes"):
            read_data_uri(f"data:,{payload}", LIMIT)
    with pytest.raises(UrlTooLargeError):
        read_data_uri(f"data:;base64,{base64.b64encode(bytes(size)).decode()}", LIMIT)


def test_the_size_is_refused_before_the_data_is_looked_at() -> None:
    with pytest.raises(UrlTooLargeError):
        read_data_uri("data:image/png;base64," + "\u00e4 %" * 10_000, LIMIT)


@given(st.binary(max_size=LIMIT))
def test_any_bytes_come_back(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert read_data_uri(f"data:a/b;base64,{encoded}", LIMIT).data == data
    escaped = "".join(f"%{byte:02X}" for byte in data)
    assert read_data_uri(f"data:a/b,{escaped}", LIMIT).data == data
