"""Who is let in: keys, tokens, rates, and what is told to everybody else."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_der_public_key
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.youcam.conftest import customer
from facades.youcam.customers import V1, V2, VIDEO, Customer, failure_of
from lendface.errors import DatabaseError
from lendface.facades.youcam.terms import PREFIX, Terms
from lendface.service import ledger
from lendface.service.clients import NewClient, revoke_client, revoke_key, rotate_key
from lendface.service.logins import login_secret_of
from lendface.service.office import Office
from service.offices import BASE_URL, Clock, new_client

CREDIT = f"{V1}/client/credit"
OAEP_SHA1 = padding.OAEP(padding.MGF1(SHA1()), SHA1(), None)


@pytest.fixture
def anna(office: Office) -> NewClient:
    return new_client(office, "Anna")


def ask(nobody: TestClient, authorization: str | None, path: str = CREDIT) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return nobody.get(path, headers=headers)


def log_in(nobody: TestClient, client_id: str, id_token: str) -> Any:
    body = {"client_id": client_id, "id_token": id_token}
    return nobody.post(f"{V1}/client/auth", json=body)


def id_token(office: Office, client_id: str) -> str:
    public = load_der_public_key(base64.b64decode(login_secret_of(office, client_id)))
    assert isinstance(public, RSAPublicKey)
    text = f"client_id={client_id}&timestamp={office.now_ms()}".encode()
    return base64.b64encode(public.encrypt(text, padding.PKCS1v15())).decode()


def token_of(nobody: TestClient, office: Office, client_id: str) -> str:
    answer = log_in(nobody, client_id, id_token(office, client_id))
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]["access_token"]


# Keys


def test_a_key_opens_every_address(nobody: TestClient, anna: NewClient) -> None:
    assert ask(nobody, f"Bearer {anna.key}").status_code == 200


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic abc", "Bearer ä"]
)
def test_without_a_key_nothing_is_told(nobody: TestClient, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    answer = nobody.get(CREDIT, headers=headers)
    assert answer.json() == {
        "status": 401,
        "error": "This API key is not recognized.",
        "error_code": "InvalidApiKey",
    }
    assert answer.status_code == 401


def test_a_revoked_key_is_inactive(nobody: TestClient, office: Office, anna: NewClient) -> None:
    renewed = rotate_key(office, anna.client_id, grace_s=3600)
    revoke_key(office, key_id_of(office, anna.key))
    assert failure_of(ask(nobody, f"Bearer {anna.key}")) == (401, "InactiveApiKey")
    assert ask(nobody, f"Bearer {renewed.key}").status_code == 200
    revoke_client(office, anna.client_id)
    assert failure_of(ask(nobody, f"Bearer {renewed.key}")) == (401, "InactiveApiKey")


def key_id_of(office: Office, key: str) -> str:
    from lendface.service.clients import find_client

    return str(find_client(office, key).key_id)


def test_a_replaced_key_has_expired(nobody: TestClient, office: Office, anna: NewClient) -> None:
    rotate_key(office, anna.client_id)
    assert failure_of(ask(nobody, f"Bearer {anna.key}")) == (401, "ExpiredApiKey")


def test_a_key_that_may_only_read_begins_nothing(nobody: TestClient, office: Office) -> None:
    key = new_client(office, "reader", scopes=["read"]).key
    assert ask(nobody, f"Bearer {key}").status_code == 200
    answer = nobody.post(f"{V2}/file", json={}, headers={"Authorization": f"Bearer {key}"})
    assert failure_of(answer) == (401, "InactiveApiKey")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{V2}/file"),
        ("POST", f"{V1}/file/face-swap"),
        ("POST", f"{V2}/task/{VIDEO}"),
        ("GET", f"{V2}/task/{VIDEO}/{'A' * 64}"),
        ("POST", f"{V2}/task/delete"),
        ("GET", f"{V1}/client/credit/history"),
        ("GET", f"{V2}/credit/feature-cost"),
        ("POST", f"{V1}/task/{VIDEO}"),
        ("GET", f"{V1}/client/auth"),
        ("POST", f"{V2}/client/auth"),
        ("GET", f"{PREFIX}/nowhere"),
    ],
)
def test_every_address_but_the_login_wants_a_key(
    nobody: TestClient, method: str, path: str
) -> None:
    assert failure_of(nobody.request(method, path)) == (401, "InvalidApiKey")


# Tokens of old clients


def test_a_login_gives_a_token_that_opens_both_versions(
    nobody: TestClient, office: Office, anna: NewClient
) -> None:
    answer = log_in(nobody, anna.client_id, id_token(office, anna.client_id))
    token = answer.json()["result"]["access_token"]
    assert answer.json() == {"status": 200, "result": {"access_token": token}}
    assert ask(nobody, f"Bearer {token}").status_code == 200
    assert ask(nobody, f"Bearer {token}", f"{V2}/credit/feature-cost").status_code == 200


@pytest.mark.parametrize(("after_s", "is_good"), [(7199, True), (7200, False)])
def test_a_token_lives_for_two_hours(
    nobody: TestClient,
    office: Office,
    anna: NewClient,
    clock: Clock,
    after_s: int,
    is_good: bool,
) -> None:
    token = token_of(nobody, office, anna.client_id)
    clock.pass_s(after_s)
    answer = ask(nobody, f"Bearer {token}")
    if is_good:
        assert answer.status_code == 200
    else:
        assert failure_of(answer) == (401, "InvalidAccessToken")


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: f"a{t}", lambda t: "a.b.c", lambda t: "..", str.swapcase]
)
def test_a_token_that_is_not_ours_is_refused(
    nobody: TestClient, office: Office, anna: NewClient, change: Callable[[str], str]
) -> None:
    token = change(token_of(nobody, office, anna.client_id))
    assert failure_of(ask(nobody, f"Bearer {token}")) == (401, "InvalidAccessToken")


def test_a_token_ends_with_its_client(nobody: TestClient, office: Office, anna: NewClient) -> None:
    token = token_of(nobody, office, anna.client_id)
    revoke_client(office, anna.client_id)
    assert failure_of(ask(nobody, f"Bearer {token}")) == (401, "InvalidAccessToken")
    answer = log_in(nobody, anna.client_id, "AAAA")
    assert failure_of(answer) == (401, "InvalidAuthentication")


def test_who_has_no_valid_key_cannot_log_in(
    nobody: TestClient, office: Office, anna: NewClient
) -> None:
    login = id_token(office, anna.client_id)
    revoke_key(office, key_id_of(office, anna.key))
    answer = log_in(nobody, anna.client_id, login)
    assert failure_of(answer) == (401, "InvalidAuthentication")


@pytest.mark.parametrize("login", ["", "AAAA", "not base64", "ä", "A" * 4096])
def test_a_bad_login_is_refused(
    nobody: TestClient, office: Office, anna: NewClient, login: str
) -> None:
    login_secret_of(office, anna.client_id)
    for client_id in (anna.client_id, "nobody", "\0"):
        answer = log_in(nobody, client_id, login)
        assert failure_of(answer) == (401, "InvalidAuthentication")


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({}, (400, "InvalidParameters")),
        ({"client_id": "a"}, (400, "InvalidParameters")),
        ({"client_id": None, "id_token": "a"}, (400, "InvalidParameters")),
        ([], (400, "BadRequest")),
    ],
)
def test_half_a_login_is_a_wrong_request(
    nobody: TestClient, body: Any, failure: tuple[int, str]
) -> None:
    assert failure_of(nobody.post(f"{V1}/client/auth", json=body)) == failure


# How often


def test_one_key_has_250_requests_in_five_minutes(me: Customer, clock: Clock) -> None:
    for _ in range(250):
        assert me.http.get(CREDIT).status_code == 200
    answer = me.http.get(CREDIT)
    assert answer.json() == {
        "status": 429, "error": "Too many requests", "error_code": "TooManyRequests"
    }  # fmt: skip
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "300"
    clock.pass_s(300)
    assert me.http.get(CREDIT).status_code == 200


class TestWithALowRate:
    @pytest.fixture
    def terms(self) -> Terms:
        return Terms(BASE_URL, max_requests=10)

    def test_an_address_has_no_more_than_a_key_has(
        self, me: Customer, other: Customer, nobody: TestClient
    ) -> None:
        for _ in range(5):
            assert me.http.get(CREDIT).status_code == 200
            assert other.http.get(CREDIT).status_code == 200
        for asked in (me.http, other.http):
            assert failure_of(asked.get(CREDIT)) == (429, "TooManyRequests")
        assert failure_of(nobody.get(CREDIT)) == (429, "TooManyRequests")

    def test_a_key_from_two_addresses_is_one_key(
        self, app: FastAPI, office: Office, anna: NewClient
    ) -> None:
        def ask_from(address: str) -> int:
            headers = {"Authorization": f"Bearer {anna.key}"}
            with TestClient(app, headers=headers, client=(address, 1)) as client:
                return client.get(CREDIT).status_code

        answers = [ask_from(f"10.0.0.{number}") for number in range(11)]
        assert answers == [200] * 10 + [429]

    def test_guessing_is_slowed_down(self, nobody: TestClient) -> None:
        logins = [log_in(nobody, "somebody", "AAAA").status_code for _ in range(5)]
        guesses = [ask(nobody, f"Bearer {number}").status_code for number in range(6)]
        assert (logins, guesses) == ([401] * 5, [401] * 5 + [429])
        assert failure_of(log_in(nobody, "somebody", "AAAA")) == (429, "TooManyRequests")

    def test_a_client_has_the_rate_it_was_given(self, app: FastAPI, office: Office) -> None:
        key = new_client(office, "fast", rate_per_minute=3).key
        with customer(app, key) as me:
            answers = [me.http.get(CREDIT).status_code for _ in range(16)]
        assert answers == [200] * 15 + [429]

    def test_files_are_sent_and_fetched_as_often_as_wanted(self, me: Customer) -> None:
        declared = me.declare()
        assert {me.put(declared).status_code for _ in range(15)} == {200}


# On every answer


def test_every_answer_has_a_number(me: Customer, nobody: TestClient) -> None:
    answers = [
        me.http.get(CREDIT),
        nobody.get(CREDIT),
        me.http.get(f"{PREFIX}/nowhere"),
        me.http.post(f"{V2}/file", content=b"{"),
        me.poll("unknown"),
        me.put(me.declare()),
    ]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)
    for given in ids[:-1]:
        assert re.fullmatch("[0-9]{20,40}", given)


def test_the_id_that_a_proxy_gave_stays(me: Customer) -> None:
    answer = me.http.get(CREDIT, headers={"X-Request-Id": "proxy-0123456789"})
    assert answer.headers["x-request-id"] == "proxy-0123456789"


def test_what_we_did_not_expect_is_told_in_the_envelope(
    app: FastAPI, anna: NewClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*args: Any) -> None:
        raise KeyError("a secret of ours")

    monkeypatch.setattr(ledger, "balance", break_down)
    headers = {"Authorization": f"Bearer {anna.key}"}
    with TestClient(app, headers=headers, raise_server_exceptions=False) as client:
        answer = client.get(CREDIT)
    assert failure_of(answer) == (500, "InternalError")
    assert "secret" not in answer.text


def test_a_database_that_is_away_is_worth_another_try(
    me: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def be_away(*args: Any) -> None:
        raise DatabaseError

    monkeypatch.setattr(ledger, "balance", be_away)
    answer = me.http.get(CREDIT)
    assert failure_of(answer) == (503, "ServiceUnavailable")
    assert answer.headers["retry-after"]


# Versions


@pytest.mark.parametrize(
    "minor", ["9" * 5000, "10", "00", "05", "٣", "²", "-1", "+1", "1 ", "1%0a", ""]
)
def test_a_version_has_one_digit(nobody: TestClient, anna: NewClient, minor: str) -> None:
    for path in (f"/v1.{minor}/client/credit", f"/v2.{minor}/credit/feature-cost"):
        answer = ask(nobody, f"Bearer {anna.key}", f"{PREFIX}{path}")
        assert failure_of(answer) == (404, "NotFound")


def test_a_version_of_many_digits_is_no_login(nobody: TestClient) -> None:
    for minor in ("9" * 5000, "10", "٣", "1%0a"):
        answer = nobody.post(f"{PREFIX}/v1.{minor}/client/auth", json={})
        assert failure_of(answer) == (401, "InvalidApiKey")


@pytest.mark.parametrize("how", [padding.PKCS1v15(), OAEP_SHA1], ids=["PKCS1", "OAEP"])
def test_a_login_may_name_the_api_key_as_its_client_id(
    nobody: TestClient, office: Office, anna: NewClient, how: Any
) -> None:
    """The vendor's clients know of no other id than their key."""
    public = load_der_public_key(base64.b64decode(login_secret_of(office, anna.client_id)))
    assert isinstance(public, RSAPublicKey)
    text = f"client_id={anna.key}&timestamp={office.now_ms()}"
    token = base64.b64encode(public.encrypt(text.encode(), how)).decode()
    answer = log_in(nobody, anna.key, token)
    assert answer.status_code == 200, answer.json()
    opened = ask(nobody, f"Bearer {answer.json()['result']['access_token']}")
    assert opened.status_code == 200
    again = log_in(nobody, anna.key, token)
    assert failure_of(again) == (401, "InvalidAuthentication")  # good once, as by the id
    by_id = log_in(nobody, anna.client_id, id_token(office, anna.client_id))
    assert by_id.status_code == 200


def test_a_key_without_the_secret_and_a_key_of_somebody_else_log_nobody_in(
    nobody: TestClient, office: Office, anna: NewClient
) -> None:
    other = new_client(office, "other")
    login_secret_of(office, other.client_id)
    assert log_in(nobody, anna.key, "AAAA").status_code == 401
    for name in (anna.key, other.key):
        assert log_in(nobody, name, id_token(office, anna.client_id)).status_code == 401
