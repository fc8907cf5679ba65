"""Secrets at rest: sealed under the server's secret, opened again for the same purpose only.

AES-256-GCM (NIST SP 800-38D) with a key from HKDF-SHA256 (RFC 5869) and a random nonce. A sealed
text is ``v1.`` and base64url of nonce (12 bytes), ciphertext and tag (16 bytes). One key may seal
about 2^32 texts; a server never gets near it.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import BadOptionError, SealBrokenError

VERSION = "v1"
NONCE_BYTES, TAG_BYTES = 12, 16
SECRET_BYTES = 32  # at least; HKDF makes no weak secret strong


class Sealer:
    """Seals with ``secret``; opens what was sealed with it or with one of the ``older``."""

    def __init__(self, secret: bytes, older: tuple[bytes, ...] = ()) -> None:
        self._secrets = (secret, *older)
        self._ciphers = tuple(_cipher(each) for each in self._secrets)

    def seal(self, text: str, purpose: str) -> str:
        """``purpose`` says what the text is and whose, such as ``key:0a1b``; it is not secret."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, text.encode(), purpose.encode())
        return f"{VERSION}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def unseal(self, sealed: str, purpose: str) -> str:
        """The text. Raises SealBrokenError, whatever the reason."""
        data = _decoded(sealed)
        for cipher in self._ciphers:
            try:
                text = cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], purpose.encode())
            except InvalidTag:
                continue
            return text.decode()
        raise SealBrokenError

    def file_ciphers(self, salt: bytes) -> Iterator[AESGCM]:
        """For one file, which has a ``salt`` of its own: the current secret's, then each older."""
        for secret in self._secrets:
            yield AESGCM(_derived(secret, salt, b"lendface file v1"))


def _cipher(secret: bytes) -> AESGCM:
    if len(secret) < SECRET_BYTES:
        raise BadOptionError(f"the server's secret must have at least {SECRET_BYTES} bytes")
    return AESGCM(_derived(secret, None, b"lendface sealing v1"))


def _derived(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=salt, info=info).derive(secret)


def _decoded(sealed: str) -> bytes:
    version, _, body = sealed.partition(".")
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except ValueError:
        data = b""
    if version != VERSION or len(data) < NONCE_BYTES + TAG_BYTES:
        raise SealBrokenError
    return data
