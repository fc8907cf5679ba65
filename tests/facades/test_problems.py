"""How errors are told, whatever their kind."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from lendface import errors
from lendface.errors import DatabaseError, LendfaceError, RateLimitedError
from lendface.facades.problems import STATUS_BY_ERROR, headers_of, status_of
from lendface.facades.server import build_app
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from lendface.storage.signing import UrlSigner
from service.offices import Clock, new_client


def every_error() -> Iterator[type[LendfaceError]]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, LendfaceError):
            yield kind


def test_every_error_has_a_status() -> None:
    for kind in every_error():
        assert 400 <= status_of(kind.__new__(kind)) <= 507


def test_the_nearest_class_decides() -> None:
    assert status_of(errors.KeyExpiredError()) == 401
    assert status_of(errors.BlobMissingError()) == 404
    assert status_of(errors.UrlTimeoutError("example.org")) == 422
    assert status_of(LendfaceError()) == 500
    assert set(STATUS_BY_ERROR) <= set(every_error())


def test_a_problem_says_what_is_wrong_in_the_form_of_rfc_9457(me: TestClient) -> None:
    answer = me.get("/v1/jobs/nothing", headers={"X-Request-Id": "a-proxys-own-id"})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == "a-proxys-own-id"
    assert answer.json() == {
        "type": "urn:lendface:error:not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such job",
        "code": "not_found",
        "instance": "urn:lendface:request:a-proxys-own-id",
    }


@pytest.mark.parametrize("given", ["short", "x" * 65, "with space 1", "läng genug"])
def test_a_request_id_that_could_do_harm_is_replaced(nobody: TestClient, given: str) -> None:
    told = nobody.get("/healthz", headers={"X-Request-Id": given.encode()}).headers["x-request-id"]
    assert str(uuid.UUID(told)) == told


def test_each_answer_has_a_request_id_of_its_own(me: TestClient, nobody: TestClient) -> None:
    paths = ("/healthz", "/v1/jobs", "/v1/nothing", "/nothing", "/blobs/x")
    told = [client.get(path).headers["x-request-id"] for client in (me, nobody) for path in paths]
    assert len(set(told)) == len(told)


def test_a_body_is_refused_with_all_that_is_wrong_and_none_of_it_repeated(me: TestClient) -> None:
    answer = me.post("/v1/uploads", json={"url": "secret://user:pass@host/", "size": "secret"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "bad_request")
    assert {"at", "message"} == set(problem["errors"][0])
    assert any(fault["at"].endswith("url") for fault in problem["errors"])
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"a": ' * 100_000, 400),
        (b"[" * 200_000, 400),
        (b'{"url": ' + b"9" * 5000 + b"}", 400),
        (b'"text"', 422),
        (b"[]", 422),
        (b"null", 422),
    ],
)
def test_what_is_no_json_object_is_refused(me: TestClient, body: bytes, status: int) -> None:
    answer = me.post("/v1/uploads", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, "bad_request")


@pytest.mark.parametrize(
    "body",
    [
        rb'{"target":{"upload_id":"a"},"notes":{"a":"\ud800"}}',
        rb'{"target":{"upload_id":"a"},"notes":{"\ud800":1}}',
        b'{"target":{"upload_id":"a"},"notes":{"a":NaN}}',
        b'{"target":{"upload_id":"a"},"notes":{"a":[Infinity]}}',
        b'{"target":{"upload_id":"a"},"start_s":NaN}',
        b'{"target":{"upload_id":"a"},"end_s":1e999}',
        rb'{"target":{"url":"https://example.org/\u0000"}}',
        rb'{"target":{"url":"https://example.org/\ud800"}}',
        rb'{"target":{"upload_id":"a\u0000"}}',
        b'{"target":{"upload_id":"a\\n"}}',
        b'{"target":{"upload_id":"a"},"notes":' + b'{"a":' * 900 + b"1" + b"}" * 901,
    ],
)
def test_values_that_could_not_be_kept_are_refused(me: TestClient, body: bytes) -> None:
    answer = me.post("/v1/scans", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] == "bad_request"


def test_a_body_that_is_not_said_to_be_json_is_refused(me: TestClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": kind}
        assert me.post("/v1/uploads", content=b"{}", headers=headers).status_code == 422


def test_a_wrong_method_says_which_are_right(me: TestClient) -> None:
    answer = me.put("/v1/usage")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"


def test_ids_of_any_form_are_just_not_found(me: TestClient) -> None:
    for job in ("%00", "a%0Ab", "..%2f..%2fetc", "x" * 200, "%F0%9F%8E%AC", "a b"):
        answer = me.get(f"/v1/jobs/{job}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_mistake_of_ours_tells_nothing_and_is_logged(
    me: TestClient,
    office: Office,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("/home/secret")

    monkeypatch.setattr("lendface.service.ledger.balance", stumble)
    answer = me.get("/v1/usage", headers={"X-Request-Id": "a-request-to-find"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert record.exc_info is not None
    assert vars(record)["request_id"] == "a-request-to-find"


def test_a_database_that_is_away_is_worth_another_try(
    me: TestClient, nobody: TestClient, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(type(office.database), "reading", away)
    for answer in (me.get("/v1/jobs"), me.post("/v1/scans", json={})):
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    ready = nobody.get("/readyz")
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "unavailable", "database": "database_unavailable", "files": "ok",
    }  # fmt: skip
    assert nobody.get("/healthz").status_code == 200


def test_the_disk_is_not_asked_as_often_as_strangers_ask(
    nobody: TestClient, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(type(office.blobs), "check", lambda _: asked.append(1))
    for _ in range(20):
        assert nobody.get("/readyz").status_code == 200
    assert len(asked) <= 2


def test_requests_are_logged_by_route_and_never_with_an_address(
    me: TestClient, nobody: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lendface.http")
    me.get("/v1/jobs/abcdef")
    nobody.get("/blobs/a-secret-token")
    records = [vars(record) for record in caplog.records if record.name == "lendface.http"]
    facts = [(r["method"], r["route"], r["status"], r["client_id"] is None) for r in records]
    assert facts == [
        ("GET", "/v1/jobs/{job_id}", 404, False),
        ("GET", "/blobs/{token}", 403, True),
    ]
    assert all(record["ms"] >= 0 for record in records)
    assert not any("abcdef" in r["message"] or "secret" in r["message"] for r in records)


def test_too_many_requests_are_told_when_to_come_again(office: Office, clock: Clock) -> None:
    key = new_client(office, rate_per_minute=3).key
    app = build_app(office, limiter=RateLimiter(clock))
    with TestClient(app, headers={"X-Api-Key": key}) as client:
        assert [client.get("/v1/usage").status_code for _ in range(4)] == [200, 200, 200, 429]
        clock.pass_s(20)
        refused = client.get("/v1/usage")
        assert refused.json()["code"] == "rate_limited"
        assert refused.headers["retry-after"] == "40"
        clock.pass_s(40)
        assert client.get("/v1/usage").status_code == 200


def test_the_wait_is_never_told_as_none(office: Office) -> None:
    assert headers_of(RateLimitedError(1, 60, 0.01)) == {"Retry-After": "1"}


@pytest.fixture
def page(office: Office) -> Iterator[TestClient]:
    """A page of another origin that may call."""
    assert isinstance(office.links, UrlSigner)
    app: FastAPI = build_app(
        office, signer=office.links, cors_origins=["https://studio.example.org"]
    )
    with TestClient(app, headers={"Origin": "https://studio.example.org"}) as client:
        yield client


def test_a_page_of_a_known_origin_may_call(page: TestClient) -> None:
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-range,content-type",
    }
    for path in ("/v1/jobs", "/blobs/x"):
        before = page.options(path, headers=asked)
        assert before.status_code == 200
        assert before.headers["access-control-allow-origin"] == "https://studio.example.org"
        refused = page.get(path)  # an error can be read as well
        assert refused.status_code in (401, 403)
        assert refused.headers["access-control-allow-origin"] == "https://studio.example.org"
        assert "Upload-Offset" in refused.headers["access-control-expose-headers"]


def test_other_origins_may_not(page: TestClient) -> None:
    answer = page.get("/v1/jobs", headers={"Origin": "https://elsewhere.example.org"})
    assert "access-control-allow-origin" not in answer.headers


def test_the_page_of_the_documentation_needs_nothing_from_elsewhere(me: TestClient) -> None:
    page = me.get("/v1/docs").text
    assert "<script" not in page
    assert "http" not in page.replace("https?:", "")
    for word in ("/v1/swaps", "Idempotency-Key", "NewSwap", "402"):
        assert word in page


def test_the_document_is_openapi_3_1_with_both_ways_to_send_a_key(me: TestClient) -> None:
    document = me.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/v1"}]
    assert document["security"] == [{"bearer": []}, {"header": []}]
    refused = document["paths"]["/swaps"]["post"]["responses"]["402"]
    assert list(refused["content"]) == ["application/problem+json"]


def test_the_page_of_the_api_names_every_code_of_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    kinds = {  # of several errors, which are named one by one
        errors.MediaError,
        errors.FaceError,
        errors.FetchError,
        errors.KeyRefusedError,
        errors.LinkRefusedError,
        errors.ConsentError,
    }
    codes = {kind.code for kind in set(STATUS_BY_ERROR) - kinds}
    assert [code for code in sorted(codes) if f"`{code}`" not in page] == []
