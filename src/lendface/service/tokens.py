"""Tokens that stand for a key for a while: JSON Web Tokens, HS256 (RFC 7519, RFC 7515).

A token is signed with the key it stands for, so it ends when the key does, and needs no row.
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from ..errors import KeyExpiredError, KeyUnknownError, NotFoundError
from .clients import Client, Desk, find_client, read_key

HEADER = {"alg": "HS256", "typ": "JWT"}  # no other is ever read
MAX_LENGTH = 1024
KEY_ID = re.compile("[0-9a-f]{24}")


def issue_token(desk: Desk, client_id: str, key: str, life_s: int) -> str:
    """Raises KeyRefusedError, also where the key is another client's."""
    client = find_client(desk, key)
    if client.id != client_id:
        raise KeyUnknownError
    now_s = desk.now_ms() // 1000
    claims = {"sub": client.id, "kid": client.key_id, "iat": now_s, "exp": now_s + life_s}
    signed = f"{_encoded(HEADER)}.{_encoded(claims)}"
    return f"{signed}.{_signature(signed, key)}"


def is_token(text: str) -> bool:
    """Whether it is of a token's form; keys are not."""
    return text.count(".") == 2


def find_client_by_token(desk: Desk, token: str) -> Client:
    """Raises KeyUnknownError, KeyExpiredError, KeyRevokedError, ClientRevokedError."""
    signed, _, signature = token.rpartition(".")
    header, _, claims_part = signed.partition(".")
    claims = _decoded(claims_part) if len(token) <= MAX_LENGTH and token.isascii() else {}
    key_id = claims.get("kid")
    is_ours = header == _encoded(HEADER) and isinstance(key_id, str) and KEY_ID.fullmatch(key_id)
    if not is_ours:
        raise KeyUnknownError
    try:
        key = read_key(desk, str(key_id))
    except NotFoundError:
        raise KeyUnknownError from None
    if not hmac.compare_digest(_signature(signed, key), signature):
        raise KeyUnknownError
    if claims["exp"] <= desk.now_ms() // 1000:
        raise KeyExpiredError
    return find_client(desk, key)


def _signature(signed: str, key: str) -> str:
    return _unpadded(hmac.digest(key.encode(), signed.encode(), "sha256"))


def _encoded(values: Mapping[str, Any]) -> str:
    return _unpadded(json.dumps(values, separators=(",", ":")).encode())


def _decoded(part: str) -> Mapping[str, Any]:
    """Empty where it is not what we wrote."""
    try:
        values = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _unpadded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
