"""Akool's webhook envelope: AES-CBC over the message, SHA-1 over the envelope's public parts.

Both are Akool's choice and kept as they are so that its receivers work unchanged. The signature
is no HMAC: whoever knows the client id can make one, so the client id has to stay private.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from ..errors import BadOptionError

IV_BYTES = 16
KEY_BYTES = (16, 24, 32)


def akool_encrypt(client_id: str, client_secret: str, plaintext: bytes) -> str:
    """``dataEncrypt``: AES-CBC with PKCS#7 padding, in base64.

    The key is the secret's UTF-8 bytes, the IV the first 16 of the client id's, filled up with
    zeros. (Akool's page speaks of 24-byte blocks; its own samples have AES's 16.) Raises
    BadOptionError when the secret is no key.
    """
    key = client_secret.encode()
    if len(key) not in KEY_BYTES:
        raise BadOptionError("a clientSecret must have 16, 24 or 32 bytes")
    iv = client_id.encode()[:IV_BYTES].ljust(IV_BYTES, b"\0")
    padder = PKCS7(IV_BYTES * 8).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")


def akool_signature(client_id: str, timestamp_ms: int, nonce: str, data_encrypt: str) -> str:
    """40 hex digits: SHA-1 of the four strings, sorted by their bytes and joined."""
    parts = sorted(part.encode() for part in (client_id, str(timestamp_ms), nonce, data_encrypt))
    return hashlib.sha1(b"".join(parts)).hexdigest()


def akool_envelope(
    client_id: str, client_secret: str, plaintext: bytes, timestamp_ms: int, nonce: str
) -> dict[str, str | int]:
    """The body of the webhook, ready for JSON; ``timestamp`` is a number there."""
    data_encrypt = akool_encrypt(client_id, client_secret, plaintext)
    return {
        "signature": akool_signature(client_id, timestamp_ms, nonce, data_encrypt),
        "dataEncrypt": data_encrypt,
        "timestamp": timestamp_ms,
        "nonce": nonce,
    }
