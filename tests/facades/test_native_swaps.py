from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.belongings import FILM, finish_scan, finish_swap, send_upload, submit_scan, submit_swap
from lendface.service import jobs, ledger
from lendface.service.clients import find_client
from lendface.service.office import Office
from lendface.service.requests import LabelRef, SwapJob, load_request
from lendface.storage.tables import clients
from service.offices import RecordingQueue

PHOTO = b"not a photo"


@pytest.fixture
def film(me: TestClient) -> str:
    return send_upload(me)


@pytest.fixture
def photo(me: TestClient) -> str:
    return send_upload(me, PHOTO, "image/jpeg")


def request_of(me: TestClient, office: Office, body: dict[str, Any]) -> SwapJob:
    """What the workers will find."""
    made = me.post("/v1/swaps", json=body)
    assert made.status_code == 202, made.text
    client = find_client(office, me.headers["authorization"].removeprefix("Bearer "))
    request = load_request(jobs.get_job(office, client.id, made.json()["id"])["request"])
    assert isinstance(request, SwapJob)
    return request


def test_a_swap_is_queued_with_all_that_was_asked(
    me: TestClient, office: Office, film: str, photo: str
) -> None:
    request = request_of(
        me,
        office,
        {
            "target": {"upload_id": film},
            "pairs": [
                {"source": {"upload_ids": [photo]}, "source_face": 2, "who": {"faces": [1, 3]}},
                {
                    "source": {"urls": ["https://example.org/b.jpg"]},
                    "who": {"reference": {"upload_id": photo, "face": 1}},
                },
            ],
            "output": {"container": "mkv", "codec": "hevc", "quality": 20, "max_fps": 30},
            "start_s": 1.5,
            "end_s": 4,
        },
    )
    first, second = request.pairs
    assert request.target == film
    assert [(p.upload, p.face_number) for p in first.photos] == [(photo, 2)]
    assert (first.who.kind, first.who.faces) == ("faces", (1, 3))
    assert second.who.photo is not None
    assert (second.who.photo.upload, second.who.photo.face_number) == (photo, 1)
    assert (request.output.container, request.output.codec, request.output.max_fps) == (
        "mkv",
        "hevc",
        30,
    )
    assert (request.start_s, request.end_s) == (1.5, 4)
    fetched = me.get(f"/v1/uploads/{second.photos[0].upload}").json()
    assert (fetched["state"], fetched["name"]) == ("waiting", "b.jpg")


@pytest.mark.parametrize(
    ("asked", "label"),
    [
        ({}, None),
        ({"label": False}, None),  # asks for none; whether there is one is the operator's
        ({"label": True}, LabelRef()),
        ({"label": {"position": "top-left"}}, LabelRef("top-left")),
        ({"label": {"size": 0.1}}, LabelRef(size=0.1)),
    ],
)
def test_the_visible_label_may_be_asked_for(
    me: TestClient,
    office: Office,
    film: str,
    photo: str,
    asked: dict[str, Any],
    label: LabelRef | None,
) -> None:
    body = {"target": {"upload_id": film}, "pairs": [{"source": {"upload_ids": [photo]}}]}
    assert request_of(me, office, body | asked).label == label


@pytest.mark.parametrize(
    "asked",
    [
        {"label": {"size": 0.001}},
        {"label": {"position": "nowhere"}},
        {"label": {"text": "a film"}},
        {"provenance": "off"},
        {"style": {"visible_label": False}},
    ],
)
def test_no_word_of_a_request_takes_a_mark_away(
    me: TestClient, film: str, photo: str, asked: dict[str, Any]
) -> None:
    body = {"target": {"upload_id": film}, "pairs": [{"source": {"upload_ids": [photo]}}]}
    assert me.post("/v1/swaps", json=body | asked).status_code == 422


def test_a_face_of_a_scan_is_a_source(me: TestClient, office: Office, film: str) -> None:
    scan = submit_scan(me, film)
    body = {
        "target": {"upload_id": film},
        "pairs": [{"source": {"scan_id": scan, "face": 1}, "who": {"faces": [2]}}],
    }
    early = me.post("/v1/swaps", json=body)
    assert (early.status_code, early.json()["code"]) == (409, "result_not_ready")
    finish_scan(office, scan)
    request = request_of(me, office, body)
    copy = me.get(f"/v1/uploads/{request.pairs[0].photos[0].upload}").json()
    assert (copy["state"], copy["content_type"]) == ("ready", "image/png")
    body["pairs"][0]["source"]["face"] = 2
    nobody = me.post("/v1/swaps", json=body)
    assert (nobody.status_code, nobody.json()["code"]) == (422, "no_such_person")


def test_the_copy_outlives_the_scan(me: TestClient, office: Office, film: str) -> None:
    scan = submit_scan(me, film)
    finish_scan(office, scan)
    source = {"scan_id": scan, "face": 1}
    body = {"target": {"upload_id": film}, "pairs": [{"source": source}]}
    request = request_of(me, office, body)
    for blob in list(office.blobs.list("scans")):
        office.blobs.delete(blob.key)
    client = find_client(office, me.headers["authorization"].removeprefix("Bearer "))
    key = f"uploads/{client.id}/{request.pairs[0].photos[0].upload}"
    assert b"".join(office.blobs.read(key)) == b"a portrait"
    gone = me.post("/v1/swaps", json=body)
    assert (gone.status_code, gone.json()["code"]) == (410, "result_gone")


def test_the_same_key_gives_the_same_job_and_another_body_none(
    me: TestClient, office: Office, film: str, photo: str
) -> None:
    scan = submit_scan(me, film)
    finish_scan(office, scan)
    body = {
        "target": {"url": "https://example.org/a.mp4"},
        "pairs": [{"source": {"scan_id": scan, "face": 1}}],
    }
    key = {"Idempotency-Key": "order 1".replace(" ", "-")}
    first = me.post("/v1/swaps", json=body, headers=key).json()
    count = len(me.get("/v1/uploads").json()["items"])
    again = me.post("/v1/swaps", json=body, headers=key)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert len(me.get("/v1/uploads").json()["items"]) == count  # and no second copies
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.submitted.count((first["id"], 1)) == 1
    other = me.post("/v1/swaps", json=body | {"priority": 1}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    scan_body = {"target": {"upload_id": film}}
    assert me.post("/v1/scans", json=scan_body, headers=key).status_code == 422


def test_a_late_copy_of_a_request_brings_no_deleted_job_back(me: TestClient, film: str) -> None:
    body = {"target": {"upload_id": film}, "pairs": [{"source": {"upload_ids": [film]}}]}
    key = {"Idempotency-Key": "k"}
    job = me.post("/v1/swaps", json=body, headers=key).json()["id"]
    me.delete(f"/v1/jobs/{job}").raise_for_status()
    late = me.post("/v1/swaps", json=body, headers=key)
    assert (late.status_code, late.json()["code"]) == (410, "job_deleted")


def test_a_swap_that_cannot_be_made_leaves_nothing_behind(me: TestClient, film: str) -> None:
    count = len(me.get("/v1/uploads").json()["items"])
    body = {
        "target": {"url": "https://example.org/a.mp4"},
        "pairs": [
            {"source": {"urls": ["https://example.org/b.jpg"]}},
            {"source": {"upload_ids": ["nothing"]}},
        ],
    }
    assert me.post("/v1/swaps", json=body).status_code == 404
    assert len(me.get("/v1/uploads").json()["items"]) == count
    assert me.get("/v1/jobs").json()["items"] == []


def test_a_file_that_never_came_makes_no_swap(me: TestClient) -> None:
    declared = {"name": "a.mp4", "content_type": "video/mp4", "size": 9}
    waiting = me.post("/v1/uploads", json=declared).json()["id"]
    body = {
        "target": {"upload_id": waiting},
        "pairs": [{"source": {"urls": ["https://example.org/b.jpg"]}}],
    }
    answer = me.post("/v1/swaps", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_missing")


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        ({"start_s": 4, "end_s": 4}, "bad_option", "end_s"),
        ({"start_s": -1}, "bad_request", "body.start_s"),
        ({"pairs": []}, "bad_request", "body.pairs"),
        ({"output": {"container": "avi"}}, "bad_request", "body.output.container"),
        ({"output": {"colour": "red"}}, "bad_request", "body.output.colour"),
        ({"priority": 0}, "bad_request", "body.priority"),
        ({"webhook_url": "http://169.254.169.254/"}, "url_not_allowed", "169.254.169.254"),
        ({"notes": {"a": "x" * 4096}}, "bad_request", "body.notes"),
        ({"target": {"upload_id": "a", "url": "https://example.org/"}}, "bad_request", "target"),
    ],
)
def test_what_is_wrong_is_named(
    me: TestClient, film: str, change: dict[str, Any], code: str, where: str
) -> None:
    body = {"target": {"upload_id": film}, "pairs": [{"source": {"upload_ids": [film]}}]}
    answer = me.post("/v1/swaps", json=body | change)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert where in problem["detail"]


def test_a_face_number_of_photos_is_refused_for_a_face_of_a_scan(
    me: TestClient, office: Office, film: str
) -> None:
    scan = submit_scan(me, film)
    finish_scan(office, scan)
    pair = {"source": {"scan_id": scan, "face": 1}, "source_face": 1}
    answer = me.post("/v1/swaps", json={"target": {"upload_id": film}, "pairs": [pair]})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_option")


def test_notes_come_back_as_they_came(me: TestClient, film: str) -> None:
    notes = {"order": "ä ☃ 𝄞", "n": [1, 2.5, None, True, {"deep": {}}]}
    job = submit_swap(me, film, notes=notes)
    assert me.get(f"/v1/swaps/{job}").json()["notes"] == notes


def test_a_finished_swap_tells_where_its_file_is(me: TestClient, office: Office, film: str) -> None:
    job = submit_swap(me, film)
    assert me.get(f"/v1/swaps/{job}").json()["result"] is None
    finish_swap(office, job)
    swap = me.get(f"/v1/swaps/{job}").json()
    assert (swap["state"], swap["share"], swap["units"]) == ("succeeded", 1.0, 1)
    assert swap["warnings"] == ["one", "two"]
    (face,) = swap["swapped"]
    assert (face["face"], face["pair"], face["frames"], face["hardness"]) == (1, 0, 3, "easy")
    result = swap["result"]
    assert (result["file_name"], result["size"]) == (f"swap-{job}.mp4", len(FILM))
    assert (result["width"], result["height"], result["fps"]) == (640, 360, 25.0)
    assert me.get(result["url"]).content == FILM


def test_a_scan_is_no_swap(me: TestClient, film: str) -> None:
    scan, swap = submit_scan(me, film), submit_swap(me, film)
    assert me.get(f"/v1/swaps/{scan}").status_code == 404
    assert me.get(f"/v1/scans/{swap}").status_code == 404


def test_without_units_no_swap_is_begun_and_scans_are_free(
    me: TestClient, office: Office, film: str
) -> None:
    client = find_client(office, me.headers["authorization"].removeprefix("Bearer "))
    with office.database.writing() as connection:
        connection.execute(clients.update().values(quota_units=0))
    body = {"target": {"upload_id": film}, "pairs": [{"source": {"upload_ids": [film]}}]}
    answer = me.post("/v1/swaps", json=body)
    assert (answer.status_code, answer.json()["code"]) == (402, "quota_exceeded")
    assert me.post("/v1/scans", json={"target": {"upload_id": film}}).status_code == 202
    with office.database.writing() as connection:
        ledger.grant(connection, client.id, 1, office.now_ms())
    assert me.post("/v1/swaps", json=body).status_code == 202


def test_a_full_server_says_when_to_come_again(me: TestClient, office: Office, film: str) -> None:
    object.__setattr__(office.rules, "max_queued", 0)
    body = {"target": {"upload_id": film}, "pairs": [{"source": {"upload_ids": [film]}}]}
    answer = me.post("/v1/swaps", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "server_busy")
    assert int(answer.headers["retry-after"]) > 0
