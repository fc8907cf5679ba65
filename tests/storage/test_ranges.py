"""Headers about parts of a file, those of browsers and those of nobody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import RangeNotSatisfiableError, RequestError
from lendface.storage.ranges import (
    ByteRange,
    SentRange,
    applies,
    is_known,
    parse_content_range,
    parse_range,
)


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [
        ("bytes=0-0", 0, 1), ("bytes=0-", 0, 100), ("bytes=10-19", 10, 20), ("bytes=99-", 99, 100),
        ("bytes=0-99", 0, 100), ("bytes=50-1000", 50, 100), ("bytes=-1", 99, 100),
        ("bytes=-100", 0, 100), ("bytes=-1000", 0, 100), (" Bytes=5-6 ", 5, 7),
        ("bytes=007-0000000000000000000000000000009", 7, 10), (f"bytes=3-{'9' * 5000}", 3, 100),
        (f"bytes=-{'9' * 5000}", 0, 100),
    ],
)  # fmt: skip
def test_a_range_is_understood(header: str, start: int, end: int) -> None:
    assert parse_range(header, 100) == ByteRange(start, end, 100)


def test_the_answers_header_says_which_bytes_it_has() -> None:
    part = ByteRange(10, 20, 100)
    assert (part.content_range, part.length) == ("bytes 10-19/100", 10)


@pytest.mark.parametrize(
    "header",
    [
        None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5", "bytes=9-5", "bytes=1-2-3",
        "bytes=+1-2", "bytes=1 -2", "bytes=0x1-2", "bytes=１-２", "items=0-5", "bytes: 0-5", "0-5",
        "bytes=0-1,5-6", "bytes=0-0,-1", "bytes=,", "bytes=1.5-2", "bytes=--1", "bytes=0-5;x=1",
        "bytes=" + " " * 50_000 + "x",
    ],
)  # fmt: skip
def test_what_is_no_single_range_asks_for_the_whole(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0),
        ("bytes=0-0", 0), ("bytes=-5", 0), (f"bytes={'9' * 5000}-", 100),
    ],
)  # fmt: skip
def test_a_range_outside_of_the_file_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError) as seen:
        parse_range(header, size)
    assert seen.value.size == size


@given(st.text() | st.from_regex(r"bytes=[0-9,\- ]*"), st.integers(0, 1000))
def test_a_range_never_leaves_the_file(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except RangeNotSatisfiableError:
        return
    assert found is None or 0 <= found.start < found.end <= size


def test_a_range_counts_only_for_the_bytes_it_was_meant_for() -> None:
    assert applies(None, '"a"')
    assert applies(' "a" ', '"a"')
    for other in ('"b"', 'W/"a"', "Sat, 21 Nov 2026 00:00:00 GMT", "", "a"):
        assert not applies(other, '"a"')


def test_bytes_that_the_client_has_are_known() -> None:
    for known in ('"a"', 'W/"a"', '"x", "a"', '"x","a" , "y"', "*", ' "a"'):
        assert is_known(known, '"a"')
    for other in (None, "", '"b"', "a", '"a', '"A"'):
        assert not is_known(other, '"a"')


def test_a_sent_range_is_understood() -> None:
    assert parse_content_range("bytes 0-0/1") == SentRange(0, 1, 1)
    assert parse_content_range(" Bytes 5-9/10 ") == SentRange(5, 10, 10)
    assert parse_content_range("bytes */10") is None


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes 0-5", "bytes 0-5/*", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-/10",
     "0-5/10", "items 0-5/10", "bytes -5/10", "bytes=0-5/10", f"bytes 0-{'9' * 5000}/10",
     f"bytes */{'9' * 5000}"],
)  # fmt: skip
def test_a_sent_range_that_makes_no_sense_is_refused(header: str) -> None:
    with pytest.raises(RequestError):
        parse_content_range(header)
