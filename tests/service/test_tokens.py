"""Tokens that stand for a key: what is taken for one, and what never is."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest

from desks import DeskOfTests
from lendface.errors import (
    ClientRevokedError,
    KeyExpiredError,
    KeyRefusedError,
    KeyRevokedError,
    KeyUnknownError,
)
from lendface.service.clients import (
    NewClient,
    create_client,
    find_client,
    revoke_client,
    revoke_key,
    rotate_key,
)
from lendface.service.tokens import find_client_by_token, issue_token
from lendface.storage.database import Database

OURS = {"alg": "HS256", "typ": "JWT"}
LEFT_OUT = object()


@pytest.fixture
def desk(database: Database) -> DeskOfTests:
    return DeskOfTests(database)


@pytest.fixture
def anna(desk: DeskOfTests) -> NewClient:
    return create_client(desk, "Anna")


def unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def written(values: Any) -> str:
    return unpadded(json.dumps(values, separators=(",", ":")).encode())


def signed(header: str, claims: str, key: str) -> str:
    """As whoever has the key can sign it."""
    text = f"{header}.{claims}"
    return f"{text}.{unpadded(hmac.digest(key.encode(), text.encode(), 'sha256'))}"


def claims_of(desk: DeskOfTests, made: NewClient, **changes: Any) -> dict[str, Any]:
    now_s = desk.now_ms() // 1000
    claims = {"sub": made.client_id, "kid": find_client(desk, made.key).key_id}
    claims |= {"iat": now_s, "exp": now_s + 60}
    return {name: v for name, v in (claims | changes).items() if v is not LEFT_OUT}


def test_a_token_has_the_bytes_it_always_had(desk: DeskOfTests, anna: NewClient) -> None:
    expected = signed(written(OURS), written(claims_of(desk, anna)), anna.key)
    assert issue_token(desk, anna.client_id, anna.key, 60) == expected
    assert find_client_by_token(desk, expected).id == anna.client_id


def test_a_token_ends_at_its_second(desk: DeskOfTests, anna: NewClient) -> None:
    token = issue_token(desk, anna.client_id, anna.key, 60)
    desk.clock.pass_s(59)
    assert find_client_by_token(desk, token).id == anna.client_id
    desk.clock.pass_s(1)
    with pytest.raises(KeyExpiredError):
        find_client_by_token(desk, token)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": LEFT_OUT}, {"sub": LEFT_OUT}, {"kid": LEFT_OUT},
        {"exp": None}, {"exp": "4000000000"}, {"exp": 4e9}, {"exp": float("nan")},
        {"exp": float("inf")}, {"exp": True}, {"exp": [4_000_000_000]}, {"exp": {"a": 1}},
        {"exp": "soon"}, {"kid": 7}, {"kid": ["a"]}, {"kid": "0" * 24}, {"kid": "../x"},
        {"kid": ""}, {"kid": "é" * 24}, {"kid": None}, {"sub": 5}, {"sub": None},
        {"sub": ["anna"]}, {"sub": "somebody"},
    ],
    ids=lambda changes: str(changes).replace(str(LEFT_OUT), "left out"),  # the same in each process
)  # fmt: skip
def test_a_token_signed_by_the_keys_owner_has_to_be_whole(
    desk: DeskOfTests, anna: NewClient, changes: dict[str, Any]
) -> None:
    token = signed(written(OURS), written(claims_of(desk, anna, **changes)), anna.key)
    with pytest.raises(KeyUnknownError):
        find_client_by_token(desk, token)


def test_a_large_end_is_still_an_end(desk: DeskOfTests, anna: NewClient) -> None:
    for exp, error in ((-1, KeyExpiredError), (-(10**300), KeyExpiredError)):
        token = signed(written(OURS), written(claims_of(desk, anna, exp=exp)), anna.key)
        with pytest.raises(error):
            find_client_by_token(desk, token)
    token = signed(written(OURS), written(claims_of(desk, anna, exp=10**300)), anna.key)
    assert find_client_by_token(desk, token).id == anna.client_id


def test_the_name_of_another_client_opens_nothing(desk: DeskOfTests, anna: NewClient) -> None:
    otto = create_client(desk, "Otto")
    for changes in (
        {"sub": otto.client_id},
        {"kid": find_client(desk, otto.key).key_id},
        {"sub": otto.client_id, "kid": find_client(desk, otto.key).key_id},
    ):
        token = signed(written(OURS), written(claims_of(desk, anna, **changes)), anna.key)
        with pytest.raises(KeyUnknownError):
            find_client_by_token(desk, token)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"}, {"alg": "none", "typ": "JWT"}, {"alg": "HS384", "typ": "JWT"},
        {"alg": "RS256", "typ": "JWT"}, {"typ": "JWT", "alg": "HS256"}, {"alg": "HS256"},
        {"alg": "hs256", "typ": "JWT"}, {"alg": "HS256", "typ": "JWT", "crit": ["a"]},
        {"alg": ["HS256"], "typ": "JWT"}, [], "HS256", None,
    ],
    ids=str,
)  # fmt: skip
def test_only_our_own_header_is_read(desk: DeskOfTests, anna: NewClient, header: Any) -> None:
    token = signed(written(header), written(claims_of(desk, anna)), anna.key)
    with pytest.raises(KeyUnknownError):
        find_client_by_token(desk, token)


@pytest.mark.parametrize(
    "claims",
    [b"", b"{", b"[]", b"null", b'"text"', b"1" * 600, b"[" * 700, b'{"kid":' * 90, b"\xff\xfe"],
    ids=str,
)
def test_what_is_no_object_is_no_token(desk: DeskOfTests, anna: NewClient, claims: bytes) -> None:
    with pytest.raises(KeyUnknownError):
        find_client_by_token(desk, signed(written(OURS), unpadded(claims), anna.key))


def test_a_token_has_one_spelling(desk: DeskOfTests, anna: NewClient) -> None:
    token = issue_token(desk, anna.client_id, anna.key, 60)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = [token[:-1] + letter for letter in letters if letter != token[-1]]
    others += [f"{token}=", f"{token}\n", f" {token}", f"{token}%0a", token.swapcase(), f"{token}."]
    for other in others:
        with pytest.raises(KeyRefusedError):
            find_client_by_token(desk, other)


def test_a_token_ends_with_its_key_and_its_client(desk: DeskOfTests, anna: NewClient) -> None:
    token = issue_token(desk, anna.client_id, anna.key, 60)
    renewed = rotate_key(desk, anna.client_id, grace_s=30)
    assert find_client_by_token(desk, token).id == anna.client_id
    desk.clock.pass_s(30)
    with pytest.raises(KeyExpiredError):
        find_client_by_token(desk, token)
    second = issue_token(desk, anna.client_id, renewed.key, 60)
    third = issue_token(desk, anna.client_id, rotate_key(desk, anna.client_id, 60).key, 60)
    revoke_key(desk, str(find_client(desk, renewed.key).key_id))
    with pytest.raises(KeyRevokedError):
        find_client_by_token(desk, second)
    assert find_client_by_token(desk, third).id == anna.client_id
    revoke_client(desk, anna.client_id)
    with pytest.raises(ClientRevokedError):
        find_client_by_token(desk, third)
