"""Endpoints 2 to 5: what is accepted, what the service is asked, what is answered."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.akool.bodies import (
    MEDIA,
    MIDDLE,
    NEW,
    OLD,
    OPTS,
    PIXEL,
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
from facades.akool.workers import FILM, finish_film
from lendface.service.clients import NewClient, find_client
from lendface.service.jobs import get_row
from lendface.service.office import Office
from lendface.storage.tables import uploads
from service.offices import BASE_URL, BEGAN_MS, new_client

BODIES = {V3_VIDEO: video, V3_IMAGE: image, PRO: pro, PLUS: plus}


def send(client: TestClient, path: str, body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(client: TestClient, path: str, body: Any) -> int:
    answer = send(client, path, body)
    assert set(answer) == {"code", "msg"}
    assert answer["msg"]
    return answer["code"]


def content_of(office: Office, row: sa.Row[Any]) -> str:
    """Of a picture that came within the request, as it came."""
    data = b"".join(office.blobs.read(row.blob_key))
    assert (row.state, row.size) == ("ready", len(data))
    assert row.sha256 == hashlib.sha256(data).hexdigest()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


class Sent:
    """The job that came of a request."""

    def __init__(self, client: TestClient, office: Office, path: str, body: Any) -> None:
        self.answer = send(client, path, body)
        assert self.answer["code"] == 1000, self.answer
        self.id = self.answer["data"]["_id"]
        with office.database.reading() as connection:
            self.row = get_row(connection, self.id)
            rows = connection.execute(sa.select(uploads)).all()
        self.url_by_upload = {row.id: row.url or content_of(office, row) for row in rows}

    @property
    def request(self) -> dict[str, Any]:
        return self.row["request"]

    @property
    def target(self) -> str:
        return self.url_by_upload[self.request["target"]]

    def source(self, number: int = 0) -> tuple[str, Any]:
        [photo] = self.request["pairs"][number]["photos"]
        return self.url_by_upload[photo["upload"]], photo["face_at"]

    def who(self, number: int = 0) -> dict[str, Any]:
        return self.request["pairs"][number]["who"]

    def reference(self, number: int = 0) -> tuple[str, Any]:
        photo = self.who(number)["photo"]
        return self.url_by_upload[photo["upload"]], photo["face_at"]


# V3


def test_a_video_is_accepted_with_the_address_of_its_result(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, V3_VIDEO, video())
    assert set(sent.answer) == {"code", "msg", "data"}
    data = sent.answer["data"]
    assert set(data) == {"_id", "job_id", "url"}
    assert re.fullmatch("[0-9a-f]{24}", data["_id"])
    assert int(data["_id"][:8], 16) == BEGAN_MS // 1000
    assert re.fullmatch(r"20260921141320000-\d{4}", data["job_id"])
    link = rf"{BASE_URL}/results/akool/[\w-]{{22}}/{data['_id']}\.mp4"
    assert re.fullmatch(link, data["url"])


def test_a_pair_becomes_a_swap_of_whom_the_target_picture_shows(
    me: TestClient, office: Office
) -> None:
    sent = Sent(me, office, V3_VIDEO, video())
    assert sent.target == f"{MEDIA}.mp4"
    assert sent.source() == (NEW, MIDDLE)
    assert sent.reference() == (OLD, MIDDLE)
    assert (sent.who()["kind"], sent.who()["or_most_present"]) == ("looks_like", True)
    assert sent.request["output"]["container"] == "mp4"
    assert sent.request["limits"]["kinds"] == ["video"]


@pytest.mark.parametrize(
    ("address", "ending"),
    [
        (f"{MEDIA}.jpg", "jpg"),
        (f"{MEDIA}.JPEG?size=2", "jpg"),
        (f"{MEDIA}.png", "png"),
        (f"{MEDIA}.webp#now", "png"),
        (MEDIA, "jpg"),
        (f"data:image/png;base64,{PIXEL}", "png"),
        (f"data:image/jpeg;base64,{PIXEL}", "jpg"),
    ],
)
def test_the_result_of_a_picture_ends_truthfully(
    me: TestClient, office: Office, address: str, ending: str
) -> None:
    sent = Sent(me, office, V3_IMAGE, image(modifyImage=address))
    assert sent.answer["data"]["url"].endswith(f"/{sent.id}.{ending}")
    assert sent.request["output"]["container"] == ending
    assert sent.request["limits"]["kinds"] == ["image"]
    assert sent.target == address.replace("image/jpeg", "image/png")


def test_pairs_keep_their_order(me: TestClient, office: Office) -> None:
    news = [f"https://a.example/new{number}.jpg" for number in range(8)]
    olds = [f"https://a.example/old{number}.jpg" for number in range(8)]
    body = video(
        sourceImage=[ref(path, OPTS) for path in news],
        targetImage=[ref(path, OPTS) for path in olds],
    )
    sent = Sent(me, office, V3_VIDEO, body)
    assert [sent.source(number)[0] for number in range(8)] == news
    assert [sent.reference(number)[0] for number in range(8)] == olds
    assert not any(sent.who(number)["or_most_present"] for number in range(8))


def test_the_same_address_is_fetched_once(me: TestClient, office: Office) -> None:
    body = image(sourceImage=[ref(NEW, OPTS)] * 2, targetImage=[ref(f"{MEDIA}.jpg", OPTS)] * 2)
    sent = Sent(me, office, V3_IMAGE, body)
    assert sorted(sent.url_by_upload.values()) == [f"{MEDIA}.jpg", NEW]


def test_a_target_that_is_the_media_itself_is_meant_by_its_points(
    me: TestClient, office: Office
) -> None:
    sent = Sent(me, office, V3_VIDEO, video(targetImage=[ref(f"{MEDIA}.mp4", OPTS)]))
    assert sent.who()["photo"]["upload"] == sent.request["target"]
    assert sent.reference()[1] == MIDDLE


def test_without_points_the_media_itself_means_who_is_seen_most(
    me: TestClient, office: Office
) -> None:
    sent = Sent(me, office, V3_VIDEO, video(targetImage=[ref(f"{MEDIA}.mp4")]))
    assert sent.who()["kind"] == "most_present"


def test_of_several_faces_of_the_media_each_must_be_told(me: TestClient) -> None:
    same = [ref(f"{MEDIA}.jpg", OPTS), ref(f"{MEDIA}.jpg", "no points")]
    assert refused(me, V3_IMAGE, image(targetImage=same, sourceImage=[ref(NEW, OPTS)] * 2)) == 1003


def test_one_pair_needs_no_opts(me: TestClient, office: Office) -> None:
    body = image(targetImage=[ref(OLD)], sourceImage=[ref(NEW)])
    sent = Sent(me, office, V3_IMAGE, body)
    assert (sent.source()[1], sent.reference()[1]) == (None, None)


@pytest.mark.parametrize("place", ["sourceImage", "targetImage"])
@pytest.mark.parametrize("missing", [{}, {"opts": ""}, {"opts": None}, {"opts": []}])
def test_several_pairs_need_opts_everywhere(
    me: TestClient, place: str, missing: dict[str, Any]
) -> None:
    both = [ref(NEW, OPTS), ref(OLD, OPTS)]
    body = video(sourceImage=both, targetImage=both)
    body[place] = [both[0], {"path": OLD} | missing]
    assert refused(me, V3_VIDEO, body) == 1003


@pytest.mark.parametrize("opts", [[OPTS], OPTS, f"{OPTS}:0,0:0,0", [[OPTS]]])
def test_opts_come_in_every_form(me: TestClient, office: Office, opts: Any) -> None:
    sent = Sent(me, office, V3_VIDEO, video(targetImage=[ref(OLD, opts)]))
    assert sent.reference() == (OLD, MIDDLE)


def test_opts_that_make_no_sense_are_passed_over(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, V3_VIDEO, video(sourceImage=[ref(NEW, "left a bit")]))
    assert sent.source() == (NEW, None)


ENHANCES = [
    *((0, False), ("0", False), (0.0, False), (False, False), ("false", False)),
    *((1, True), ("1", True), (1.0, True), (True, True), ("true", True)),
    *((None, False), ("", False)),
]


@pytest.mark.parametrize(
    "enhance", [5, -1, 2, 40, 100, 0.5, 1e400, "yes", "5", "0.5", "on", [], [1], {}], ids=repr
)
def test_enhancing_is_0_or_1_and_its_field_is_named(me: TestClient, enhance: Any) -> None:
    for path, body in BODIES.items():
        text = json.dumps(body(face_enhance=enhance))
        answer = me.post(path, content=text.encode()).json()
        assert answer == {"code": 1003, "msg": "face_enhance: must be 0 or 1"}


@pytest.mark.parametrize(("asked", "given"), ENHANCES, ids=repr)
def test_enhancing_is_done_where_it_is_asked_for(
    me: TestClient, office: Office, asked: Any, given: bool
) -> None:
    for path, body in BODIES.items():
        assert Sent(me, office, path, body(face_enhance=asked)).request["style"]["enhance"] is given


@pytest.mark.parametrize("changes", [{}, {"webhookUrl": None}, {"webhookUrl": ""}])
def test_no_webhook_may_be_said_in_three_ways(
    me: TestClient, office: Office, changes: dict[str, Any]
) -> None:
    body = video()
    del body["webhookUrl"]
    assert Sent(me, office, V3_VIDEO, body | changes).row["webhook_url"] is None


def test_unknown_fields_are_passed_over(me: TestClient) -> None:
    assert send(me, V3_VIDEO, video(min_face_size=80, watermark={"a": 1}))["code"] == 1000


def test_a_single_face_needs_no_list(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, V3_IMAGE, image(sourceImage=ref(NEW), targetImage=ref(OLD)))
    assert sent.source() == (NEW, None)


def test_json_needs_no_content_type(me: TestClient) -> None:
    body = b'{"sourceImage":[{"path":"https://a.example/n"}],"targetImage":[{"path":' + (
        b'"https://a.example/o"}],"modifyVideo":"https://a.example/v.mp4"}'
    )
    assert me.post(V3_VIDEO, content=body).json()["code"] == 1000
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert me.post(V3_VIDEO, content=body, headers=form).json()["code"] == 1003


def test_pictures_may_be_written_into_the_request(me: TestClient, office: Office) -> None:
    uri = f"data:image/png;base64,{PIXEL}"
    sent = Sent(me, office, V3_IMAGE, image(sourceImage=[ref(uri)], modifyImage=uri))
    assert (sent.source()[0], sent.target) == (uri, uri)


def test_an_address_with_a_blank_is_understood(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, V3_IMAGE, image(modifyImage=" https://a.example/my picture.jpg "))
    assert sent.target == "https://a.example/my%20picture.jpg"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sourceImage": [ref(NEW, OPTS)] * 2}, 1003),  # lengths differ
        ({"sourceImage": [], "targetImage": []}, 1003),
        ({"sourceImage": [ref(NEW, OPTS)] * 9, "targetImage": [ref(OLD, OPTS)] * 9}, 1007),
        ({"sourceImage": "nonsense"}, 1003),
        ({"sourceImage": None}, 1003),
        ({"sourceImage": [{}]}, 1003),
        ({"sourceImage": [ref("")]}, 1003),
        ({"sourceImage": [ref("not a url")]}, 1003),
        ({"sourceImage": [ref("ftp://a.example/a.jpg")]}, 1003),
        ({"sourceImage": [ref("file:///etc/passwd")]}, 1003),
        ({"sourceImage": [ref("blob:uploads/a/b")]}, 1003),
        ({"sourceImage": [ref("data:image/png;base64,???")]}, 1003),
        ({"sourceImage": [ref(f"data:image/png;base64,{PIXEL}")], "modifyVideo": "ftp://a"}, 1003),
        (
            {"targetImage": [ref(f"data:image/png;base64,{PIXEL}")], "sourceImage": [ref("ftp:")]},
            1003,
        ),
        ({"sourceImage": [ref("https://a.example/" + "?" * 2_000_000)]}, 1003),
        ({"sourceImage": [ref("http://10.0.0.1/a.jpg")]}, 1003),
        ({"modifyVideo": "http://169.254.169.254/latest"}, 1003),
        ({"modifyVideo": ""}, 1003),
        ({"modifyVideo": 7}, 1003),
        ({"webhookUrl": "http://10.0.0.1/hook"}, 1003),
        ({"webhookUrl": "nonsense"}, 1003),
        ({"webhookUrl": {"url": "https://a.example"}}, 1003),
    ],
)
def test_what_is_wrong_is_told_by_code_with_status_200(
    me: TestClient, office: Office, changes: dict[str, Any], code: int
) -> None:
    assert refused(me, V3_VIDEO, video(**changes)) == code
    with office.database.reading() as connection:
        assert not connection.execute(sa.select(uploads)).all()  # nothing was half done
    assert not list(office.blobs.list("uploads"))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'"a"', b"null", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_a_wrong_parameter(me: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    for path in (V3_IMAGE, V3_VIDEO, PRO, PLUS):
        response = me.post(path, content=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (200, 1003)


@pytest.mark.parametrize(
    "opts",
    [
        r'"\ud800"',
        r'"\u0000"',
        "[" * 400 + "]" * 400,
        '{"a":' * 400 + "1" + "}" * 400,
        "9" * 400,
        "NaN",
        "[[1e999,1],[2,3],[4,5]]",
        '"' + ":" * 2_000_000 + '"',
        "[" + "[1,2]," * 5_000 + "[1,2]]",
    ],
)
def test_opts_may_hold_whatever_json_can(me: TestClient, opts: str) -> None:
    body = (
        '{"sourceImage":[{"path":"https://a.example/n","opts":OPTS}],"targetImage":[{"path":'
        '"https://a.example/o","opts":OPTS}],"modifyVideo":'
        '"https://a.example/v.mp4","more":OPTS}'
    ).replace("OPTS", opts)
    headers = {"content-type": "application/json"}
    assert me.post(V3_VIDEO, content=body.encode(), headers=headers).json()["code"] == 1000


def test_a_body_that_is_too_large_is_refused(me: TestClient) -> None:
    uri = "data:image/png;base64," + "A" * (13 << 20)
    response = me.post(V3_IMAGE, json=image(modifyImage=uri))
    assert (response.status_code, response.json()["code"]) == (413, 1003)
    response = me.post("/api/open/v3/getToken", json={"clientId": "a" * (1 << 17)})
    assert response.status_code == 413


def test_a_large_body_holds_pictures_and_not_many_values(me: TestClient) -> None:
    uri = "data:image/png;base64," + "A" * (1 << 20)
    many = image(modifyImage=uri, more=[{}] * (1 << 17))
    response = me.post(V3_IMAGE, json=many)
    assert (response.status_code, response.json()["code"]) == (200, 1003)
    assert me.post(V3_IMAGE, json=image(modifyImage=uri)).json()["code"] == 1000
    assert me.post(V3_IMAGE, json=image(more=[{}] * (1 << 16))).json()["code"] == 1000


def test_without_credits_the_code_is_1006(app: FastAPI, office: Office) -> None:
    poor = new_client(office, "poor", quota_units=0)
    with TestClient(app, headers={"x-api-key": poor.key}) as client:
        for path, body in ((V3_VIDEO, video()), (PRO, pro()), (PLUS, plus())):
            assert refused(client, path, body) == 1006


def test_our_own_files_are_copied_and_not_fetched(
    me: TestClient, office: Office, made: NewClient
) -> None:
    """A server cannot fetch from itself where it may fetch nothing private."""
    first = Sent(me, office, V3_VIDEO, video())
    url = first.answer["data"]["url"]
    before = Sent(me, office, V3_VIDEO, video(modifyVideo=url))
    assert before.target == url  # not finished: like any address
    finish_film(office, first.id, FILM)
    after = Sent(me, office, V3_VIDEO, video(modifyVideo=url.replace("testserver", "other")))
    assert after.target == f"blob:results/{first.id}/result.mp4"
    changed = url.replace(first.id, before.id)
    assert Sent(me, office, V3_VIDEO, video(modifyVideo=changed)).target == changed


def test_the_key_that_a_job_came_with_is_noted(
    me: TestClient, office: Office, made: NewClient
) -> None:
    sent = Sent(me, office, V3_VIDEO, video())
    assert sent.row["notes"]["key"] == find_client(office, made.key).key_id
    assert sent.row["api"] == "akool"


# V4 Pro


def test_pro_answers_without_an_address(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, PRO, pro())
    assert (sent.answer["msg"], set(sent.answer["data"])) == ("OK", {"_id", "job_id"})


def test_pro_changes_the_picture_its_target_faces_are_in(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, PRO, pro())
    assert sent.target == f"{MEDIA}.jpg"
    assert sent.who()["photo"]["upload"] == sent.request["target"]
    assert (sent.source(), sent.reference()[1]) == ((NEW, MIDDLE), MIDDLE)
    assert sent.request["limits"]["kinds"] == ["image"]


def test_pro_takes_up_to_fifty_faces_of_one_picture(me: TestClient, office: Office) -> None:
    def faces(count: int) -> dict[str, Any]:
        return pro(
            targetImage=[ref(f"{MEDIA}.jpg", OPTS)] * count, sourceImage=[ref(NEW, OPTS)] * count
        )

    assert len(Sent(me, office, PRO, faces(50)).request["pairs"]) == 50
    assert refused(me, PRO, faces(51)) == 1003


def test_pro_takes_one_picture_at_a_time(me: TestClient) -> None:
    two = [ref(OLD, OPTS), ref(f"{MEDIA}.jpg", OPTS)]
    assert refused(me, PRO, pro(targetImage=two, sourceImage=[ref(NEW, OPTS)] * 2)) == 1003


def test_pro_with_a_single_face_swaps_whoever_is_seen_most(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, PRO, pro(single_face_mode=True))
    assert (len(sent.request["pairs"]), sent.who()["kind"]) == (1, "most_present")


def test_pro_knows_one_model(me: TestClient) -> None:
    assert refused(me, PRO, pro(model_name="another")) == 1003
    assert send(me, PRO, pro(model_name=None))["code"] == 1000


# V4 Plus


def test_plus_with_a_single_face_needs_no_mapping(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, PLUS, plus())
    assert (sent.answer["msg"], set(sent.answer["data"])) == ("OK", {"_id", "job_id"})
    assert (sent.target, sent.source()) == (f"{MEDIA}.mp4", (NEW, None))
    assert sent.who()["kind"] == "most_present"
    assert sent.request["output"]["container"] is None  # as the media is
    assert sent.request["limits"]["kinds"] is None


def test_plus_without_a_mapping_needs_a_single_face(me: TestClient) -> None:
    for changes in ({}, {"face_mapping": []}, {"face_mapping": None}):
        assert refused(me, PLUS, plus(single_face_mode=False, **changes)) == 1003


@pytest.mark.parametrize("bbox", [[100, 50, 200, 250], ["100", "50", 200, 250], "100,50,200,250"])
def test_a_mapping_finds_faces_by_box(me: TestClient, office: Office, bbox: Any) -> None:
    each = mapping({"face_url": OLD, "bbox": bbox}, {"face_url": NEW, "bbox": bbox})
    sent = Sent(me, office, PLUS, plus(single_face_mode=False, face_mapping=[each]))
    assert sent.source() == (NEW, [150, 150])
    assert sent.reference() == (OLD, [150, 150])
    assert sent.who()["or_most_present"] is True


def test_a_mapping_to_crops_needs_no_boxes(me: TestClient, office: Office) -> None:
    several = [mapping({"face_url": f"{OLD}?{number}"}) for number in range(8)]
    sent = Sent(me, office, PLUS, plus(single_face_mode=False, face_mapping=several))
    assert [sent.reference(number) for number in range(8)] == [
        (f"{OLD}?{number}", None) for number in range(8)
    ]
    assert sent.source(7) == (NEW, None)
    assert not sent.who()["or_most_present"]


@pytest.mark.parametrize("target", [{}, {"face_url": ""}, {"face_url": f"{MEDIA}.mp4"}])
def test_a_mapping_without_a_picture_means_the_media(
    me: TestClient, office: Office, target: dict[str, Any]
) -> None:
    each = mapping(target | {"bbox": [0, 0, 20, 40]})
    sent = Sent(me, office, PLUS, plus(single_face_mode=False, face_mapping=[each]))
    assert sent.who()["photo"]["upload"] == sent.request["target"]
    assert sent.reference()[1] == [10, 20]


def test_plus_takes_eight_faces(me: TestClient) -> None:
    many = [mapping({"face_url": OLD})] * 9
    assert refused(me, PLUS, plus(single_face_mode=False, face_mapping=many)) == 1007


@pytest.mark.parametrize("style", ["realistic", "beautify", "lossless", "", None])
def test_plus_takes_every_style(me: TestClient, office: Office, style: Any) -> None:
    sent = Sent(me, office, PLUS, plus(model_style=style))
    assert (sent.request["output"]["quality"] is not None) == (style == "lossless")
    assert sent.request["style"]["enhance"] is (style == "beautify")


def test_plus_refuses_a_style_that_is_none(me: TestClient) -> None:
    assert refused(me, PLUS, plus(model_style="cubist")) == 1003


def test_a_time_range_is_passed_over(me: TestClient, office: Office) -> None:
    sent = Sent(me, office, PLUS, plus(time_range={"start": 1, "end": 2}))
    assert (sent.request["start_s"], sent.request["end_s"]) == (None, None)
