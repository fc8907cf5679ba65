"""What this API takes leniently, and errors in its client's own names of things."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.youcam.customers import (
    FACES,
    FILM,
    IMAGE,
    PHOTO,
    V1,
    V2,
    VIDEO,
    Customer,
    fail,
    failure_of,
    job_of,
)
from lendface.facades.youcam.terms import MIB, PREFIX
from lendface.service.office import Office
from lendface.service.requests import DetectJob, SwapJob, load_request

INVALID = 400, "InvalidParameters"
INSIDE = "http://10.0.0.1/a.jpg"
URL = "https://a.example/a.jpg"
FILE = {"content_type": "video/mp4", "file_name": "clip.mp4"}


def of_old(src: str, *refs: str, **params: Any) -> dict[str, Any]:
    files = {"src_ids": [src], "ref_ids": list(refs)}
    return {"payload": {"file_sets": files, "actions": [{"id": 0, "params": params}]}}


# Version 1.0 does not say how large a file is


def declared_of_old(me: Customer, **changes: Any) -> dict[str, Any]:
    answer = me.http.post(f"{V1}/file/{VIDEO}", json={"files": [FILE | changes]})
    assert answer.status_code == 200, answer.json()
    return answer.json()["result"]["files"][0]


def test_version_1_0_declares_a_file_without_its_size(me: Customer, office: Office) -> None:
    file = declared_of_old(me)
    [request] = file["requests"]
    assert request["headers"] == {"Content-Type": "video/mp4"}
    assert me.put(file).status_code == 200
    photo = declared_of_old(me, content_type="image/jpeg", file_size=None)
    assert me.put(photo, PHOTO).status_code == 200
    body = of_old(file["file_id"], photo["file_id"], dst_duration=5)
    assert me.http.post(f"{V1}/task/{VIDEO}", json=body).status_code == 200
    sizes = {row["id"]: row["size"] for row in me.http.get("/v1/uploads").json()["items"]}
    assert (sizes[file["file_id"]], sizes[photo["file_id"]]) == (len(FILM), len(PHOTO))


def test_it_may_come_in_pieces_of_unknown_number_and_more_than_once(me: Customer) -> None:
    file = declared_of_old(me)
    [request] = file["requests"]
    headers = request["headers"] | {"Authorization": ""}
    for _ in range(2):
        sent = me.http.put(request["url"], content=iter([FILM[:7], FILM[7:]]), headers=headers)
        assert (sent.status_code, sent.headers["upload-offset"]) == (200, str(len(FILM)))
    other = me.http.put(request["url"], content=FILM + b"x", headers=headers)
    assert other.status_code == 409


@pytest.mark.parametrize("kind", ["image/png", "video/mp4"])
def test_it_is_held_to_the_limit_and_to_its_type(me: Customer, kind: str) -> None:
    limit = (10 if kind == "image/png" else 100) * MIB
    [request] = declared_of_old(me, content_type=kind)["requests"]
    bare = {"Authorization": "", "Content-Type": kind}
    large = bare | {"Content-Length": str(limit + 1)}
    told = me.http.put(request["url"], content=b"", headers=large)
    assert told.status_code == 413
    wrong = me.http.put(request["url"], content=FILM, headers=bare | {"Content-Type": "text/html"})
    assert wrong.status_code == 403


def test_a_size_that_is_told_all_the_same_is_held_to(me: Customer) -> None:
    file = declared_of_old(me, file_size=len(FILM))
    assert file["requests"][0]["headers"]["Content-Length"] == str(len(FILM))
    [request] = file["requests"]
    bare = {"Authorization": "", "Content-Type": "video/mp4"}
    assert me.http.put(request["url"], content=FILM + b"x", headers=bare).status_code == 403


@pytest.mark.parametrize("version", ["v1.1", "v2.0", "v2.1"])
def test_from_1_1_on_the_size_is_asked_for(me: Customer, version: str) -> None:
    answer = me.http.post(f"{PREFIX}/{version}/file/{VIDEO}", json={"files": [FILE]})
    assert failure_of(answer) == INVALID
    text = "files[0].file_size is required but wasn't included in your request."
    assert answer.json()["error"] == text


# Numbers


def test_whole_numbers_may_be_written_with_a_point(me: Customer, office: Office) -> None:
    task_id = me.begin_video(dst_duration=1.0)
    assert job_of(office, task_id)["request"]["end_s"] == 1
    assert me.http.post(f"{V2}/file", json={"files": [FILE | {"file_size": 7.0}]}).json()["data"]
    picture = me.upload(PHOTO, "image/jpeg")
    body = {"src_file_id": picture, "ref_file_ids": [picture]}
    assert me.begin(IMAGE, body | {"face_mapping": [{"index": 0.0, "position": 1.0}]})
    old = of_old(me.upload(), picture, dst_duration=7.0)
    assert me.http.post(f"{V1}/task/{VIDEO}", json=old).status_code == 200


@pytest.mark.parametrize("seconds", [1.5, "1", True, 0.0, -1.0, 1e300])
def test_others_are_refused_by_their_name(me: Customer, seconds: Any) -> None:
    body = {"src_file_url": URL, "ref_file_url": URL, "dst_duration": seconds}
    answer = me.http.post(f"{V2}/task/{VIDEO}", json=body)
    assert failure_of(answer) == INVALID
    assert answer.json()["error"].startswith("dst_duration is ")


# Which file or field is meant


@pytest.mark.parametrize(
    ("feature", "body", "field"),
    [
        (VIDEO, {"src_file_url": INSIDE, "ref_file_url": URL, "dst_duration": 5}, "src_file_url"),
        (VIDEO, {"src_file_url": URL, "ref_file_url": "x", "dst_duration": 5}, "ref_file_url"),
        (FACES, {"src_file_url": "x"}, "src_file_url"),
        (
            IMAGE,
            {
                "src_file_url": URL,
                "ref_file_urls": [URL, INSIDE],
                "face_mapping": [{"index": 1, "position": 0}],
            },
            "ref_file_urls[1]",
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_named(
    me: Customer, feature: str, body: dict[str, Any], field: str
) -> None:
    answer = me.http.post(f"{V2}/task/{feature}", json=body)
    assert failure_of(answer) == INVALID
    assert answer.json()["error"].startswith(f"{field}: ")


def refusal(me: Customer, path: str, body: Any) -> str:
    answer = me.http.post(path, json=body)
    assert failure_of(answer) == INVALID
    return answer.json()["error"]


def test_an_id_that_is_unknown_or_never_sent_says_so_by_its_name(
    me: Customer, other: Customer
) -> None:
    film, photo, waiting = me.upload(), me.upload(PHOTO, "image/jpeg"), me.declare()["file_id"]
    unknown, never = " is not the id of a file that is here.", " was declared and its file never"
    for lost, text in (("x", unknown), (other.upload(), unknown), (waiting, never)):
        seconds = {"dst_duration": 5}
        for name, body in (
            ("src_file_id", {"src_file_id": lost, "ref_file_id": photo} | seconds),
            ("ref_file_id", {"src_file_id": film, "ref_file_id": lost} | seconds),
        ):
            assert refusal(me, f"{V2}/task/{VIDEO}", body).startswith(name + text)
        mapping = [{"index": 1, "position": 0}]
        body = {"src_file_id": photo, "ref_file_ids": [photo, lost], "face_mapping": mapping}
        assert refusal(me, f"{V2}/task/{IMAGE}", body).startswith("ref_file_ids[1]" + text)
        old = refusal(me, f"{V1}/task/{VIDEO}", of_old(film, lost, dst_duration=5))
        assert old.startswith("payload.file_sets.ref_ids[0]" + text)
        old = refusal(me, f"{V1}/task/{IMAGE}", of_old(lost, photo, face_mapping=[
            {"index": 0, "position": 0}
        ]))  # fmt: skip
        assert old.startswith("payload.file_sets.src_ids[0]" + text)


def test_version_1_names_its_own_fields(me: Customer) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")
    path = f"{V1}/task/{VIDEO}"
    assert refusal(me, path, of_old(film)).startswith("payload.file_sets.ref_ids is required")
    params = "payload.actions[0].params"
    assert refusal(me, path, of_old(film, photo, dst_duration=31)).startswith(
        f"{params}.dst_duration is out of range"
    )
    assert f"{params}.dst_duration" in refusal(me, path, of_old(film, photo, dst_duration=None))
    told = refusal(me, f"{V1}/task/{IMAGE}", of_old(photo, photo))
    assert told.startswith(f"{params}.face_mapping is required")


Names = Callable[[Customer], tuple[str, dict[str, Any]]]


@pytest.mark.parametrize(
    ("code", "sentence", "error", "message"),
    [
        (
            "media_wrong_kind",
            "ref_file_id is no JPEG, PNG or WebP picture; give a photo",
            "error_decode_image",
            "reference image (ref_file_id)",
        ),
        (
            "no_face_in_source",
            "no face in ref_file_id; use a sharp portrait",
            "error_no_face",
            "no face in reference image (ref_file_id)",
        ),
        (
            "no_face_in_target",
            "no usable face in src_file_id; nothing was swapped and nothing written",
            "error_no_face",
            "no face in source video (src_file_id)",
        ),
        (
            "media_too_long",
            "src_file_id lasts 45.0 s, longer than the 30.5 s that are taken",
            "error_unsupported_video",
            "src_file_id lasts 45.0 s",
        ),
        (
            "bad_option",
            "the trim leaves no frame; choose another --start or --end",
            "invalid_parameter",
            "dst_duration does not fit source video (src_file_id)",
        ),
        (
            "content_refused",
            "ref_file_id is refused: nudity is not allowed here (rule: nudity)",
            "error_nsfw_content_detected",
            "ref_file_id is refused: nudity is not allowed here (rule: nudity)",
        ),
        (
            "protected_face",
            "face 1 of src_file_id is refused: this face may not be swapped here",
            "invalid_parameter",
            "face 1 of src_file_id is refused: this face may not be swapped here",
        ),
    ],
)
def test_a_task_that_failed_names_the_file(
    me: Customer, office: Office, code: str, sentence: str, error: str, message: str
) -> None:
    task_id = me.begin_video()
    fail(office, task_id, code, sentence)
    status = me.status(task_id)
    assert status["error"] == error
    assert message in status["error_message"]
    assert "--" not in status["error_message"]


def test_workers_know_each_file_by_the_field_it_came_in(me: Customer, office: Office) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")

    def names(task_id: str) -> tuple[str, ...]:
        request = load_request(job_of(office, task_id)["request"])
        if isinstance(request, DetectJob):
            return request.names
        assert isinstance(request, SwapJob)
        return request.target_name, *(photo.name for photo in request.photos)

    assert names(me.begin_video()) == ("src_file_id", "ref_file_id")
    both = {"src_file_url": URL, "ref_file_url": URL}
    assert names(me.begin_video(**both)) == ("src_file_url", "ref_file_url")
    assert names(me.begin(FACES, {"src_file_id": photo})) == ("src_file_id",)
    mapping = [{"index": -1, "position": -1}, {"index": 1, "position": 0}]
    body = {"src_file_id": photo, "ref_file_ids": [photo, photo], "face_mapping": mapping}
    assert names(me.begin(IMAGE, body)) == ("src_file_id", "ref_file_ids[1]", "face_mapping[1]")
    old = me.http.post(f"{V1}/task/{VIDEO}", json=of_old(film, photo)).json()["result"]["task_id"]
    assert names(old) == ("payload.file_sets.src_ids[0]", "payload.file_sets.ref_ids[0]")
    assert office.rules.tell_refusals


def test_no_key_is_told_without_a_word_of_ours(nobody: TestClient) -> None:
    answer = nobody.post(f"{V2}/file", json={"files": [FILE]})
    assert failure_of(answer) == (401, "InvalidApiKey")
