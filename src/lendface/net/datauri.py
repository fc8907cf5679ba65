"""Small files that are written into the request itself: ``data:`` URIs (RFC 2397)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ..errors import InvalidUrlError, UrlTooLargeError

TOKEN = r"[!#$&^_.+*'`|~0-9A-Za-z-]+"
HEAD = re.compile(
    rf"data:(?P<type>{TOKEN}/{TOKEN})?(?:;{TOKEN}=[^;,\s\"]*)*(?P<base64>;base64)?", re.IGNORECASE
)
MAX_HEAD_CHARS = 256  # more than any media type with its parameters
# A percent sign begins two hex digits; everything else is visible ASCII, as in any URL.
ENCODED = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
DEFAULT_TYPE = "text/plain"


@dataclass(frozen=True)
class DataUri:
    content_type: str  # lower case, without parameters
    data: bytes


def is_data_uri(text: str) -> bool:
    return text[:5].lower() == "data:"


def read_data_uri(uri: str, max_bytes: int) -> DataUri:
    """Decode one strictly; a size over the limit is refused before anything is decoded.

    Raises InvalidUrlError or UrlTooLargeError.

    >>> read_data_uri("data:image/png;base64,iVBORw0KGgo=", max_bytes=100)
    DataUri(content_type='image/png', data=b'\\x89PNG\\r\\n\\x1a\\n')
    >>> read_data_uri("data:,a%20b", max_bytes=100)
    DataUri(content_type='text/plain', data=b'a b')
    """
    comma = uri.find(",", 0, MAX_HEAD_CHARS)
    head = HEAD.fullmatch(uri[: max(comma, 0)])
    if not head:
        raise InvalidUrlError("it is not data:TYPE;base64,... as in RFC 2397")
    decoded_bytes = count_decoded(uri, comma + 1, is_base64=bool(head["base64"]))
    if decoded_bytes > max_bytes:
        raise UrlTooLargeError("the data: URI", max_bytes)
    return DataUri((head["type"] or DEFAULT_TYPE).lower(), decode(uri[comma + 1 :], head["base64"]))


def count_decoded(uri: str, start: int, *, is_base64: bool) -> int:
    """How many bytes come out, without taking them out; base64 may still be found malformed."""
    chars = len(uri) - start - 2 * uri.count("%", start)
    if not is_base64:
        return chars
    padding = len(uri) - len(uri.removesuffix("=").removesuffix("="))
    return chars * 3 // 4 - padding


def decode(payload: str, is_base64: str | None) -> bytes:
    if not ENCODED.fullmatch(payload):
        raise InvalidUrlError("its data holds spaces, a lone % or other characters of no URL")
    octets = unquote_to_bytes(payload)
    if not is_base64:
        return octets
    try:
        return base64.b64decode(octets, validate=True)
    except binascii.Error as fault:
        raise InvalidUrlError("its data is not base64 with the standard alphabet") from fault
