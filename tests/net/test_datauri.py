"""Files inside the request: exact bytes in, and nothing half-understood."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import InvalidUrlError, UrlTooLargeError
from lendface.net.datauri import (
    SLICE_CHARS,
    DataUri,
    is_data_uri,
    open_data_uri,
    read_data_uri,
)
from peak_memory import PEAK_MIB

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


@pytest.mark.parametrize("payload", ["AAAA" * SLICE_CHARS, "%41" * SLICE_CHARS])
def test_it_is_decoded_piece_by_piece(payload: str) -> None:
    pieces = list(open_data_uri(f"data:;base64,{payload}", 1 << 30).pieces)
    assert b"".join(pieces) == bytes(len(payload.replace("%41", "A")) // 4 * 3)
    assert max(map(len, pieces)) <= SLICE_CHARS


@pytest.mark.parametrize("wrong", ["=", "%", " ", "\u00e4", "-", "%4-"])
@pytest.mark.parametrize("before", [SLICE_CHARS - 3, SLICE_CHARS - 1, SLICE_CHARS])
def test_what_is_wrong_is_found_wherever_it_stands(wrong: str, before: int) -> None:
    payload = "A" * before + wrong + "A" * 40
    with pytest.raises(InvalidUrlError):
        read_data_uri(f"data:;base64,{payload}", 1 << 30)


def test_a_large_one_takes_little_more_than_its_text() -> None:
    """In a process of its own; a regular expression took 120 bytes a character."""
    taken = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True
    )
    assert int(taken.stdout) < 40  # MiB beside the texts, of which each has 12


LARGE = (
    PEAK_MIB
    + """
from lendface.errors import InvalidUrlError
from lendface.net.datauri import open_data_uri
payloads = ("AAAA", "%41%41", "aGk%3D")
texts = ["data:image/png;base64," + each * ((12 << 20) // len(each)) for each in payloads]
before = peak_mib()
for text in texts:
    try:
        for piece in open_data_uri(text, 1 << 30).pieces:
            pass
    except InvalidUrlError:
        pass
print(peak_mib() - before)
"""
)


@given(st.binary(max_size=LIMIT))
def test_any_bytes_come_back(data: bytes) -> None:
    encoded = base64.b64encode(data).decode()
    assert read_data_uri(f"data:a/b;base64,{encoded}", LIMIT).data == data
    escaped = "".join(f"%{byte:02X}" for byte in data)
    assert read_data_uri(f"data:a/b,{escaped}", LIMIT).data == data
