"""Links to blobs that need no key: what a bucket does by itself, done for a folder.

A link is ``BASE/blobs/TOKEN``. The token carries all that is granted and a signature over just
those bytes, so nothing can be changed, added or exchanged between two links.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from urllib.parse import quote

from ..errors import (
    BadOptionError,
    BlobTooLargeError,
    SignatureExpiredError,
    SignatureInvalidError,
)
from .blobs import check_key

ROUTE = "/blobs/"
PURPOSE = b"lendface blob link 1\n"  # the same secret signs nothing else with this beginning
MIN_SECRET_BYTES = 32
METHODS_BY_GRANTED = {"GET": ("GET", "HEAD"), "PUT": ("PUT",)}
TOKEN = re.compile(r"([A-Za-z0-9_-]{1,8192})\.([A-Za-z0-9_-]{43})", re.ASCII)
UNSAFE_IN_NAME = re.compile(r'[\x00-\x1f\x7f"\\/]')


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What a client has to send, exactly so."""

    method: str
    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """What one link allows."""

    key: str
    method: str  # GET, which allows HEAD, or PUT
    expires_at_s: int
    size: int | None = None  # bytes of a PUT, exact; None: up to max_size
    content_type: str | None = None  # of a PUT: to be sent; of a GET: to be answered
    file_name: str | None = None  # of a GET: under which a browser saves it
    max_size: int | None = None  # bytes of a PUT whose size nobody told before

    def check_upload(self, content_type: str | None, size: int | None) -> None:
        """Raises SignatureInvalidError unless a PUT has the granted headers, BlobTooLargeError.

        ``size`` is the whole file's: Content-Length, or of a part the total of Content-Range.
        """
        is_its_type = _plain_type(content_type) == _plain_type(self.content_type)
        if self.max_size is not None and size is not None and size > self.max_size:
            raise BlobTooLargeError(self.max_size)
        is_its_size = size == self.size or self.max_size is not None
        if self.method != "PUT" or not is_its_size or not is_its_type:
            raise SignatureInvalidError

    def as_json(self) -> str:
        """What is not there is not written, but for what was there from the first."""
        told = asdict(self)
        if self.max_size is None:
            del told["max_size"]
        return json.dumps(told, separators=(",", ":"), sort_keys=True)


class UrlSigner:
    """Makes and reads the links; those signed with one of ``older_secrets`` stay good."""

    def __init__(self, secret: bytes, base_url: str, older_secrets: tuple[bytes, ...] = ()) -> None:
        self._secrets = (secret, *older_secrets)
        self._base_url = base_url.rstrip("/")
        if any(len(one) < MIN_SECRET_BYTES for one in self._secrets):
            raise BadOptionError(f"a secret for links has at least {MIN_SECRET_BYTES} bytes")

    def presign_put(
        self,
        key: str,
        content_type: str,
        size: int | None,
        expires_s: int,
        now_s: float,
        max_size: int | None = None,
    ) -> SignedRequest:
        """A PUT of exactly ``size`` bytes of exactly this type; without one, of up to
        ``max_size``."""
        most = max_size if size is None else None
        grant = Grant(key, "PUT", int(now_s) + expires_s, size, content_type, None, most)
        return SignedRequest("PUT", self._url(grant), put_headers(content_type, size))

    def presign_get(
        self,
        key: str,
        expires_s: int,
        now_s: float,
        file_name: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """A link to download."""
        expires_at_s = int(now_s) + expires_s
        return self._url(Grant(key, "GET", expires_at_s, None, content_type, file_name))

    def verify(self, method: str, path_and_query: str, now_s: float) -> Grant:
        """What the link of a request grants; whatever stands before ``/blobs/`` does not matter.

        ``path_and_query`` is as it came, nothing of it decoded: a link has one spelling.

        Raises SignatureInvalidError for a link that is not ours, was changed, or is for another
        method; SignatureExpiredError from the second on at which it expires.
        """
        token = TOKEN.fullmatch(path_and_query.rpartition(ROUTE)[2])
        if token is None or not self._is_ours(token[1], token[2]):
            raise SignatureInvalidError
        grant = Grant(**json.loads(urlsafe_b64decode(_padded(token[1]))))
        if method not in METHODS_BY_GRANTED[grant.method]:
            raise SignatureInvalidError
        if now_s >= grant.expires_at_s:
            raise SignatureExpiredError
        return grant

    def _url(self, grant: Grant) -> str:
        check_key(grant.key)
        content = _unpadded(grant.as_json().encode())
        return f"{self._base_url}{ROUTE}{content}.{_signature(self._secrets[0], content)}"

    def _is_ours(self, content: str, signature: str) -> bool:
        # As text: two spellings of the same base64 must not both be good.
        return any(
            hmac.compare_digest(_signature(secret, content), signature) for secret in self._secrets
        )


def put_headers(content_type: str, size: int | None) -> dict[str, str]:
    """That a PUT has to have."""
    length = {} if size is None else {"Content-Length": str(size)}
    return {"Content-Type": content_type, **length}


def attachment(file_name: str) -> str:
    """The Content-Disposition that saves under a name of any letters (RFC 6266, RFC 8187).

    >>> print(attachment("Zoë.mp4"))
    attachment; filename="Zo_.mp4"; filename*=UTF-8''Zo%C3%AB.mp4
    """
    name = UNSAFE_IN_NAME.sub("_", file_name)
    plain = re.sub(r"[^ -~]", "_", name)
    coded = quote(name, safe="", errors="replace")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"


def _plain_type(content_type: str | None) -> str:
    return (content_type or "").strip().lower()


def _signature(secret: bytes, content: str) -> str:
    return _unpadded(hmac.digest(secret, PURPOSE + content.encode(), sha256))


def _unpadded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _padded(text: str) -> str:
    return text + "=" * (-len(text) % 4)
