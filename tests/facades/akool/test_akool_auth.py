"""Who is let in, by which header, and what others are told."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from lendface.service.clients import (
    READ,
    NewClient,
    list_clients,
    revoke_client,
    revoke_key,
    rotate_key,
)
from lendface.service.office import Office
from service.offices import Clock, new_client

CREDIT = "/api/open/v3/faceswap/quota/info"
TOKEN = "/api/open/v3/getToken"
YEAR_S = 31_536_000


def ask_token(client: TestClient, made: NewClient, **changes: str) -> Any:
    body = {"clientId": made.client_id, "clientSecret": made.key} | changes
    return client.post(TOKEN, json=body)


def token_of(client: TestClient, made: NewClient) -> str:
    return ask_token(client, made).json()["token"]


def ask(client: TestClient, **headers: str) -> Any:
    response = client.get(CREDIT, headers=headers)
    assert response.status_code == 200
    return response.json()


def test_a_token_is_given_at_both_places_where_clients_read_it(
    nobody: TestClient, made: NewClient
) -> None:
    response = ask_token(nobody, made)
    token = response.json()["token"]
    assert response.status_code == 200
    assert response.json() == {
        "code": 1000,
        "msg": "OK",
        "token": token,
        "data": {"token": token, "expire": YEAR_S},
    }


def test_a_token_is_a_json_web_token(nobody: TestClient, made: NewClient, clock: Clock) -> None:
    header, claims, _ = (read_part(part) for part in token_of(nobody, made).split("."))
    assert header == {"alg": "HS256", "typ": "JWT"}
    assert claims["exp"] - claims["iat"] == YEAR_S
    assert claims["sub"] == made.client_id


def read_part(part: str) -> Any:
    data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    try:
        return json.loads(data)
    except ValueError:
        return data


def test_every_way_of_asking_opens_the_door(nobody: TestClient, made: NewClient) -> None:
    token = token_of(nobody, made)
    for headers in (
        {"x-api-key": made.key},
        {"X-API-KEY": f" {made.key} "},
        {"Authorization": f"Bearer {token}"},
        {"authorization": f"bearer {token}"},
        {"Authorization": f"Bearer {made.key}"},
        {"Authorization": made.key},
        {"Authorization": "Bearer ", "x-api-key": made.key},
    ):
        assert ask(nobody, **headers)["code"] == 1000, headers


def test_authorization_wins_even_when_it_is_bad(nobody: TestClient, made: NewClient) -> None:
    assert ask(nobody, Authorization="Bearer nonsense", **{"x-api-key": made.key})["code"] == 1101
    good = {"Authorization": f"Bearer {made.key}", "x-api-key": "nonsense"}
    assert ask(nobody, **good)["code"] == 1000


def test_without_a_credential_the_code_is_1102(nobody: TestClient) -> None:
    body = ask(nobody)
    assert (body["code"], set(body)) == (1102, {"code", "msg"})


@pytest.mark.parametrize("credential", ["nonsense", "a.b.c", "..", "a.b.c.d", "é"])
def test_a_bad_credential_is_1101(nobody: TestClient, credential: str) -> None:
    headers = {"Authorization": f"Bearer {credential}".encode()}
    assert nobody.get(CREDIT, headers=headers).json()["code"] == 1101  # type: ignore[arg-type]


def test_a_token_ends_after_its_year(nobody: TestClient, made: NewClient, clock: Clock) -> None:
    token = token_of(nobody, made)
    clock.pass_s(YEAR_S - 1)
    assert ask(nobody, Authorization=f"Bearer {token}")["code"] == 1000
    clock.pass_s(1)
    assert ask(nobody, Authorization=f"Bearer {token}")["code"] == 1101


def test_a_token_ends_with_its_key(nobody: TestClient, made: NewClient, office: Office) -> None:
    token = token_of(nobody, made)
    [facts] = list_clients(office)[0].keys
    rotate_key(office, made.client_id, grace_s=60)
    assert ask(nobody, Authorization=f"Bearer {token}")["code"] == 1000
    revoke_key(office, facts.id)
    assert ask(nobody, Authorization=f"Bearer {token}")["code"] == 1101


def test_a_banned_account_is_1200(nobody: TestClient, made: NewClient, office: Office) -> None:
    token = token_of(nobody, made)
    revoke_client(office, made.client_id)
    assert ask(nobody, Authorization=f"Bearer {token}")["code"] == 1200
    assert ask(nobody, **{"x-api-key": made.key})["code"] == 1200
    assert ask_token(nobody, made).json()["code"] == 1200


def test_a_token_is_only_for_the_right_pair(
    nobody: TestClient, made: NewClient, office: Office
) -> None:
    other = new_client(office, "other")
    for changes in (
        {"clientSecret": "wrong"},
        {"clientId": "wrong"},
        {"clientId": other.client_id},
    ):
        response = ask_token(nobody, made, **changes)
        assert (response.status_code, response.json()["code"]) == (200, 1101)


@pytest.mark.parametrize("body", [{}, {"clientId": "a"}, {"clientSecret": 7, "clientId": "a"}, []])
def test_a_token_for_nothing_is_a_wrong_parameter(nobody: TestClient, body: Any) -> None:
    response = nobody.post(TOKEN, json=body)
    assert (response.status_code, response.json()["code"]) == (200, 1003)


def test_nobody_makes_a_token_without_the_key(
    nobody: TestClient, made: NewClient, office: Office
) -> None:
    header, claims, _ = token_of(nobody, made).split(".")
    other = new_client(office, "other")
    forged = signed(f"{header}.{claims}", other.key)
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    nul = base64.urlsafe_b64encode(b'{"kid":"\\u0000"}').decode().rstrip("=")
    tokens = (forged, f"{none}.{claims}.", f"{header}.{claims}.", f"{header}..{claims}")
    for token in (*tokens, f"{header}.{nul}.x"):
        assert ask(nobody, Authorization=f"Bearer {token}")["code"] == 1101


def signed(text: str, key: str) -> str:
    digest = hmac.digest(key.encode(), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def test_a_key_without_the_scope_is_told_so(app: FastAPI, office: Office) -> None:
    reader = new_client(office, "reader", scopes=[READ])
    with TestClient(app, headers={"x-api-key": reader.key}) as client:
        assert client.get(CREDIT).json()["code"] == 1000
        response = client.post("/api/open/v3/faceswap/result/delbyids", json={"_ids": "a"})
        assert response.json()["code"] == 1009


def test_asking_too_often_is_1005(app: FastAPI, office: Office, clock: Clock) -> None:
    slow = new_client(office, "slow", rate_per_minute=2)
    with TestClient(app, headers={"x-api-key": slow.key}) as client:
        codes = [client.get(CREDIT).json()["code"] for _ in range(3)]
        assert codes == [1000, 1000, 1005]
        response = client.get(CREDIT)
        assert (response.status_code, response.headers["Retry-After"]) == (200, "60")
        clock.pass_s(60)
        assert client.get(CREDIT).json()["code"] == 1000


def test_detection_is_told_in_its_own_words_too(nobody: TestClient) -> None:
    response = nobody.post("/interface/detect-api/detect_faces", json={})
    assert response.status_code == 401
    body = response.json()
    assert (body["error_code"], body["faces_obj"], body["code"]) == (1, {}, 1102)
    response = nobody.post("/interface/detect-api/faceswap/analyze_frames", json={})
    assert (response.status_code, response.json()["success"]) == (401, False)


def test_addresses_that_clients_only_guessed_are_not_there(me: TestClient) -> None:
    for path in (
        "/api/open/v3/faceswap/video/add",
        "/api/open/v3/faceswap/video/infov2",
        "/api/open/v3/faceswap/highquality/specifyimage/createbyvideo",
        "/api/open/v3/faceswap/result",
    ):
        response = me.post(path, json={})
        assert (response.status_code, response.json()["code"]) == (404, 1014)


def test_a_wrong_method_is_told_in_the_vendors_form(me: TestClient) -> None:
    response = me.get(TOKEN)
    assert (response.status_code, response.json()["code"]) == (405, 1003)


@pytest.mark.parametrize("what", ["create", "update", "close", "info"])
def test_live_face_swap_is_clearly_not_offered(me: TestClient, what: str) -> None:
    response = me.post(f"/api/open/v3/faceswap/live/{what}", json={"sourceImage": []})
    assert response.status_code == 200
    assert response.json() == {
        "code": 1003,
        "msg": "live face swap is not offered by this server",
    }
