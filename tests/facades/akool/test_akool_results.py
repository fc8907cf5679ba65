"""Endpoints 6 to 8 and the files: how jobs stand, deleting, credits, results."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.akool.bodies import PLUS, PRO, V3_IMAGE, V3_VIDEO, image, plus, pro, video
from facades.akool.workers import FILM, TARGET, finish_film, start_film
from lendface.errors import (
    FaceError,
    LendfaceError,
    MediaFrameRateError,
    MediaTooLargeError,
    MediaTooLongError,
    MediaWrongKindError,
    NoSourceFaceError,
    NoTargetFaceError,
    QuotaExceededError,
    UnknownCodecError,
    UnreadableMediaError,
    UrlStatusError,
)
from lendface.facades.akool.app import akool_app
from lendface.facades.akool.codes import code_of_failure
from lendface.facades.akool.incoming import AkoolOptions
from lendface.service.clients import NewClient, revoke_client
from lendface.service.office import DAY_MS, Office
from lendface.service.rates import RateLimiter
from lendface.service.shares import get_shared
from lendface.service.states import CANCELLED, FAILED
from service.offices import BASE_URL, Clock, change_job, end_job, new_client

LIST = "/api/open/v3/faceswap/result/listbyids"
DELETE = "/api/open/v3/faceswap/result/delbyids"
CREDIT = "/api/open/v3/faceswap/quota/info"


def submit(client: TestClient, path: str = V3_VIDEO, body: Any = None) -> dict[str, Any]:
    answer = client.post(path, json=body or video()).json()
    assert answer["code"] == 1000, answer
    return answer["data"]


def look(client: TestClient, ids: str) -> list[dict[str, Any]]:
    response = client.get(LIST, params={"_ids": ids})
    assert response.status_code == 200
    body = response.json()
    assert (body["code"], body["msg"], set(body["data"])) == (1000, "OK", {"result"})
    return body["data"]["result"]


def look_at(client: TestClient, job_id: str) -> dict[str, Any]:
    [item] = look(client, job_id)
    return item


def test_a_finished_video_is_told_as_in_the_reference(
    me: TestClient, office: Office, clock: Clock
) -> None:
    data = submit(me)
    clock.pass_s(1)
    start_film(office, data["_id"])
    clock.pass_s(1)
    finish_film(office, data["_id"])
    item = look_at(me, data["_id"])
    assert item == {
        "_id": data["_id"],
        "job_id": data["job_id"],
        "faceswap_status": 3,
        "faceswap_type": 2,
        "faceswap_quality": 2,
        "deduction_status": 1,
        "image": 0,
        "video_duration": 9.6,
        "deduction_duration": 10,
        "deduction_credit": 2,
        "update_time": clock.ms,
        "userId": item["userId"],
        "uid": item["uid"],
        "url": data["url"],
        "createdAt": "2026-09-21T14:13:20.000Z",
        "progress": 100,
    }
    assert len(item["userId"]) == 24
    assert type(item["uid"]) is int


def test_status_goes_from_1_to_3_and_the_address_stays(me: TestClient, office: Office) -> None:
    data = submit(me)
    told = [look_at(me, data["_id"])]
    start_film(office, data["_id"])
    told.append(look_at(me, data["_id"]))
    finish_film(office, data["_id"])
    told.append(look_at(me, data["_id"]))
    assert [item["faceswap_status"] for item in told] == [1, 2, 3]
    assert {item["url"] for item in told} == {data["url"]}
    assert [item["video_duration"] for item in told] == [0, 9.6, 9.6]
    assert [item["deduction_status"] for item in told] == [0, 0, 1]
    assert told[0]["update_time"] == 0 < told[1]["update_time"]
    assert all(type(item["faceswap_status"]) is int for item in told)


@pytest.mark.parametrize(("path", "body"), [(PRO, pro()), (PLUS, plus())])
def test_v4_has_an_address_when_there_is_a_result(
    me: TestClient, office: Office, path: str, body: Any
) -> None:
    job_id = submit(me, path, body)["_id"]
    assert look_at(me, job_id)["url"] == ""
    change_job(office, job_id, facts={"target": TARGET | {"kind": "image"}})
    finish_film(office, job_id, suffix=".jpg")
    item = look_at(me, job_id)
    assert item["url"].endswith(f"/{job_id}.jpg")
    assert me.get(item["url"]).content == FILM
    assert (item["image"], item["faceswap_type"], item["video_duration"]) == (1, 1, 0)


def test_a_failure_is_told_wherever_clients_look(me: TestClient, office: Office) -> None:
    job_id = submit(me)["_id"]
    error = NoTargetFaceError("the target")
    end_job(office, job_id, FAILED, error_code=error.code, error_message=str(error))
    item = look_at(me, job_id)
    assert (item["faceswap_status"], item["url"], item["deduction_status"]) == (4, "", 0)
    for name in ("msg", "error_msg", "fail_reason", "alg_msg", "faceswap_fail_reason"):
        assert item[name] == str(error)
    assert (item["error_code"], item["error_reason"]) == (1016, "no_face_in_target")


def test_a_cancelled_job_has_failed(me: TestClient, office: Office) -> None:
    job_id = submit(me)["_id"]
    end_job(office, job_id, CANCELLED)
    item = look_at(me, job_id)
    assert (item["faceswap_status"], item["error_msg"]) == (4, "the job was cancelled")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoSourceFaceError("a"), 1016),
        (FaceError("a"), 1016),
        (MediaTooLongError("a", 60, 61), 1204),
        (MediaTooLargeError("a", 1, 2), 1207),
        (MediaFrameRateError("a", 30, 60), 1210),
        (UnknownCodecError("a", "b"), 1209),
        (UnreadableMediaError("a", "b"), 1208),
        (MediaWrongKindError("a", "b", "c"), 1003),
        (UrlStatusError("a", 404), 1003),
        (QuotaExceededError(2, 1), 1006),
        (LendfaceError("a"), 1016),
    ],
)
def test_why_a_job_failed_has_a_code(error: LendfaceError, code: int) -> None:
    assert code_of_failure(error.code) == code


def test_a_failure_nobody_foresaw_is_a_swap_error() -> None:
    assert code_of_failure("something_new") == code_of_failure(None) == 1016


def test_ids_come_with_blanks_twice_and_unknown(me: TestClient) -> None:
    first, second = submit(me)["_id"], submit(me)["_id"]
    ids = f" {second} ,{first},{second},,65f7d2a1c4b8e90012ab34cd"
    assert [item["_id"] for item in look(me, ids)] == [second, first]
    assert look(me, "65f7d2a1c4b8e90012ab34cd") == []
    assert look(me, "nonsense") == []


def test_the_job_id_is_no_handle(me: TestClient) -> None:
    assert look(me, submit(me)["job_id"]) == []


def test_ids_are_needed(me: TestClient) -> None:
    for params in ({}, {"_ids": ""}, {"_ids": " , "}, {"_ids": ",".join(map(str, range(501)))}):
        response = me.get(LIST, params=params)
        assert (response.status_code, response.json()["code"]) == (200, 1003)


def test_nobody_sees_anothers_jobs(me: TestClient, other: TestClient) -> None:
    job_id = submit(me)["_id"]
    assert look(other, job_id) == []
    assert other.post(DELETE, json={"_ids": job_id}).json() == {"code": 1000, "msg": "OK"}
    assert look_at(me, job_id)["faceswap_status"] == 1


# Deleting


@pytest.mark.parametrize("as_list", [False, True])
def test_deleted_results_are_gone(me: TestClient, office: Office, as_list: bool) -> None:
    running, done = submit(me), submit(me)
    start_film(office, running["_id"])
    finish_film(office, done["_id"])
    ids: Any = [running["_id"], done["_id"]]
    answer = me.post(DELETE, json={"_ids": ids if as_list else ", ".join(ids)})
    assert answer.json() == {"code": 1000, "msg": "OK"}
    assert look(me, ",".join(ids)) == []
    assert me.get(done["url"]).status_code == 404
    assert me.post(DELETE, json={"_ids": done["_id"]}).json() == {"code": 1000, "msg": "OK"}


@pytest.mark.parametrize("body", [{}, {"_ids": ""}, {"_ids": None}, {"_ids": [7]}])
def test_deleting_nothing_is_a_wrong_parameter(me: TestClient, body: Any) -> None:
    response = me.post(DELETE, json=body)
    assert (response.status_code, response.json()["code"]) == (200, 1003)


# Credits


def test_credits_are_units_left(app: FastAPI, office: Office) -> None:
    client = new_client(office, "a", quota_units=7)
    with TestClient(app, headers={"x-api-key": client.key}) as me:
        expected = {"code": 1000, "msg": "OK", "data": {"credit": 7}}
        assert me.get(CREDIT).json() == expected


def test_credits_are_a_number_where_there_is_no_end_of_them(me: TestClient) -> None:
    assert me.get(CREDIT).json()["data"]["credit"] == 1_000_000_000


# Files


def test_a_result_is_not_there_before_it_is_whole(
    me: TestClient, nobody: TestClient, office: Office
) -> None:
    data = submit(me)
    for begin in (lambda: None, lambda: start_film(office, data["_id"])):
        begin()
        for method in ("GET", "HEAD"):
            assert nobody.request(method, data["url"]).status_code == 404
    assert nobody.get(data["url"]).json()["code"] == 1014
    end_job(office, data["_id"], FAILED, error_code="no_face_in_target", error_message="none")
    assert nobody.get(data["url"]).status_code == 404


def test_a_result_is_read_without_a_key(me: TestClient, nobody: TestClient, office: Office) -> None:
    data = submit(me)
    finish_film(office, data["_id"])
    response = nobody.get(data["url"], headers={"Origin": "https://page.example"})
    assert (response.status_code, response.content) == (200, FILM)
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["accept-ranges"] == "bytes"
    head = nobody.head(data["url"])
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(FILM))
    part = nobody.get(data["url"], headers={"Range": "bytes=2-9"})
    assert (part.status_code, part.content) == (206, FILM[2:10])
    assert part.headers["content-range"] == f"bytes 2-9/{len(FILM)}"
    beyond = nobody.get(data["url"], headers={"Range": f"bytes={len(FILM)}-"})
    assert beyond.status_code == 416


def test_pages_may_ask_for_parts_of_a_result(nobody: TestClient, me: TestClient) -> None:
    response = nobody.options(
        submit(me)["url"],
        headers={
            "Origin": "https://page.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        },
    )
    assert response.status_code == 204
    assert "Range" in response.headers["access-control-allow-headers"]


def test_a_result_has_no_other_address(me: TestClient, nobody: TestClient, office: Office) -> None:
    first, second = submit(me), submit(me)
    finish_film(office, first["_id"])
    finish_film(office, second["_id"])
    token = first["url"].split("/")[-2]
    for wrong in (
        first["url"].replace(first["_id"], second["_id"]),
        first["url"].replace(token, "A" * 22),
        first["url"].replace(token, token[:-1]),
        first["url"].replace(".mp4", "_face-0-0-0.jpg"),
        first["url"].rpartition("/")[0],
        f"/results/akool//{first['_id']}.mp4",
        f"/results/akool/{token}/{first['_id']}.mp4/x",
        f"/results/akool/{token}/..%2f{first['_id']}.mp4",
        f"{first['url']}%0a",
        f"{first['url']}%20x",
        f"{first['url']}x",
        f"{first['url']}%3fx",
        first["url"].replace(".mp4", ".mov"),
        first["url"].replace(".mp4", "%2Emp4%0d"),
        first["url"].replace("/results", "/results/akool/x/results"),
    ):
        assert nobody.get(wrong).status_code == 404, wrong


def test_a_result_of_a_client_that_was_revoked_is_not_handed_out(
    me: TestClient, nobody: TestClient, office: Office, made: NewClient
) -> None:
    data = submit(me)
    finish_film(office, data["_id"])
    assert nobody.get(data["url"]).status_code == 200
    revoke_client(office, made.client_id)
    answer = nobody.get(data["url"])
    assert (answer.status_code, answer.json()["code"]) == (403, 1009)


def test_a_result_expires_after_seven_days(
    me: TestClient, nobody: TestClient, office: Office, clock: Clock
) -> None:
    data = submit(me)
    finish_film(office, data["_id"])
    with office.database.reading() as connection:
        token = data["url"].split("/")[-2]
        job = get_shared(connection, data["_id"], token)
    assert job["expires_ms"] == job["created_ms"] + 7 * DAY_MS
    change_job(office, data["_id"], purged_ms=clock.ms)
    assert nobody.get(data["url"]).status_code == 404
    assert look_at(me, data["_id"])["faceswap_status"] == 3  # what became of it stays known


def test_an_image_is_told_as_one_from_the_start(me: TestClient, made: NewClient) -> None:
    item = look_at(me, submit(me, V3_IMAGE, image())["_id"])
    assert (item["image"], item["faceswap_type"], item["deduction_duration"]) == (1, 1, 0)


def test_a_result_in_a_bucket_is_fetched_from_there(
    office: Office, made: NewClient, clock: Clock
) -> None:
    options = AkoolOptions(BASE_URL, streams_results=False)
    app = akool_app(office, RateLimiter(clock), options)
    with TestClient(app, headers={"x-api-key": made.key}, follow_redirects=False) as me:
        data = submit(me)
        finish_film(office, data["_id"])
        response = me.get(data["url"])
        assert (response.status_code, response.headers["cache-control"]) == (307, "no-store")
        assert response.headers["location"].startswith(f"{BASE_URL}/blobs/")
        assert response.headers["access-control-allow-origin"] == "*"
        assert me.head(data["url"]).headers["content-length"] == str(len(FILM))


def test_a_result_that_is_not_what_was_made_is_not_handed_out(
    me: TestClient, nobody: TestClient, office: Office
) -> None:
    sent = me.post(V3_VIDEO, json=video()).json()["data"]
    finish_film(office, sent["_id"])
    assert nobody.get(sent["url"]).content == FILM
    office.blobs.put(f"results/{sent['_id']}/result.mp4", [FILM[:-1]])
    assert nobody.get(sent["url"]).status_code == 410
    again = me.post(V3_VIDEO, json=video(modifyVideo=sent["url"])).json()
    assert again["code"] == 1014
