"""Errors in the vendor's own words: the field that is meant, no option of our command, no id or
path of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.akool.bodies import (
    MEDIA,
    NEW,
    OLD,
    OPTS,
    PLUS,
    PRO,
    V3_IMAGE,
    V3_VIDEO,
    image,
    mapping,
    plus,
    pro,
    ref,
    video,
)
from facades.akool.workers import Detector
from lendface import errors as e
from lendface.facades.akool.envelopes import DETECT, OLDER, in_akools_words, sentence_of
from lendface.service.clients import NewClient
from lendface.service.jobs import get_row
from lendface.service.office import Office
from lendface.service.requests import DetectJob, SwapJob, load_request
from lendface.service.states import FAILED
from service.offices import end_job, new_client, start_job

GET_TOKEN = "/api/open/v3/getToken"
LIST = "/api/open/v3/faceswap/result/listbyids"
INSIDE = "http://10.0.0.1/a.jpg"
# An option or a command of ours, an id or a file of ours.
OURS = re.compile(r"(?<!\w)--[a-z]|lendface (?!again)|/v1/|[0-9a-f]{24}|uploads/")


def answer_to(client: TestClient, path: str, body: Any) -> tuple[int, str]:
    told = client.post(path, json=body).json()
    assert set(told) == {"code", "msg"}, told
    assert not OURS.search(told["msg"])
    return told["code"], told["msg"]


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (V3_VIDEO, video(webhookUrl="ftp://a.example/x"), "webhookUrl"),
        (V3_VIDEO, video(webhookUrl="not an address"), "webhookUrl"),
        (PLUS, plus(webhookUrl=INSIDE), "webhookUrl"),
        (V3_VIDEO, video(sourceImage=[ref("me.jpg")]), "sourceImage[0].path"),
        (V3_VIDEO, video(sourceImage=[ref(NEW, OPTS), ref(INSIDE, OPTS)],
                         targetImage=[ref(OLD, OPTS)] * 2), "sourceImage[1].path"),
        (V3_VIDEO, video(targetImage=[ref("file:///etc/passwd")]), "targetImage[0].path"),
        (V3_VIDEO, video(modifyVideo="https://"), "modifyVideo"),
        (V3_IMAGE, image(modifyImage=INSIDE), "modifyImage"),
        (V3_IMAGE, image(sourceImage=[ref("data:image/png;base64,!")]), "sourceImage[0].path"),
        (PRO, pro(targetImage=[ref("x", OPTS)]), "targetImage[0].path"),
        (PLUS, plus(source_url="x"), "source_url"),
        (PLUS, plus(target_url=INSIDE), "target_url"),
        (PLUS, plus(single_face_mode=False, face_mapping=[mapping({}, {"face_url": "x"})]),
         "face_mapping[0].source_face_info.face_url"),
        (PLUS, plus(single_face_mode=False, face_mapping=[
            mapping({"face_url": OLD}), mapping({"face_url": "x"}),
        ]), "face_mapping[1].target_face_info.face_url"),
        # What no schema takes
        (V3_VIDEO, video(sourceImage=[{}]), "sourceImage[0].path"),
        (V3_VIDEO, video(sourceImage=[ref(NEW), {"path": 7}]), "sourceImage[1].path"),
        (V3_VIDEO, video(modifyVideo=None), "modifyVideo"),
        (V3_VIDEO, video(webhookUrl=7), "webhookUrl"),
        (PLUS, plus(model_style="pretty"), "model_style"),
        (PLUS, plus(face_mapping=[{"source_face_info": {}}]),
         "face_mapping[0].source_face_info.face_url"),
        ("/api/open/v3/faceswap/result/delbyids", {"_ids": 7}, "_ids"),
        ("/api/open/v3/faceswap/result/delbyids", {"_ids": ["a", 7]}, "_ids"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_by_its_field(
    me: TestClient, path: str, body: Any, field: str
) -> None:
    code, msg = answer_to(me, path, body)
    assert code == 1003
    assert msg.startswith(f"{field}: ")


def test_of_several_faces_the_one_without_opts_is_named(me: TestClient) -> None:
    both = [ref(NEW, OPTS), ref(OLD, OPTS)]
    for name in ("sourceImage", "targetImage"):
        body = video(**{"sourceImage": both, "targetImage": both} | {name: [both[0], ref(OLD)]})
        code, msg = answer_to(me, V3_VIDEO, body)
        assert (code, msg.partition(" ")[0]) == (1003, f"{name}[1].opts")


def test_a_face_of_the_picture_itself_is_asked_for_by_its_own_opts(me: TestClient) -> None:
    media = f"{MEDIA}.jpg"
    body = image(
        sourceImage=[ref(NEW, OPTS)] * 2, targetImage=[ref(media, OPTS), ref(media, "there")]
    )
    code, msg = answer_to(me, V3_IMAGE, body)
    assert code == 1003
    assert msg.startswith("targetImage[1].opts must say which face")


def test_a_list_that_is_not_asked_for_names_its_parameter(me: TestClient) -> None:
    assert me.get(LIST).json()["msg"].startswith("_ids: ")


# Submitting


@pytest.mark.parametrize(
    ("path", "body"), [(V3_VIDEO, video()), (V3_IMAGE, image()), (PRO, pro()), (PLUS, plus())]
)
def test_msg_of_a_submission_is_ok(me: TestClient, path: str, body: Any) -> None:
    assert me.post(path, json=body).json()["msg"] == "OK"


def request_of(office: Office, job_id: str) -> SwapJob | DetectJob:
    with office.database.reading() as connection:
        request = load_request(get_row(connection, job_id)["request"])
    assert isinstance(request, SwapJob | DetectJob)
    return request


FIELDS = [
    (V3_VIDEO, video(), ("modifyVideo", "sourceImage[0].path", "targetImage[0].path")),
    (V3_IMAGE, image(), ("modifyImage", "sourceImage[0].path", "targetImage[0].path")),
    (PRO, pro(), ("targetImage[0].path", "sourceImage[0].path", "targetImage[0].opts")),
    (PRO, pro(single_face_mode=True), ("targetImage[0].path", "sourceImage[0].path")),
    (PLUS, plus(), ("target_url", "source_url")),
    (
        PLUS,
        plus(single_face_mode=False, face_mapping=[mapping({"bbox": [1, 2, 3, 4]})]),
        (
            "target_url",
            "face_mapping[0].source_face_info.face_url",
            "face_mapping[0].target_face_info.bbox",
        ),
    ),
]


@pytest.mark.parametrize(("path", "body", "names"), FIELDS)
def test_workers_know_each_file_by_the_field_it_came_in(
    me: TestClient, office: Office, path: str, body: Any, names: tuple[str, ...]
) -> None:
    request = request_of(office, me.post(path, json=body).json()["data"]["_id"])
    assert isinstance(request, SwapJob)
    assert (request.target_name, *(photo.name for photo in request.photos)) == names


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            str(e.SeveralSourceFacesError("sourceImage[0].path", 2)),
            "2 faces in sourceImage[0].path; say which one with opts beside it, as detect_faces "
            "tells",
        ),
        (str(e.SeveralSourceFacesError("source_url", 2)), "2 faces in source_url"),
        (
            str(e.SeveralSourceFacesError("face_mapping[0].source_face_info.face_url", 2)),
            "2 faces in face_mapping[0].source_face_info.face_url; say which one with bbox "
            "beside it",
        ),
        (
            "nobody in modifyVideo looks like targetImage[0].path; see the cast list with: "
            "lendface scan TARGET",
            "nobody in modifyVideo looks like targetImage[0].path",
        ),
        ("libx264 failed (x); try another --codec", "libx264 failed (x)"),
    ],
)
def test_a_failed_job_names_no_option_of_the_command_line(
    me: TestClient, office: Office, sentence: str, told: str
) -> None:
    job_id = me.post(V3_VIDEO, json=video()).json()["data"]["_id"]
    start_job(office, job_id)
    end_job(office, job_id, FAILED, error_code="bad_face", error_message=sentence)
    [item] = me.get(LIST, params={"_ids": job_id}).json()["data"]["result"]
    names = ("error_msg", "faceswap_fail_reason", "fail_reason", "alg_msg", "msg")
    assert {item[name] for name in names} == {told}


def all_errors(kind: type[e.LendfaceError] = e.LendfaceError) -> Iterator[type[e.LendfaceError]]:
    for narrower in kind.__subclasses__():
        yield narrower
        yield from all_errors(narrower)


ARGUMENTS: dict[str, Any] = {
    "code": "x", "message": "y", "size_wh": (4, 4), "of_a_side": True,
    "allowed": ("a",), "available": ("a",), "scores": (),
}  # fmt: skip


def test_no_error_of_ours_tells_an_option_or_a_command() -> None:
    """Whichever may come: each is made with something for every argument."""
    for kind in all_errors():
        code = getattr(kind.__init__, "__code__", None)  # None: its sentence is made elsewhere
        names = code.co_varnames[1 : code.co_argcount] if code else ()
        error = kind(*(ARGUMENTS.get(name, 2) for name in names))
        assert not OURS.search(sentence_of(error)), kind


# Listed, logged in


def test_items_have_the_job_id_of_the_submission(me: TestClient) -> None:
    for path, body in ((V3_VIDEO, video()), (V3_IMAGE, image()), (PRO, pro()), (PLUS, plus())):
        data = me.post(path, json=body).json()["data"]
        [item] = me.get(LIST, params={"_ids": data["_id"]}).json()["data"]["result"]
        assert (item["_id"], item["job_id"]) == (data["_id"], data["job_id"])


def test_a_wrong_client_id_says_so(nobody: TestClient, made: NewClient, office: Office) -> None:
    other = new_client(office, "other")
    for client_id in (other.client_id, "nobody", ""):
        body = {"clientId": client_id, "clientSecret": made.key}
        code, msg = answer_to(nobody, GET_TOKEN, body)
        assert code == 1101
        assert msg.startswith("clientId: this is not the client id of that key")
    body = {"clientId": made.client_id, "clientSecret": "wrong"}
    code, msg = answer_to(nobody, GET_TOKEN, body)
    assert (code, msg.partition(":")[0]) == (1101, "clientSecret")


def test_who_has_no_key_is_told_of_the_vendors_header(nobody: TestClient) -> None:
    told = nobody.post(V3_VIDEO, json=video()).json()
    assert told["code"] == 1102
    assert "x-api-key" in told["msg"]


# Detection


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (DETECT, {"url": "https://nowhere.example/a.jpg"}, "url"),
        (DETECT, {"img": "data:image/png;base64,AAAA"}, "img"),
        (OLDER, {"image_url": "https://nowhere.example/a.jpg", "single_face": True}, "image_url"),
    ],
)
def test_what_a_detection_could_not_bring_is_told_in_the_vendors_envelope(
    me: TestClient, office: Office, detector: Detector, path: str, body: Any, field: str
) -> None:
    failure = e.UrlUnreachableError("nowhere.example", "its name is not known")
    failure.field = field
    detector.answer = lambda job: failure
    told = me.post(path, json=body).json()
    assert told["error_code"] == 1
    assert told["error_msg"] == (
        f"Failed to download media: {field}: nowhere.example cannot be reached: its name is not "
        "known; check the URL"
    )
    [job] = detector.seen
    request = request_of(office, job["id"])
    assert isinstance(request, DetectJob)
    assert request.names == (field,)


@pytest.mark.parametrize("url", ["x", INSIDE, "https://"])
def test_an_address_that_cannot_be_one_names_its_field(me: TestClient, url: str) -> None:
    answer = me.post(DETECT, json={"url": url})
    told = answer.json()
    assert (answer.status_code, told["error_code"], told["faces_obj"]) == (400, 1, {})
    assert told["error_msg"].startswith("Invalid URL: url: ")


def test_words_leave_what_happened_and_only_drop_ways_out() -> None:
    assert in_akools_words("--end must be later than --start") == "end must be later than start"
