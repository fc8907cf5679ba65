"""Tokens that stand for a key for a while: JSON Web Tokens, HS256 (RFC 7519, RFC 7515).

A token is signed with the key it stands for, so it ends when the key does, and needs no row. Who
has the key can sign such a token as well; it opens no more than the key itself.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import jwt

from ..errors import KeyExpiredError, KeyUnknownError, NotFoundError, WrongClientIdError
from .clients import Client, Desk, find_client, read_key

ALGORITHM = "HS256"
HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"  # {"alg":"HS256","typ":"JWT"}; no other is read
MAX_LENGTH = 1024
FORM = re.compile(rf"{HEADER}\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)")
KEY_ID = re.compile("[0-9a-f]{24}")
REQUIRED = ("exp", "kid", "sub")


def issue_token(desk: Desk, client_id: str, key: str, life_s: int) -> str:
    """Raises KeyRefusedError; WrongClientIdError where the key is another client's."""
    client = find_client(desk, key)
    if client.id != client_id:
        raise WrongClientIdError
    now_s = desk.now_ms() // 1000
    claims = {"sub": client.id, "kid": client.key_id, "iat": now_s, "exp": now_s + life_s}
    return jwt.encode(claims, key, ALGORITHM)


def is_token(text: str) -> bool:
    """Whether it is of a token's form; keys are not."""
    return text.count(".") == 2


def find_client_by_token(desk: Desk, token: str) -> Client:
    """Raises KeyUnknownError, KeyExpiredError, KeyRevokedError, ClientRevokedError."""
    form = FORM.fullmatch(token) if len(token) <= MAX_LENGTH else None
    if form is None or not _is_plain(form[1]):
        raise KeyUnknownError
    key_id = _claims_of(token).get("kid")
    if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
        raise KeyUnknownError
    try:
        key = read_key(desk, key_id)
    except NotFoundError:
        raise KeyUnknownError from None
    claims = _claims_of(token, key)
    expires_s = claims.get("exp")
    if type(expires_s) is not int:  # neither a flag, nor text, nor a number that never comes
        raise KeyUnknownError
    if expires_s <= desk.now_ms() // 1000:
        raise KeyExpiredError
    client = find_client(desk, key)
    if client.id != claims["sub"]:
        raise KeyUnknownError
    return client


def _claims_of(token: str, key: str | None = None) -> Mapping[str, Any]:
    """Those that ``key`` has signed; without one, what anybody may have written.

    The times in it are for the caller, who knows what time it is. Raises KeyUnknownError.
    """
    options: Any = {
        "verify_signature": key is not None,
        "require": list(REQUIRED),
        **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_aud"), False),
    }
    try:
        return jwt.decode(token, key or "", algorithms=[ALGORITHM], options=options)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise KeyUnknownError from None


def _is_plain(signature: str) -> bool:
    """Whether it is written in the one way that we write it: the last letter of base64 has bits
    that decode to nothing."""
    try:
        data = urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except ValueError:
        return False
    return urlsafe_b64encode(data).rstrip(b"=").decode() == signature
