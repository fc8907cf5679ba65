"""Signatures of webhooks by Standard Webhooks (https://www.standardwebhooks.com), version 1.

What is signed is ``{webhook-id}.{webhook-timestamp}.{body}``, byte by byte as it is sent.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Sequence

from ..errors import BadOptionError

PREFIX = "whsec_"
SECRET_BYTES = 32  # the standard asks for 24 to 64


def new_standard_secret(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """A fresh secret as receivers' libraries take it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(random_bytes(SECRET_BYTES)).decode("ascii")


def read_standard_secret(secret: str) -> bytes:
    """The key in a secret; missing padding is added. Raises BadOptionError, secret unrepeated.

    >>> read_standard_secret("whsec_a2V5MQ")
    b'key1'
    """
    encoded = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):  # ValueError: not ASCII
        key = b""
    if encoded == secret or not key:
        raise BadOptionError(f"a webhook secret must be {PREFIX} followed by base64")
    return key


def sign_standard(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """One signature: ``v1,`` and the base64 of HMAC-SHA256."""
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.digest(read_standard_secret(secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode("ascii")


def standard_headers(
    secrets: Sequence[str], message_id: str, timestamp_s: int, body: bytes
) -> dict[str, str]:
    """The headers of one attempt; each attempt has its own time, all have the same id.

    With several secrets a receiver that knows any one of them accepts: so one is replaced by
    another without a gap.
    """
    if not secrets:
        raise BadOptionError("a webhook needs at least one secret to be signed with")
    signatures = [sign_standard(secret, message_id, timestamp_s, body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signatures),
    }
