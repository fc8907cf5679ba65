"""The headers of HTTP that ask for, or send, a part of a file (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

from ..errors import RangeNotSatisfiableError, RequestError

ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII | re.IGNORECASE)
SENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})", re.ASCII | re.IGNORECASE)
ETAG = re.compile(r'(?:W/)?("[^"]*")')
MANY_DIGITS = 18  # a number of more is larger than any file


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` to before ``end`` of a file of ``size`` bytes."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """The value of Content-Range for an answer with status 206."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """What a Range header asks of a file of ``size`` bytes; None: the whole file, with status 200.

    A header that is no such thing asks for nothing, and of several ranges we send the whole file,
    as a server may. Raises RangeNotSatisfiableError for a range that has no byte of the file.

    >>> parse_range("bytes=-2", 10)
    ByteRange(start=8, end=10, size=10)
    """
    asked = ONE_RANGE.fullmatch((header or "").strip())
    if asked is None or not (asked[1] or asked[2]):
        return None
    if not asked[1]:
        start, end = max(0, size - _number(asked[2])), size
    else:
        start, last = _number(asked[1]), _number(asked[2]) if asked[2] else sys.maxsize
        if last < start:
            return None
        end = min(last + 1, size)
    if start >= end:
        raise RangeNotSatisfiableError(size)
    return ByteRange(start, end, size)


def applies(if_range: str | None, etag: str) -> bool:
    """Whether a Range header counts beside this If-Range: only for just these bytes.

    A date never proves that, nor does a weak tag.
    """
    return if_range is None or if_range.strip() == etag


def is_known(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has these bytes already, so that 304 is the answer."""
    value = (if_none_match or "").strip()
    return value == "*" or etag in ETAG.findall(value)


@dataclass(frozen=True, slots=True)
class SentRange:
    """The part of a file that a PUT brings: from ``start`` to before ``end`` of ``total_size``."""

    start: int
    end: int
    total_size: int


def parse_content_range(header: str) -> SentRange | None:
    """What a PUT with Content-Range brings; None for ``bytes */N``, which only asks what is here.

    Raises RequestError.

    >>> parse_content_range("bytes 0-4/10")
    SentRange(start=0, end=5, total_size=10)
    """
    sent = SENT_RANGE.fullmatch(header.strip())
    if sent is None:
        raise RequestError("Content-Range must be like: bytes 0-1048575/3145728")
    if sent[1] is None:
        return None
    start, last, total_size = (int(sent[group]) for group in (1, 2, 3))
    if not start <= last < total_size:
        raise RequestError("Content-Range must name a part of the file that is not empty")
    return SentRange(start, last + 1, total_size)


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= MANY_DIGITS else sys.maxsize
