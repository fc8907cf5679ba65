from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from facades.belongings import (
    finish_scan,
    finish_swap,
    gather,
    send_upload,
    submit_scan,
    submit_swap,
)
from lendface.errors import NotFoundError
from lendface.facades.native.webhooks import NativeForm
from lendface.service import ledger
from lendface.service.clients import find_client
from lendface.service.deliveries import attempt, list_deliveries
from lendface.service.endpoints import MAX_ENDPOINTS
from lendface.service.office import Letter, Office
from lendface.service.states import CANCELLED, FAILED
from net.loopback import reply, serving
from service.offices import RecordingQueue, end_job, start_job

URL = "http://127.0.0.1:9/told"


@pytest.fixture
def film(me: TestClient) -> str:
    return send_upload(me)


def add_endpoint(me: TestClient, url: str = URL) -> dict[str, Any]:
    return me.post("/v1/webhooks/endpoints", json={"url": url}).raise_for_status().json()


def told(me: TestClient) -> list[dict[str, Any]]:
    return me.get("/v1/webhooks/deliveries").json()["items"]


def letters(office: Office, me: TestClient) -> list[tuple[dict[str, Any], Letter]]:
    """What would be sent now."""
    names = {item["id"] for item in told(me)}
    client = office_client(office, me)
    rows = [row for row in list_deliveries(office, client) if row["id"] in names]
    return [(dict(row), NativeForm().seal(office, row)) for row in rows]


def office_client(office: Office, me: TestClient) -> str:
    return find_client(office, me.headers["authorization"].removeprefix("Bearer ")).id


def test_a_secret_is_shown_once(me: TestClient) -> None:
    made = add_endpoint(me)
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["state"]) == (URL, "enabled")
    (listed,) = me.get("/v1/webhooks/endpoints").json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert me.get(f"/v1/webhooks/endpoints/{made['id']}").json() == listed


def test_a_client_has_ten_endpoints_at_most(me: TestClient) -> None:
    made = [add_endpoint(me) for _ in range(MAX_ENDPOINTS)]
    answer = me.post("/v1/webhooks/endpoints", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_endpoints")
    me.delete(f"/v1/webhooks/endpoints/{made[0]['id']}").raise_for_status()
    add_endpoint(me)


def test_an_endpoint_inside_is_refused(me: TestClient) -> None:
    answer = me.post("/v1/webhooks/endpoints", json={"url": "http://10.1.2.3/"})
    assert (answer.status_code, answer.json()["code"]) == (422, "url_not_allowed")


def test_all_are_told_of_the_end_of_a_job_and_each_can_check_it(
    me: TestClient, office: Office, film: str
) -> None:
    secret = add_endpoint(me)["secret"]
    job = submit_swap(me, film, webhook_url=URL + "/job", notes={"order": 7})
    finish_swap(office, job)
    by_url = {row["url"]: letter for row, letter in letters(office, me)}
    assert set(by_url) == {URL, URL + "/job"}
    own = me.get("/v1/webhooks/secret").json()["secret"]
    for url, key in ((URL, secret), (URL + "/job", own)):
        letter = by_url[url]
        body = letter.body.decode()
        check_signature(key, body, letter.headers)
        assert letter.headers["content-type"] == "application/json"
        message = json.loads(body)
        assert (message["type"], message["timestamp"]) == ("swap.succeeded", "2026-09-21T14:13:20Z")
        data = message["data"]
        assert (data["id"], data["state"], data["notes"]) == (job, "succeeded", {"order": 7})
        assert data["result"]["url"] == f"/v1/jobs/{job}/result"
        assert data == me.get(f"/v1/swaps/{job}").json()


def check_signature(secret: str, body: str, headers: Mapping[str, str]) -> None:
    """As receivers do, but for the age: the test's clock stands still."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    webhook = Webhook(secret)
    assert webhook.sign(headers["webhook-id"], at, body) == headers["webhook-signature"]


def test_what_became_of_a_job_is_the_type(me: TestClient, office: Office, film: str) -> None:
    add_endpoint(me)
    failed, cancelled, scan = submit_swap(me, film), submit_swap(me, film), submit_scan(me, film)
    start_job(office, failed)
    end_job(office, failed, FAILED, error_code="worker_died", error_message="it died")
    me.post(f"/v1/jobs/{cancelled}/cancel").raise_for_status()
    finish_scan(office, scan)
    fetched = me.post("/v1/uploads", json={"url": "https://example.org/a"}).json()["job_id"]
    end_job(office, fetched, CANCELLED)  # nobody is told of these
    assert sorted(item["type"] for item in told(me)) == [
        "scan.succeeded", "swap.cancelled", "swap.failed",
    ]  # fmt: skip
    (row,) = (row for row, _ in letters(office, me) if row["type"] == "swap.failed")
    error = json.loads(row["body"])["data"]["error"]
    assert error == {"code": "worker_died", "message": "it died"}


def test_a_second_run_has_messages_of_its_own(me: TestClient, office: Office, film: str) -> None:
    add_endpoint(me)
    job = submit_swap(me, film)
    for _ in range(2):
        me.post(f"/v1/jobs/{job}/cancel").raise_for_status()
        me.post(f"/v1/jobs/{job}/retry").raise_for_status()
    assert len({item["id"] for item in told(me)}) == 2


def test_a_deleted_endpoint_is_told_nothing_more(me: TestClient, office: Office, film: str) -> None:
    endpoint = add_endpoint(me)["id"]
    job = submit_swap(me, film)
    finish_swap(office, job)
    (waiting,) = told(me)
    assert waiting["state"] == "waiting"
    me.delete(f"/v1/webhooks/endpoints/{endpoint}").raise_for_status()
    (failed,) = told(me)
    assert (failed["state"], failed["last_error"]) == ("failed", "endpoint_deleted")
    attempt(office, failed["id"], 1, 1)  # was queued before
    assert told(me)[0]["attempts"] == 0
    answer = me.post(f"/v1/webhooks/deliveries/{failed['id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    with pytest.raises(NotFoundError):
        NativeForm().seal(office, list_deliveries(office, office_client(office, me))[0])
    assert me.get("/v1/webhooks/endpoints").json()["items"] == []
    assert me.post(f"/v1/webhooks/endpoints/{endpoint}/test").status_code == 404


def test_an_endpoint_can_be_tried(me: TestClient, office: Office) -> None:
    endpoint = add_endpoint(me)
    sent = me.post(f"/v1/webhooks/endpoints/{endpoint['id']}/test")
    assert sent.status_code == 202
    ((row, letter),) = letters(office, me)
    assert (row["id"], row["type"]) == (sent.json()["delivery_id"], "endpoint.test")
    check_signature(endpoint["secret"], letter.body.decode(), letter.headers)


def test_a_message_is_sent_again_under_its_own_id(me: TestClient, office: Office) -> None:
    mine = gather(me, office)
    attempt(office, mine.delivery, 1, 1)  # nobody listens there
    failed = next(item for item in told(me) if item["id"] == mine.delivery)
    assert (failed["attempts"], failed["last_error"]) == (1, "url_unreachable")
    assert failed["next_at"] is not None
    again = me.post(f"/v1/webhooks/deliveries/{mine.delivery}/replay")
    assert (again.status_code, again.json()["id"]) == (202, mine.delivery)
    assert (again.json()["state"], again.json()["attempts"]) == ("waiting", 0)
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.sent[-1] == (mine.delivery, 2, 1)


def test_deliveries_are_listed_by_job(me: TestClient, office: Office) -> None:
    mine = gather(me, office)
    page = me.get("/v1/webhooks/deliveries", params={"job_id": mine.scan}).json()
    assert [item["type"] for item in page["items"]] == ["scan.succeeded"]


def test_usage_tells_units_and_their_history(me: TestClient, office: Office, film: str) -> None:
    client, job = office_client(office, me), submit_swap(me, film)
    with office.database.writing() as connection:
        ledger.hold(connection, client, job, 3, office.now_ms())
    assert me.get("/v1/usage").json() == {"granted": None, "used": 0, "held": 3, "left": None}
    finish_swap(office, job)
    assert me.get("/v1/usage").json() == {"granted": None, "used": 3, "held": 0, "left": None}
    with office.database.writing() as connection:
        ledger.grant(connection, client, 5, office.now_ms())
    first = me.get("/v1/usage/history", params={"limit": 1}).json()
    second = me.get("/v1/usage/history", params={"limit": 1, "cursor": first["next"]}).json()
    entries = [*first["items"], *second["items"]]
    assert [(e["reason"], e["units"], e["job_id"]) for e in entries] == [
        ("grant", 5, None), ("charge", -3, job),
    ]  # fmt: skip
    assert second["next"] is None


@pytest.mark.parametrize(
    ("status", "state", "endpoint_state"),
    [
        ("204 No Content", "delivered", "enabled"),
        ("302 Found", "waiting", "enabled"),
        ("500 Oops", "waiting", "enabled"),
        ("410 Gone", "failed", "disabled"),
    ],
)
def test_what_a_receiver_answers_counts(
    me: TestClient, office: Office, film: str, status: str, state: str, endpoint_state: str
) -> None:
    with serving(reply(b"", status=status)) as receiver:
        add_endpoint(me, f"http://127.0.0.1:{receiver.port}/told")
        finish_swap(office, submit_swap(me, film))
        (delivery,) = told(me)
        attempt(office, delivery["id"], 1, 1)
    (head,) = receiver.heads
    assert head.startswith(b"POST /told HTTP/1.1\r\n")
    assert f"webhook-id: {delivery['id']}".encode() in head
    (after,) = told(me)
    assert (after["state"], after["attempts"], after["last_error"]) == (state, 1, None)
    assert after["last_status"] == int(status.split()[0])
    (endpoint,) = me.get("/v1/webhooks/endpoints").json()["items"]
    assert endpoint["state"] == endpoint_state
    if endpoint_state == "disabled":  # and is told no more
        finish_swap(office, submit_swap(me, film))
        assert len(told(me)) == 1
