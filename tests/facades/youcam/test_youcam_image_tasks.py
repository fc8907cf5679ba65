"""The image sibling: faces found, and chosen by their place in what was found."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.youcam.customers import (
    FACES,
    IMAGE,
    PHOTO,
    V2,
    Customer,
    fail,
    failure_of,
    find_faces,
    job_of,
    succeed,
)
from lendface.service.office import Office
from lendface.service.requests import DetectJob, PhotoRef, SwapJob, WhoRef, load_request
from service.offices import start_job

INVALID = 400, "InvalidParameters"
FACE_URL = "https://cdn.example.test/face.jpg"
SKIP = {"index": -1, "position": -1}


@pytest.fixture
def picture(me: Customer) -> str:
    return me.upload(PHOTO, "image/jpeg")


def request_of(office: Office, task_id: str) -> Any:
    return load_request(job_of(office, task_id)["request"])


# Faces


def test_faces_are_told_as_corners_from_left_to_right(
    me: Customer, nobody: TestClient, office: Office, picture: str
) -> None:
    task_id = me.begin(FACES, {"src_file_id": picture})
    request = request_of(office, task_id)
    assert isinstance(request, DetectJob)
    assert (request.targets, request.limits.kinds) == ((picture,), ("image",))
    assert me.status(task_id, FACES)["task_status"] == "running"
    find_faces(office, task_id, (10, 20, 30, 40), (100, 0, 7, 9))
    status = me.status(task_id, FACES)
    url = status["results"]["url"]
    assert status == {
        "task_status": "success",
        "error": None,
        "results": {"url": url, "faces": [{"bbox": [10, 20, 40, 60]}, {"bbox": [100, 0, 107, 9]}]},
    }
    assert nobody.get(url).content == PHOTO


@pytest.mark.parametrize(
    ("kind", "code"), [("image", "error_no_face"), ("video", "error_decode_image")]
)
def test_a_picture_without_faces_and_a_film_are_errors(
    me: Customer, office: Office, picture: str, kind: str, code: str
) -> None:
    boxes = [(1, 2, 3, 4)] if kind == "video" else []
    task_id = me.begin(FACES, {"src_file_id": picture})
    find_faces(office, task_id, *boxes, kind=kind)
    status = me.status(task_id, FACES)
    assert (status["task_status"], status["error"], status["results"]) == ("error", code, None)


def test_a_picture_may_come_from_a_url_and_not_come(me: Customer, office: Office) -> None:
    task_id = me.begin(FACES, {"src_file_url": FACE_URL})
    fail(office, task_id, "url_bad_status")
    assert me.status(task_id, FACES)["error"] == "error_download_image"


def test_finding_faces_is_free_and_its_task_is_not_deleted(
    me: Customer, office: Office, picture: str
) -> None:
    before = me.credit()
    task_id = me.begin(FACES, {"src_file_id": picture})
    find_faces(office, task_id, (1, 2, 3, 4))
    assert me.credit() == before
    assert failure_of(me.delete(task_id)) == (400, "OperationNotSupport")


# Swaps


def test_a_mapping_says_which_face_gets_which_reference(
    me: Customer, office: Office, picture: str
) -> None:
    """The vendor's example: the second reference for the first face, the first for the third."""
    first, second = (me.upload(PHOTO, "image/png") for _ in range(2))
    mapping = [{"index": 1, "position": 0}, SKIP, {"index": 0, "position": 2}]
    body = {"src_file_id": picture, "ref_file_ids": [first, second], "face_mapping": mapping}
    request = request_of(office, me.begin(IMAGE, body))
    assert isinstance(request, SwapJob)
    assert request.target == picture
    assert [pair.photos for pair in request.pairs] == [(PhotoRef(second),), (PhotoRef(first),)]
    assert [pair.who for pair in request.pairs] == [
        WhoRef("looks_like", photo=PhotoRef(picture, face_number=number)) for number in (1, 3)
    ]
    assert request.limits.kinds == request.photo_limits.kinds == ("image",)
    assert (request.limits.max_bytes, request.limits.max_long_side) == (10 << 20, 4096)
    assert request.end_s is None


def test_references_may_come_from_urls_each_once(
    me: Customer, office: Office, picture: str
) -> None:
    mapping = [{"index": 0, "position": 0}, {"index": 0, "position": 1}]
    body = {"src_file_id": picture, "ref_file_urls": [FACE_URL], "face_mapping": mapping}
    request = request_of(office, me.begin(IMAGE, body))
    assert isinstance(request, SwapJob)
    assert len(request.uploads) == 2


def test_a_picture_costs_one_unit_when_it_has_succeeded(
    me: Customer, office: Office, picture: str
) -> None:
    body = {
        "src_file_id": picture,
        "ref_file_ids": [picture],
        "face_mapping": [{"index": 0, "position": 0}],
    }
    before = me.credit()
    task_id = me.begin(IMAGE, body)
    start_job(office, job_of(office, task_id)["id"])
    assert me.credit() == before
    succeed(office, task_id)
    assert me.credit() == before - 1
    assert set(me.status(task_id, IMAGE)["results"]) == {"url"}


def test_a_position_that_is_not_there_is_an_invalid_parameter(
    me: Customer, office: Office, picture: str
) -> None:
    body = {
        "src_file_id": picture,
        "ref_file_ids": [picture],
        "face_mapping": [{"index": 0, "position": 7}],
    }
    task_id = me.begin(IMAGE, body)
    fail(office, task_id, "no_such_source_face", "it shows one face, so there is no face 8")
    assert me.status(task_id, IMAGE)["error"] == "invalid_parameter"


@pytest.mark.parametrize(
    "change",
    [
        {"face_mapping": ...},
        {"face_mapping": None},
        {"face_mapping": []},
        {"face_mapping": [SKIP]},
        {"face_mapping": [{"index": 0}]},
        {"face_mapping": [{"index": 0, "position": -1}]},
        {"face_mapping": [{"index": -1, "position": 0}]},
        {"face_mapping": [{"index": 1, "position": 0}]},
        {"face_mapping": [{"index": -2, "position": -2}]},
        {"face_mapping": [{"index": 0, "position": 64}]},
        {"face_mapping": [{"index": 0, "position": 1}] * 2},
        {"face_mapping": [{"index": "0", "position": 0}]},
        {"ref_file_ids": ...},
        {"ref_file_ids": []},
        {"ref_file_ids": ["unknown"]},
        {"ref_file_ids": [""]},
        {"src_file_id": ...},
    ],
    ids=str,
)
def test_what_is_wrong_is_told(me: Customer, picture: str, change: dict[str, Any]) -> None:
    body = {
        "src_file_id": picture,
        "ref_file_ids": [picture],
        "face_mapping": [{"index": 0, "position": 0}],
    } | change
    asked = {name: value for name, value in body.items() if value is not ...}
    assert failure_of(me.http.post(f"{V2}/task/{IMAGE}", json=asked)) == INVALID


def test_the_nested_form_of_version_1_is_refused(me: Customer, picture: str) -> None:
    body = {"request_id": 1, "payload": {"file_sets": {"src_ids": [picture]}, "actions": []}}
    for feature in (IMAGE, FACES):
        assert failure_of(me.http.post(f"{V2}/task/{feature}", json=body)) == INVALID
    answer = me.http.get(f"{V2}/task/{IMAGE}", params={"task_id": "A" * 64})
    assert failure_of(answer) == (404, "NotFound")
