"""What clients are told by webhook: the bytes, the signatures, and who is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from facades.youcam.customers import (
    FACES,
    PHOTO,
    Customer,
    fail,
    find_faces,
    job_of,
    succeed,
)
from lendface.facades.youcam.webhooks import YouCamForm, message_id_of, write_body
from lendface.net.signatures import sign_standard, standard_headers
from lendface.service.deliveries import attempt
from lendface.service.endpoints import MAX_ENDPOINTS
from lendface.service.office import Letter, Office
from lendface.service.states import CANCELLED
from lendface.storage.tables import deliveries
from service.offices import BEGAN_MS, Clock, end_job

URL = "http://127.0.0.1:9/told"
BEGAN_S = BEGAN_MS // 1000

# The reference's own vectors.
SECRET = "whsec_c2VsZi1ob3N0ZWQtZmFjZXN3YXAtdGVzdC1rZXktMDE="
TASK = "AbCdEf0123456789-_AbCdEf0123456789-_AbCdEf0123456789-_AbCdEf0123"
MESSAGE = f"msg_{TASK}:1790000000"
BODY = (
    b'{"created_at":1790000000,"data":{"task_id":"AbCdEf0123456789-_AbCdEf0123456789-_'
    b'AbCdEf0123456789-_AbCdEf0123","task_status":"success"}}'
)
OF_SUCCESS = "v1,eQQz8KAiQPRNTROuw1zoQVjWXbKJym2XWjJsZU0imeM="
OF_RETRY = "v1,I7V+enKjH9eAwhf5UhqM2VvABjv3yJdEGU+Ny36SzeI="
OF_ERROR = "v1,KXlQ8QK9Qryi+KEVBx1rKPpqTzergrvuFTmQjgDU4uQ="
BY_TEXT_AS_KEY = "v1,1c3seduVXhkRySFXZoLUZ4DsooowiXJwJ522HyAvKKA="
OF_SPACED_BODY = "v1,Aiy2fWvZODfo/HQJ4FPP5sLfiH/VkEPCnt54bwkghDE="


def add_endpoint(me: Customer, url: str = URL, api: str = "youcam") -> dict[str, Any]:
    made = me.http.post("/v1/webhooks/endpoints", json={"url": url, "api": api})
    return made.raise_for_status().json()


def letters(office: Office) -> list[tuple[dict[str, Any], Letter]]:
    """What would be sent now: rows and requests."""
    with office.database.reading() as connection:
        rows = connection.execute(deliveries.select().order_by(deliveries.c.id)).mappings().all()
    return [(dict(row), YouCamForm().seal(office, row)) for row in rows]


# The bytes


def test_the_body_is_the_references_byte_by_byte() -> None:
    assert write_body(1790000000, TASK, "success").encode() == BODY
    assert len(BODY) == 135


@pytest.mark.parametrize(
    ("timestamp_s", "body", "signature"),
    [
        (1790000007, BODY, OF_SUCCESS),
        (1790000012, BODY, OF_RETRY),
        (1790000007, BODY.replace(b'"success"', b'"error"'), OF_ERROR),
    ],
    ids=["success", "retry", "error"],
)
def test_signatures_are_the_references(timestamp_s: int, body: bytes, signature: str) -> None:
    headers = standard_headers([SECRET], MESSAGE, timestamp_s, body)
    assert headers == {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": signature,
    }


def test_the_public_library_signs_alike() -> None:
    when = datetime.fromtimestamp(1790000007, UTC)
    assert Webhook(SECRET).sign(MESSAGE, when, BODY.decode()) == OF_SUCCESS


@pytest.mark.parametrize(
    "signature",
    [BY_TEXT_AS_KEY, OF_SPACED_BODY, OF_RETRY, OF_ERROR, OF_SUCCESS.replace("v1,", "v2,")],
    ids=["text as key", "spaced body", "another time", "another body", "another version"],
)
def test_wrong_signatures_are_not_ours(signature: str) -> None:
    assert signature not in sign_standard(SECRET, MESSAGE, 1790000007, BODY)


def test_a_secret_without_padding_is_the_same() -> None:
    assert sign_standard(SECRET.rstrip("="), MESSAGE, 1790000007, BODY) == OF_SUCCESS


# What becomes of a task


@pytest.fixture
def now(clock: Clock) -> None:
    """The public library compares with the real time."""
    import time

    clock.ms = int(time.time()) * 1000


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("status", ["success", "error"])
def test_the_end_of_a_task_is_told_and_verified_by_the_public_library(
    me: Customer, office: Office, clock: Clock, status: str
) -> None:
    secret = add_endpoint(me)["secret"]
    task_id = me.begin_video()
    if status == "success":
        succeed(office, task_id)
    else:
        fail(office, task_id, "no_face_in_target")
    ((row, letter),) = letters(office)
    created_s = clock.ms // 1000
    assert json.loads(letter.body) == {
        "created_at": created_s,
        "data": {"task_id": task_id, "task_status": status},
    }
    assert letter.headers["webhook-id"] == f"msg_{task_id}:{created_s}"
    assert letter.headers["content-type"] == "application/json"
    assert row["url"] == URL
    assert Webhook(secret).verify(letter.body, dict(letter.headers)) == json.loads(letter.body)
    spaced = json.dumps(json.loads(letter.body)).encode()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(spaced, dict(letter.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(add_endpoint(me)["secret"]).verify(letter.body, dict(letter.headers))


def test_a_later_attempt_has_the_same_id_and_body_and_its_own_time(
    me: Customer, office: Office, clock: Clock
) -> None:
    add_endpoint(me)
    succeed(office, me.begin_video())
    ((_, first),) = letters(office)
    clock.pass_s(300)
    ((_, second),) = letters(office)
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    times = (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"])
    assert times == (str(BEGAN_S), str(BEGAN_S + 300))
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


def test_each_endpoint_is_told_once_with_its_own_signature(me: Customer, office: Office) -> None:
    urls = [f"http://127.0.0.1:9/{number}" for number in range(MAX_ENDPOINTS)]
    for url in urls:
        add_endpoint(me, url)
    succeed(office, me.begin_video())
    told = letters(office)
    assert sorted(row["url"] for row, _ in told) == sorted(urls)
    assert len({letter.headers["webhook-id"] for _, letter in told}) == 1
    assert len({letter.headers["webhook-signature"] for _, letter in told}) == MAX_ENDPOINTS
    for row, _ in told:
        assert len(row["id"]) <= 100
        assert message_id_of(row["id"]) == told[0][1].headers["webhook-id"]


def test_an_account_has_ten_endpoints_at_most(me: Customer) -> None:
    for _ in range(MAX_ENDPOINTS):
        add_endpoint(me)
    answer = me.http.post("/v1/webhooks/endpoints", json={"url": URL, "api": "youcam"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_endpoints")
    assert add_endpoint(me, api="native")["api"] == "native"


def test_only_endpoints_of_this_api_are_told_of_its_tasks(
    me: Customer, other: Customer, office: Office
) -> None:
    add_endpoint(me, api="native")
    add_endpoint(other)
    succeed(office, me.begin_video())
    assert letters(office) == []


def test_an_endpoint_that_was_deleted_is_told_nothing(me: Customer, office: Office) -> None:
    endpoint = add_endpoint(me)["id"]
    me.http.delete(f"/v1/webhooks/endpoints/{endpoint}").raise_for_status()
    succeed(office, me.begin_video())
    assert letters(office) == []


def test_of_faces_it_is_told_what_a_poll_tells(me: Customer, office: Office) -> None:
    """A look at a picture that finds nobody is an error."""
    add_endpoint(me)
    task_id = me.begin(FACES, {"src_file_id": me.upload(PHOTO, "image/jpeg")})
    find_faces(office, task_id)
    ((_, letter),) = letters(office)
    told = json.loads(letter.body)["data"]["task_status"]
    assert told == me.status(task_id, FACES)["task_status"] == "error"


def test_a_task_that_was_cancelled_is_told_as_an_error(me: Customer, office: Office) -> None:
    add_endpoint(me)
    end_job(office, job_of(office, me.begin_video())["id"], CANCELLED)
    ((_, letter),) = letters(office)
    assert json.loads(letter.body)["data"]["task_status"] == "error"


def test_nothing_is_told_before_the_end(me: Customer, office: Office) -> None:
    add_endpoint(me)
    me.begin_video()
    assert letters(office) == []


def test_an_endpoint_can_be_tried(me: Customer, office: Office) -> None:
    endpoint = add_endpoint(me)
    answer = me.http.post(f"/v1/webhooks/endpoints/{endpoint['id']}/test")
    assert answer.status_code == 202
    ((row, letter),) = letters(office)
    assert row["id"] == letter.headers["webhook-id"] == answer.json()["delivery_id"]
    assert json.loads(letter.body) == {
        "created_at": BEGAN_S,
        "data": {"task_id": endpoint["id"], "task_status": "success"},
    }


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_is_an_acknowledgement(
    me: Customer, office: Office, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    assert send(me, office, monkeypatch, status)["state"] == "delivered"


@pytest.mark.parametrize(("status", "state"), [(301, "waiting"), (500, "waiting"), (410, "failed")])
def test_other_answers_are_tried_again_and_410_ends_it(
    me: Customer, office: Office, monkeypatch: pytest.MonkeyPatch, status: int, state: str
) -> None:
    assert send(me, office, monkeypatch, status)["state"] == state
    (endpoint,) = me.http.get("/v1/webhooks/endpoints").json()["items"]
    assert endpoint["state"] == ("disabled" if status == 410 else "enabled")


def send(
    me: Customer, office: Office, monkeypatch: pytest.MonkeyPatch, status: int
) -> dict[str, Any]:
    """The delivery after one attempt that was answered so."""
    from lendface.net.fetch import PostResult

    monkeypatch.setattr(
        "lendface.service.deliveries.post", lambda *_: PostResult(status, seconds=0)
    )
    add_endpoint(me)
    succeed(office, me.begin_video())
    ((row, _),) = letters(office)
    attempt(office, row["id"], 1, 1)
    ((row, _),) = letters(office)
    return row
