"""Small files that are written into the request itself: ``data:`` URIs (RFC 2397).

They may be tens of megabytes, so they are decoded in slices: what is held beside the text is one
slice, and no single call keeps the interpreter to itself for long. A regular expression that
repeats an alternation over the whole text took 120 bytes of memory for each character.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..errors import InvalidUrlError, UrlTooLargeError

TOKEN = r"[!#$&^_.+*'`|~0-9A-Za-z-]+"
HEAD = re.compile(
    rf"data:(?P<type>{TOKEN}/{TOKEN})?(?:;{TOKEN}=[^;,\s\"]*)*(?P<base64>;base64)?", re.IGNORECASE
)
MAX_HEAD_CHARS = 256  # more than any media type with its parameters
SLICE_CHARS = 1 << 18  # decoded within a millisecond
VISIBLE = bytes(range(0x21, 0x7F))  # ASCII, as in any URL
LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
DEFAULT_TYPE = "text/plain"


@dataclass(frozen=True)
class DataUri:
    content_type: str  # lower case, without parameters
    data: bytes


@dataclass(frozen=True)
class OpenDataUri:
    """One whose beginning was read; what it holds is decoded while ``pieces`` is iterated."""

    content_type: str  # lower case, without parameters
    pieces: Iterator[bytes]  # raises InvalidUrlError where the data is malformed


def is_data_uri(text: str) -> bool:
    return text[:5].lower() == "data:"


def open_data_uri(uri: str, max_bytes: int) -> OpenDataUri:
    """Read the beginning; a size over the limit is refused before anything is decoded.

    Raises InvalidUrlError or UrlTooLargeError.
    """
    comma = uri.find(",", 0, MAX_HEAD_CHARS)
    head = HEAD.fullmatch(uri[: max(comma, 0)])
    if not head:
        raise InvalidUrlError("it is not data:TYPE;base64,... as in RFC 2397")
    is_base64 = bool(head["base64"])
    if count_decoded(uri, comma + 1, is_base64=is_base64) > max_bytes:
        raise UrlTooLargeError("the data: URI", max_bytes)
    octets = unquoted(uri, comma + 1)
    return OpenDataUri(
        (head["type"] or DEFAULT_TYPE).lower(), from_base64(octets) if is_base64 else octets
    )


def read_data_uri(uri: str, max_bytes: int) -> DataUri:
    """Decode one strictly, as a whole. Raises InvalidUrlError or UrlTooLargeError.

    >>> read_data_uri("data:image/png;base64,iVBORw0KGgo=", max_bytes=100)
    DataUri(content_type='image/png', data=b'\\x89PNG\\r\\n\\x1a\\n')
    >>> read_data_uri("data:,a%20b", max_bytes=100)
    DataUri(content_type='text/plain', data=b'a b')
    """
    opened = open_data_uri(uri, max_bytes)
    return DataUri(opened.content_type, b"".join(opened.pieces))


def count_decoded(uri: str, start: int, *, is_base64: bool) -> int:
    """How many bytes come out, without taking them out; base64 may still be found malformed."""
    chars = len(uri) - start - 2 * uri.count("%", start)
    if not is_base64:
        return chars
    padding = 2 if uri.endswith("==") else int(uri.endswith("="))
    return chars * 3 // 4 - padding


def unquoted(text: str, start: int) -> Iterator[bytes]:
    """The bytes that ``text`` from ``start`` on stands for. Raises InvalidUrlError."""
    while start < len(text):
        end = start + SLICE_CHARS
        tail = text.rfind("%", end - 2, end)  # what is cut through goes with the next slice
        end = tail if tail > start else end
        yield _unquoted_slice(text[start:end])
        start = end


def _unquoted_slice(text: str) -> bytes:
    try:
        octets = text.encode("ascii")
    except UnicodeEncodeError:
        octets = b" "
    if octets.translate(None, VISIBLE) or LONE_PERCENT.search(octets):
        raise InvalidUrlError("its data holds spaces, a lone % or other characters of no URL")
    return unquote_to_bytes(octets) if b"%" in octets else octets


def from_base64(slices: Iterable[bytes]) -> Iterator[bytes]:
    """What they stand for together; more padding than is needed is none. Raises InvalidUrlError."""
    rest, padding, is_empty = b"", 0, True
    for octets in slices:
        text = octets.rstrip(b"=")
        if b"=" in text or (padding and text):
            raise _not_base64()
        padding += len(octets) - len(text)
        rest += text
        whole = len(rest) // 4 * 4
        is_empty = is_empty and not whole
        yield _decoded(rest[:whole])
        rest = rest[whole:]
    if rest or is_empty:
        yield _decoded(rest + b"=" * min(padding, 3))


def _decoded(octets: bytes) -> bytes:
    try:
        return binascii.a2b_base64(octets, strict_mode=True)
    except binascii.Error as fault:
        raise _not_base64() from fault


def _not_base64() -> InvalidUrlError:
    return InvalidUrlError("its data is not base64 with the standard alphabet")
