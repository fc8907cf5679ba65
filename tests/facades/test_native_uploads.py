from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.belongings import FILM, send_upload
from lendface.service.office import Office
from lendface.service.uploads import mark_failed
from service.offices import MIB, Clock, RecordingQueue

FILE = {"name": "me.jpg", "content_type": "image/jpeg", "size": 7}


def test_a_new_upload_says_how_to_send_it(me: TestClient, clock: Clock) -> None:
    answer = me.post("/v1/uploads", json=FILE)
    assert answer.status_code == 201
    made = answer.json()
    link = made["upload"]
    assert (made["state"], made["job_id"]) == ("waiting", None)
    assert (link["method"], link["headers"]) == (
        "PUT",
        {"Content-Type": "image/jpeg", "Content-Length": "7"},
    )
    assert link["url"].startswith("http://testserver/blobs/")
    assert link["expires_at"] == "2026-09-21T16:13:20Z"  # two hours after it was asked for


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"content_type": "text/html"}, 422, "bad_request"),
        ({"size": 0}, 422, "bad_request"),
        ({"size": 8 * MIB + 1}, 413, "blob_too_large"),
        ({"name": "a/../b"}, 422, "bad_request"),
        ({"name": ""}, 422, "bad_request"),
        ({"extra": 1}, 422, "bad_request"),
        ({"size": 7.5}, 422, "bad_request"),
    ],
)
def test_what_the_server_never_takes_is_refused_at_once(
    me: TestClient, change: dict[str, Any], status: int, code: str
) -> None:
    answer = me.post("/v1/uploads", json=FILE | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_file_by_url_is_fetched_by_a_job(me: TestClient, office: Office) -> None:
    body = {"url": "https://example.org/films/a.mp4?x=1"}
    answer = me.post("/v1/uploads", json=body, headers={"Idempotency-Key": "k"})
    made = answer.json()
    assert (answer.status_code, made["state"], made["upload"]) == (201, "waiting", None)
    assert made["name"] == "a.mp4"
    job = me.get(f"/v1/jobs/{made['job_id']}").json()
    assert (job["kind"], job["state"]) == ("fetch", "queued")
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.submitted == [(made["job_id"], 1)]
    again = me.post("/v1/uploads", json=body, headers={"Idempotency-Key": "k"})
    assert again.json() == made
    assert me.post(f"/v1/uploads/{made['id']}/link").status_code == 409


def test_why_a_file_could_not_be_fetched_is_told(me: TestClient, office: Office) -> None:
    made = me.post("/v1/uploads", json={"url": "https://example.org/a.mp4"}).json()
    mark_failed(office, made["id"], "url_bad_status")
    upload = me.get(f"/v1/uploads/{made['id']}").json()
    assert (upload["state"], upload["error"]) == ("failed", "url_bad_status")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://10.0.0.1/a.mp4", "url_not_allowed"),
        ("http://[::1]/a.mp4", "url_not_allowed"),
        ("http://2130706433/a.mp4", "url_invalid"),
        ("file:///etc/passwd", "bad_request"),
        ("https://user:secret@example.org/", "url_invalid"),
    ],
)
def test_a_url_that_leads_inside_is_refused_before_any_job(
    me: TestClient, url: str, code: str
) -> None:
    answer = me.post("/v1/uploads", json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert me.get("/v1/uploads").json()["items"] == []
    assert me.get("/v1/jobs").json()["items"] == []


def test_a_lost_link_is_made_again(me: TestClient, clock: Clock) -> None:
    made = me.post("/v1/uploads", json=FILE).json()
    clock.pass_s(7200)
    link = me.post(f"/v1/uploads/{made['id']}/link").json()
    assert me.put(link["url"], content=b"7 bytes", headers=link["headers"]).status_code == 200
    assert me.post(f"/v1/uploads/{made['id']}/link").json()["code"] == "wrong_state"


def test_a_list_goes_on_where_the_page_before_ended(me: TestClient, clock: Clock) -> None:
    made = []
    for _ in range(5):
        made.append(me.post("/v1/uploads", json=FILE).json()["id"])
        clock.pass_s(1)
    found, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = me.get("/v1/uploads", params=params).json()
        found += [upload["id"] for upload in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == made[::-1]


@pytest.mark.parametrize("cursor", ["SA", "MTIz", "Oi06", "_" * 200, "AAA6YQ"])
def test_a_cursor_that_no_list_gave_is_refused(me: TestClient, cursor: str) -> None:
    assert me.get("/v1/uploads", params={"cursor": cursor}).status_code in (200, 422)


def test_a_deleted_file_is_gone_at_once(me: TestClient, office: Office) -> None:
    upload = send_upload(me, FILM)
    assert me.delete(f"/v1/uploads/{upload}").status_code == 204
    assert me.get(f"/v1/uploads/{upload}").status_code == 404
    assert me.delete(f"/v1/uploads/{upload}").status_code == 404
    assert me.get("/v1/uploads").json()["items"] == []
    assert list(office.blobs.list()) == []
