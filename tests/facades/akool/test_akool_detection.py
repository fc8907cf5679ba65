"""Endpoints 9 to 11: what is asked of a worker, and how what it found is told."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.akool.bodies import V3_IMAGE, image, ref
from facades.akool.workers import Detector, face, found
from lendface.errors import UnreadableMediaError, UrlStatusError
from lendface.facades.akool.app import akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.service.clients import NewClient, revoke_client
from lendface.service.jobs import get_row
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from service.offices import BASE_URL, RecordingQueue, new_client

DETECT = "/interface/detect-api/detect_faces"
ANALYZE = "/interface/detect-api/faceswap/analyze_frames"
OLDER = "/detect"
PHOTO, FILM = "https://a.example/a.jpg", "https://a.example/a.mp4"

# The one complete example of the reference.
POINTS = [(410.0, 300.0), (520.0, 304.0), (468.0, 372.0), (425.0, 430.0), (510.0, 436.0)]
REGION, CROP = (370, 210, 190, 270), [307, 120, 316, 450]
EXAMPLE = {
    "landmarks": [[[410, 300], [520, 304], [468, 372], [467, 430], [425, 430], [510, 436]]],
    "landmarks_str": ["410,300:520,304:468,372:467,430"],
    "region": [[370, 210, 190, 270]],
    "removed": [],
    "frame_time": None,
}


def example(job: Any) -> dict[str, Any]:
    crop = (f"results/{job['id']}/face-0-0-0.jpg", CROP) if job["request"]["crops"] else None
    return {"targets": [found((0, None, [face(REGION, POINTS, crop=crop)]))]}


def test_faces_are_told_as_in_the_reference(
    me: TestClient, nobody: TestClient, office: Office, detector: Detector
) -> None:
    detector.answer = example
    response = me.post(DETECT, json={"url": PHOTO, "return_face_url": True})
    assert response.status_code == 200
    body = response.json()
    job = detector.seen[0]
    [url] = body["faces_obj"]["0"]["face_urls"]
    assert body == {
        "error_code": 0,
        "error_msg": "SUCCESS",
        "faces_obj": {
            "0": EXAMPLE
            | {
                "face_urls": [url],
                "crop_region": [CROP],
                "crop_landmarks": ["103,180:213,184:161,252:160,310"],
            }
        },
    }
    link = rf"{BASE_URL}/results/akool/[\w-]{{22}}/{job['id']}_face-0-0-0\.jpg"
    assert re.fullmatch(link, url)
    assert nobody.get(url).status_code == 410  # this worker made no picture
    office.blobs.put(f"results/{job['id']}/face-0-0-0.jpg", [b"jpeg"])
    response = nobody.get(url)
    assert (response.content, response.headers["content-type"]) == (b"jpeg", "image/jpeg")
    assert nobody.get(url.replace("face-0-0-0", "face-0-0-1")).status_code == 404
    assert nobody.get(url.replace("_face-0-0-0.jpg", ".jpg")).status_code == 404


def test_a_crop_can_be_a_source_without_being_fetched(
    me: TestClient, office: Office, detector: Detector
) -> None:
    detector.answer = example
    body = me.post(DETECT, json={"url": PHOTO, "return_face_url": True}).json()
    faces = body["faces_obj"]["0"]
    pair = [ref(faces["face_urls"][0], faces["crop_landmarks"][0])]
    office.blobs.put(f"results/{detector.seen[0]['id']}/face-0-0-0.jpg", [b"jpeg"])
    answer = me.post(V3_IMAGE, json=image(sourceImage=pair, targetImage=pair)).json()
    assert answer["code"] == 1000


def test_without_crops_these_fields_are_null(me: TestClient, detector: Detector) -> None:
    detector.answer = example
    body = me.post(DETECT, json={"url": PHOTO}).json()
    nulls = {"face_urls": None, "crop_region": None, "crop_landmarks": None}
    assert body["faces_obj"] == {"0": EXAMPLE | nulls}


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"url": PHOTO}, {"frames": 5, "crops": False, "largest_only": False}),
        ({"url": PHOTO, "num_frames": 24}, {"frames": 24}),
        ({"url": PHOTO, "num_frames": "7"}, {"frames": 7}),
        ({"url": PHOTO, "num_frames": 1000}, {"frames": 100}),
        ({"url": PHOTO, "num_frames": 0}, {"frames": 1}),
        ({"url": PHOTO, "num_frames": None}, {"frames": 5}),
        ({"url": PHOTO, "return_face_url": 1}, {"crops": True, "crop_margin": 1 / 3}),
        ({"url": PHOTO, "single_face": "true"}, {"largest_only": True}),
        ({"url": PHOTO, "min_face_size": 80, "img": None}, {"frames": 5}),
    ],
)
def test_what_a_worker_is_asked(
    me: TestClient, detector: Detector, body: dict[str, Any], asked: dict[str, Any]
) -> None:
    detector.answer = example
    assert me.post(DETECT, json=body).json()["error_code"] == 0
    [job] = detector.seen
    assert {name: job["request"][name] for name in asked} == asked
    assert (job["kind"], job["priority"], job["webhook_url"]) == ("detect", 1, None)


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:image/jpeg;base64,"])
@pytest.mark.parametrize("path", [DETECT, OLDER])
def test_a_picture_comes_as_base64(
    me: TestClient, office: Office, detector: Detector, prefix: str, path: str
) -> None:
    detector.answer = example
    text = base64.b64encode(b"\x89PNG" * 30).decode()
    wrapped = "\n".join((text[:76], text[76:]))
    answer = me.post(path, json={"img": prefix + wrapped, "single_face": True}).json()
    assert answer["error_msg"] == "SUCCESS"
    [blob] = office.blobs.list("uploads")
    assert b"".join(office.blobs.read(blob.key)) == b"\x89PNG" * 30


def test_the_address_wins_over_the_picture(
    me: TestClient, office: Office, detector: Detector
) -> None:
    detector.answer = example
    assert me.post(DETECT, json={"url": PHOTO, "img": "???"}).json()["error_code"] == 0


def test_a_video_is_told_by_the_numbers_of_its_frames(me: TestClient, detector: Detector) -> None:
    left, right, new = (10, 10, 100, 120), (300, 20, 100, 120), (500, 30, 100, 120)
    moved = (14, 10, 100, 120)
    detector.answer = lambda job: {
        "targets": [
            found(
                (0, 0.0, []),
                (5, 0.167, [face(left, who=1), face(right, who=2)]),
                (10, 0.333, [face(moved, who=1)]),
                (15, 0.5, [face(new, who=3)]),
                kind="video",
            )
        ]
    }
    frames = me.post(DETECT, json={"url": FILM}).json()["faces_obj"]
    assert list(frames) == ["0", "5", "10", "15"]
    assert [frame["frame_time"] for frame in frames.values()] == [0.0, 0.167, 0.333, 0.5]
    assert frames["0"]["landmarks"] == frames["0"]["landmarks_str"] == frames["0"]["region"] == []
    assert [frame["region"] for frame in frames.values()] == [
        [],
        [list(left), list(right)],
        [list(moved)],
        [list(new)],
    ]
    assert [frame["removed"] for frame in frames.values()] == [[], [], [list(right)], [list(moved)]]


@pytest.mark.parametrize("single", [False, True])
def test_no_face_is_no_error(me: TestClient, detector: Detector, single: bool) -> None:
    detector.answer = lambda job: {"targets": [found((0, None, []))]}
    body = me.post(DETECT, json={"url": PHOTO, "single_face": single}).json()
    assert (body["error_code"], body["error_msg"]) == (0, "SUCCESS")
    assert body["faces_obj"]["0"]["landmarks"] == []


# What goes wrong


@pytest.mark.parametrize("body", [{}, {"url": "", "img": ""}, {"url": None}, {"image": "x"}])
def test_nothing_to_look_at_is_told_as_in_the_reference(me: TestClient, body: Any) -> None:
    response = me.post(DETECT, json=body)
    assert response.status_code == 400
    answer = response.json()
    assert answer == {"error_code": 1, "error_msg": answer["error_msg"], "faces_obj": {}}
    assert answer["error_msg"].startswith("Missing url or img")


@pytest.mark.parametrize(
    "body",
    [{"url": "nonsense"}, {"url": "http://10.0.0.1/a.jpg"}, {"img": "???"}, {"url": 7}, [], "a"],
)
def test_what_can_be_told_at_once_is_400(me: TestClient, office: Office, body: Any) -> None:
    response = me.post(DETECT, json=body)
    assert (response.status_code, response.json()["error_code"]) == (400, 1)
    assert isinstance(office.queue, RecordingQueue)
    assert not office.queue.submitted


def test_an_address_in_a_wrong_form_is_told_so(me: TestClient) -> None:
    message = me.post(DETECT, json={"url": "nonsense"}).json()["error_msg"]
    assert message.startswith("Invalid URL")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UrlStatusError("a.example", 404), "Failed to download media: "),
        (UnreadableMediaError("the file", "it is text"), "Failed to process media: "),
    ],
)
def test_what_a_worker_finds_wrong_is_500(
    me: TestClient, detector: Detector, error: Exception, words: str
) -> None:
    detector.answer = lambda job: error
    response = me.post(DETECT, json={"url": PHOTO})
    assert response.status_code == 500
    assert response.json() == {"error_code": 1, "error_msg": f"{words}{error}", "faces_obj": {}}
    response = me.post(ANALYZE, json={"frame_urls": [PHOTO]})
    assert (response.status_code, response.json()) == (
        500,
        {"success": False, "error": f"{words}{error}"},
    )
    response = me.post(OLDER, json={"image_url": PHOTO, "single_face": True})
    assert (response.status_code, response.json()) == (
        200,
        {"error_code": 1, "error_msg": f"{words}{error}"},
    )


def test_nobody_waits_for_ever(office: Office, made: NewClient) -> None:
    app = akool_app(office, RateLimiter(office.now_ms), AkoolOptions(BASE_URL, detect_s=0.05))
    with TestClient(app, headers={"x-api-key": made.key}) as me:
        response = me.post(DETECT, json={"url": PHOTO})
    assert (response.status_code, response.json()["error_code"]) == (500, 1)
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.cancelled == office.queue.submitted


def test_detection_costs_nothing(app: FastAPI, office: Office, detector: Detector) -> None:
    detector.answer = example
    poor = new_client(office, "poor", quota_units=0)
    with TestClient(app, headers={"x-api-key": poor.key}) as client:
        assert client.post(DETECT, json={"url": PHOTO}).json()["error_code"] == 0


def test_who_waits_is_told_when_the_key_ends(
    me: TestClient, office: Office, made: NewClient, detector: Detector
) -> None:
    def revoke(job: Mapping[str, Any]) -> Mapping[str, Any]:
        revoke_client(office, made.client_id)
        gone.wait(300)
        return {"targets": []}

    gone = threading.Event()
    detector.answer = revoke
    try:
        body = me.post(OLDER, json={"image_url": PHOTO}).json()
        with office.database.reading() as connection:
            assert get_row(connection, detector.seen[0]["id"])["state"] == "cancelled"
    finally:
        gone.set()
    assert (body["error_code"], body["code"]) == (1, 1200)


# The older detection

OLDER_POINTS = [[410, 300], [520, 304], [468, 372], [425, 430], [0, 0], [0, 0]]
OLDER_TEXT = "410,300:520,304:468,372:425,430"


def test_several_faces_are_told_in_lists(me: TestClient, detector: Detector) -> None:
    detector.answer = example
    body = me.post(OLDER, json={"image_url": PHOTO, "single_face": False}).json()
    assert body == {
        "error_code": 0,
        "error_msg": "SUCCESS",
        "landmarks": [OLDER_POINTS],
        "landmarks_str": [OLDER_TEXT],
        "region": [list(REGION)],
        "seconds": body["seconds"],
        "trx_id": body["trx_id"],
    }
    assert type(body["seconds"]) is float
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", body["trx_id"])


def test_a_single_face_is_told_flat(me: TestClient, detector: Detector) -> None:
    detector.answer = example
    body = me.post(OLDER, json={"image_url": PHOTO, "single_face": True}).json()
    assert (body["landmarks"], body["landmarks_str"]) == (OLDER_POINTS, OLDER_TEXT)
    assert body["region"] == list(REGION)
    detector.answer = lambda job: {"targets": [found((0, None, []))]}
    body = me.post(OLDER, json={"image_url": PHOTO, "single_face": True}).json()
    assert (body["landmarks"], body["landmarks_str"], body["region"]) == ([], "", [])


def test_an_operator_may_have_it_nested(
    office: Office, made: NewClient, detector: Detector
) -> None:
    detector.answer = example
    options = AkoolOptions(BASE_URL, nested_detect=True)
    with TestClient(akool_app(office, RateLimiter(office.now_ms), options)) as client:
        headers = {"x-api-key": made.key}
        asked = {"image_url": PHOTO, "single_face": True}
        body = client.post(OLDER, json=asked, headers=headers).json()
    assert (body["landmarks"], body["landmarks_str"]) == ([OLDER_POINTS], [OLDER_TEXT])


def test_the_older_detection_needs_a_key_unless_an_operator_opens_it(
    office: Office, nobody: TestClient, made: NewClient, detector: Detector
) -> None:
    detector.answer = example
    asked = {"image_url": PHOTO, "single_face": True}
    assert nobody.post(OLDER, json=asked).json()["code"] == 1102
    options = AkoolOptions(BASE_URL, detect_client=made.client_id)
    with TestClient(akool_app(office, RateLimiter(office.now_ms), options)) as open_to_all:
        for headers in ({}, {"Authorization": "Bearer dummy"}):
            body = open_to_all.post(OLDER, json=asked, headers=headers).json()
            assert body["error_msg"] == "SUCCESS"
        assert open_to_all.post(DETECT, json={"url": PHOTO}).status_code == 401
    assert {job["client_id"] for job in detector.seen} == {made.client_id}
    revoke_client(office, made.client_id)
    with TestClient(akool_app(office, RateLimiter(office.now_ms), options)) as closed_to_all:
        assert closed_to_all.post(OLDER, json=asked).json()["code"] == 1200


# People over frames


def test_people_are_followed_over_frames(me: TestClient, detector: Detector) -> None:
    left, right = (10, 10, 100, 120), (300, 20, 100, 120)

    def answer(job: Any) -> dict[str, Any]:
        def seen(number: int, place: int, box: Any, who: int) -> dict[str, Any]:
            crop = (f"results/{job['id']}/face-{number}-0-{place}.jpg", list(box))
            return face(box, who=who, score=0.9876, crop=crop)

        return {
            "targets": [
                found((0, None, [seen(0, 0, right, 1)])),
                found((0, None, [seen(1, 0, left, 2), seen(1, 1, right, 1)])),
                found((0, None, [])),
                found((0, None, [seen(3, 0, right, 2)])),
            ]
        }

    detector.answer = answer
    frames = [f"https://a.example/{number}.jpg" for number in range(4)]
    asked = {"frame_urls": frames, "timestamps": [0.5, 1, 1.5, 2.25], "expand_ratio": 0.2}
    body = me.post(ANALYZE, json=asked).json()
    [job] = detector.seen
    assert (job["request"]["crop_margin"], job["request"]["crops"]) == (0.2, True)
    assert (body["success"], body["frame_count"]) == (True, 4)
    assert body["persons"] == [
        {
            "person_id": "person_0",
            "index": 0,
            "face_url": body["persons"][0]["face_url"],
            "bbox": [10, 10, 110, 130],
            "confidence": 0.988,
            "appearances": [
                {"timestamp": 1.0, "frame_idx": 1, "bbox": [10, 10, 110, 130]},
                {"timestamp": 2.25, "frame_idx": 3, "bbox": [300, 20, 400, 140]},
            ],
            "first_seen": 1.0,
            "last_seen": 2.25,
        },
        {
            "person_id": "person_1",
            "index": 1,
            "face_url": body["persons"][1]["face_url"],
            "bbox": [300, 20, 400, 140],
            "confidence": 0.988,
            "appearances": [
                {"timestamp": 0.5, "frame_idx": 0, "bbox": [300, 20, 400, 140]},
                {"timestamp": 1.0, "frame_idx": 1, "bbox": [300, 20, 400, 140]},
            ],
            "first_seen": 0.5,
            "last_seen": 1.0,
        },
    ]
    assert body["persons"][0]["face_url"].endswith("_face-1-0-0.jpg")


def test_in_one_frame_every_face_is_a_person(me: TestClient, detector: Detector) -> None:
    def answer(job: Any) -> dict[str, Any]:
        crop = (f"results/{job['id']}/face-0-0-0.jpg", [0, 0, 9, 9])
        faces = [face((100 * who, 0, 50, 50), who=who, crop=crop) for who in (0, 1)]
        return {"targets": [found((0, None, faces))]}

    detector.answer = answer
    body = me.post(ANALYZE, json={"frame_urls": [PHOTO]}).json()
    assert [person["first_seen"] for person in body["persons"]] == [0.0, 0.0]


def test_nobody_in_any_frame_is_no_error(me: TestClient, detector: Detector) -> None:
    detector.answer = lambda job: {"targets": [found((0, None, []))] * 2}
    body = me.post(ANALYZE, json={"frame_urls": [PHOTO, PHOTO]}).json()
    assert body == {"success": True, "frame_count": 2, "persons": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"frame_urls": []},
        {"frame_urls": [PHOTO], "timestamps": [1, 2]},
        {"frame_urls": [PHOTO], "timestamps": ["soon"]},
        {"frame_urls": [PHOTO], "timestamps": ["nan"]},
        {"frame_urls": ["nonsense"]},
        {"frame_urls": [PHOTO] * 201},
    ],
)
def test_wrong_frames_are_told_with_400(me: TestClient, body: Any) -> None:
    response = me.post(ANALYZE, json=body)
    assert response.status_code == 400
    assert set(response.json()) == {"success", "error"}
    assert response.json()["success"] is False
