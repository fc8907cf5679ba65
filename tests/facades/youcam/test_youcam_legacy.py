"""Tasks as version 1 has them."""

from __future__ import annotations

from typing import Any

import pytest

from facades.youcam.customers import (
    FACES,
    IMAGE,
    PHOTO,
    V1,
    VIDEO,
    Customer,
    fail,
    failure_of,
    find_faces,
    job_of,
    succeed,
)
from lendface.service.office import Office
from lendface.service.requests import SwapJob, load_request

INVALID = 400, "InvalidParameters"


def body_of(src: str, refs: list[str], **params: Any) -> dict[str, Any]:
    return {
        "request_id": 1,
        "payload": {
            "file_sets": {"src_ids": [src], "ref_ids": refs},
            "actions": [{"id": 0, "params": params}],
        },
    }


def begin(me: Customer, feature: str, body: Any) -> str:
    answer = me.http.post(f"{V1}/task/{feature}", json=body).json()
    assert set(answer) == {"status", "result"}, answer
    return answer["result"]["task_id"]


def poll(me: Customer, feature: str, task_id: str) -> Any:
    return me.http.get(f"{V1}/task/{feature}", params={"task_id": task_id})


def request_of(office: Office, task_id: str) -> SwapJob:
    request = load_request(job_of(office, task_id)["request"])
    assert isinstance(request, SwapJob)
    return request


@pytest.mark.parametrize(("params", "seconds"), [({}, 30), ({"dst_duration": 7}, 7)])
def test_a_film_task_is_nested(
    me: Customer, office: Office, params: dict[str, int], seconds: int
) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")
    request = request_of(office, begin(me, VIDEO, body_of(film, [photo], **params)))
    assert (request.target, request.end_s) == (film, seconds)
    assert request.pairs[0].photos[0].upload == photo


def test_a_poll_has_its_own_shape(me: Customer, office: Office) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")
    task_id = begin(me, VIDEO, body_of(film, [photo]))
    running = {
        "polling_interval": 1000,
        "status": "running",
        "error": None,
        "error_message": None,
        "results": None,
    }
    assert poll(me, VIDEO, task_id).json() == {"status": 200, "result": running}
    succeed(office, task_id)
    told = poll(me, VIDEO, task_id).json()["result"]
    ((data,),) = (each["data"] for each in told["results"])
    assert told == running | {"status": "success", "results": [{"id": 0, "data": [data]}]}
    assert set(data) == {"dst_id", "url"}
    assert me.status(task_id)["task_status"] == "success"


def test_an_error_is_told_with_200(me: Customer, office: Office) -> None:
    task_id = begin(me, VIDEO, body_of(me.upload(), [me.upload(PHOTO, "image/jpeg")]))
    fail(office, task_id, "several_people")
    told = poll(me, VIDEO, task_id).json()["result"]
    assert (told["status"], told["error"]) == ("error", "error_multiple_people")
    assert told["error_message"] == (
        "source video (payload.file_sets.src_ids[0]) shows more than one person"
    )


def test_a_picture_task_has_its_mapping_among_the_parameters(me: Customer, office: Office) -> None:
    picture = me.upload(PHOTO, "image/jpeg")
    faces = begin(me, FACES, body_of(picture, []))
    find_faces(office, faces, (1, 2, 3, 4))
    (result,) = poll(me, FACES, faces).json()["result"]["results"]
    assert result["data"][0]["faces"] == [{"bbox": [1, 2, 4, 6]}]
    mapping = [{"index": 0, "position": 0}]
    task_id = begin(me, IMAGE, body_of(picture, [picture], face_mapping=mapping))
    assert len(request_of(office, task_id).pairs) == 1
    assert poll(me, IMAGE, task_id).json()["result"]["status"] == "running"


@pytest.mark.parametrize(
    "change",
    [
        {"payload": None},
        {"payload": {}},
        {"payload": {"file_sets": {"src_ids": []}, "actions": [{}]}},
        {"payload": {"file_sets": {"src_ids": ["a"]}, "actions": []}},
        {"payload": {"file_sets": {"src_ids": ["a"]}, "actions": [{"params": None}]}},
        {"payload": {"file_sets": {"src_ids": ["a"]}, "actions": [{}]}},
        {
            "payload": {
                "file_sets": {"src_ids": ["a"], "ref_ids": ["a"]},
                "actions": [{"params": {"dst_duration": None}}],
            }
        },
    ],
    ids=str,
)
def test_what_is_wrong_is_told(me: Customer, change: dict[str, Any]) -> None:
    answer = me.http.post(f"{V1}/task/{VIDEO}", json=body_of("a", ["a"]) | change)
    assert failure_of(answer) == INVALID


def test_an_unknown_task_is_unknown_here_too(me: Customer) -> None:
    assert failure_of(poll(me, VIDEO, "a/b+c=")) == (400, "InvalidTaskId")
    assert failure_of(me.http.get(f"{V1}/task/{VIDEO}")) == INVALID
