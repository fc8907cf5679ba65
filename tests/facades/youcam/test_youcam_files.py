"""Files: declared, sent, used more than once, and gone after their time."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from facades.youcam.customers import FILM, PHOTO, V1, V2, VIDEO, Customer, failure_of
from lendface.facades.youcam.terms import MIB, PREFIX, Terms
from service.offices import BASE_URL, Clock

FILE = {"content_type": "video/mp4", "file_name": "clip.mp4", "file_size": 2210455}
DAY_S = 24 * 3600
INVALID = 400, "InvalidParameters"


def test_a_file_is_declared_as_in_the_reference(me: Customer) -> None:
    answer = me.http.post(f"{V2}/file", json={"files": [FILE]})
    told = answer.json()
    (file,) = told["data"]["files"]
    (request,) = file["requests"]
    assert told == {
        "status": 200,
        "data": {
            "files": [
                {
                    "content_type": "video/mp4",
                    "file_name": "clip.mp4",
                    "file_id": file["file_id"],
                    "requests": [
                        {
                            "method": "PUT",
                            "url": request["url"],
                            "headers": {"Content-Length": "2210455", "Content-Type": "video/mp4"},
                        }
                    ],
                }
            ]
        },
    }
    assert urlsplit(request["url"]).netloc == urlsplit(BASE_URL).netloc


def test_file_ids_are_64_characters_of_standard_base64(me: Customer) -> None:
    files = me.http.post(f"{V2}/file", json={"files": [FILE] * 40}).json()["data"]["files"]
    ids = [file["file_id"] for file in files]
    assert len(set(ids)) == 40
    assert {len(base64.b64decode(each, validate=True)) for each in ids} == {48}
    assert {len(each) for each in ids} == {64}
    assert re.search("[+/]", "".join(ids)), "not of the alphabet that is safe in addresses"


@pytest.mark.parametrize("version", ["v1.0", "v1.1", "v2.0", "v2.1"])
@pytest.mark.parametrize("feature", ["face-swap-vid", "face-swap"])
def test_each_feature_has_an_address_of_its_own(me: Customer, version: str, feature: str) -> None:
    answer = me.http.post(f"{PREFIX}/{version}/file/{feature}", json={"files": [FILE]})
    key = "result" if version < "v2" else "data"
    assert set(answer.json()) == {"status", key}
    assert answer.json()[key]["files"][0]["file_name"] == "clip.mp4"


def test_the_universal_address_is_there_in_2_1_and_not_in_1(me: Customer) -> None:
    body = {"files": [FILE]}
    assert me.http.post(f"{PREFIX}/v2.1/file", json=body).status_code == 200
    assert failure_of(me.http.post(f"{V1}/file", json=body)) == (404, "NotFound")


@pytest.mark.parametrize(
    "content_type",
    [
        *("image/jpg", "image/jpeg", "image/png", "video/mp4", "video/quicktime"),
        *("image/heic", "image/heif", "image/avif"),  # which phones send
    ],
)
def test_these_types_are_taken_and_told_back(me: Customer, content_type: str) -> None:
    declared = me.declare(PHOTO, content_type)
    assert declared["content_type"] == content_type
    assert declared["requests"][0]["headers"]["Content-Type"] == content_type
    assert me.put(declared, PHOTO).status_code == 200


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"content_type": "text/html"}, "files[0].content_type is not one of the accepted values."),
        ({"content_type": None}, "'files[0].content_type' is required and can't be null."),
        ({"file_size": 0}, "files[0].file_size is out of range: the allowed minimum is 1."),
        ({"file_size": "7"}, "files[0].file_size is not valid: Input should be a valid integer."),
        ({"file_size": True}, "files[0].file_size is not valid: Input should be a valid integer."),
        (
            {"file_size": 100 * MIB + 1},
            "files[0].file_size is out of range: the allowed maximum is 104857600.",
        ),
        (
            {"content_type": "image/png", "file_size": 10 * MIB + 1},
            "files[0].file_size is out of range: the allowed maximum is 10485760.",
        ),
        (
            {"file_name": ""},
            "files[0].file_name is not valid: String should have at least 1 character.",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_declared_is_told(me: Customer, change: dict, text: str) -> None:
    answer = me.http.post(f"{V2}/file", json={"files": [FILE | change]})
    assert failure_of(answer) == INVALID
    assert answer.json()["error"] == text


@pytest.mark.parametrize("field", ["content_type", "file_name", "file_size"])
def test_a_missing_field_is_named(me: Customer, field: str) -> None:
    file = {name: value for name, value in FILE.items() if name != field}
    answer = me.http.post(f"{V2}/file", json={"files": [FILE, file]})
    assert failure_of(answer) == INVALID
    text = f"files[1].{field} is required but wasn't included in your request."
    assert answer.json()["error"] == text


@pytest.mark.parametrize("body", [{}, {"files": []}, {"files": None}, {"files": "a.mp4"}])
def test_without_files_nothing_is_declared(me: Customer, body: dict) -> None:
    assert failure_of(me.http.post(f"{V2}/file", json=body)) == INVALID


def test_of_several_files_all_are_declared_or_none(me: Customer) -> None:
    large = FILE | {"file_size": 100 * MIB + 1}
    assert failure_of(me.http.post(f"{V2}/file", json={"files": [FILE, large]})) == INVALID
    assert me.http.get("/v1/uploads").json()["items"] == []


def test_unknown_fields_are_ignored(me: Customer) -> None:
    body = {"files": [FILE | {"colour": "red"}], "request_id": 1}
    assert me.http.post(f"{V2}/file", json=body).status_code == 200


def test_an_upload_needs_no_key(me: Customer, nobody: TestClient) -> None:
    (request,) = me.declare()["requests"]
    answer = nobody.put(request["url"], content=FILM, headers=request["headers"])
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("data", "content_type"),
    [(FILM + b"x", "video/mp4"), (FILM[1:], "video/mp4"), (FILM, "image/png"), (FILM, None)],
    ids=["longer", "shorter", "another type", "no type"],
)
def test_declared_size_and_type_are_held_to(
    me: Customer, nobody: TestClient, data: bytes, content_type: str | None
) -> None:
    (request,) = me.declare()["requests"]
    headers = {"Content-Type": content_type} if content_type else {}
    assert nobody.put(request["url"], content=data, headers=headers).status_code == 403


@pytest.mark.parametrize(("after_s", "status"), [(7199, 200), (7200, 403)])
def test_an_upload_link_is_good_for_two_hours(
    me: Customer, clock: Clock, after_s: int, status: int
) -> None:
    declared = me.declare()
    clock.pass_s(after_s)
    assert me.put(declared).status_code == status


def test_an_id_can_be_used_again_and_by_every_feature(me: Customer) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/png")
    tasks = {me.begin_video(src_file_id=film, ref_file_id=photo) for _ in range(2)}
    assert len(tasks) == 2
    body = {"src_file_id": photo, "ref_file_ids": [photo]}
    mapping = {"face_mapping": [{"index": 0, "position": 0}]}
    assert me.begin("face-swap", body | mapping)


@pytest.mark.parametrize(("after_s", "is_there"), [(30 * DAY_S - 1, True), (30 * DAY_S, False)])
def test_a_file_is_kept_for_thirty_days(
    me: Customer, clock: Clock, after_s: int, is_there: bool
) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")
    clock.pass_s(after_s)
    body = {"src_file_id": film, "ref_file_id": photo, "dst_duration": 5}
    answer = me.http.post(f"{V2}/task/{VIDEO}", json=body)
    if is_there:
        assert answer.status_code == 200
    else:
        assert failure_of(answer) == INVALID


class TestWithoutTheVendorsLimits:
    @pytest.fixture
    def terms(self) -> Terms:
        return Terms(BASE_URL, holds_limits=False)

    def test_the_servers_own_count(self, me: Customer) -> None:
        def declare(content_type: str, size: int) -> int:
            file = FILE | {"content_type": content_type, "file_size": size}
            return me.http.post(f"{V2}/file", json={"files": [file]}).status_code

        assert declare("image/png", 32 * MIB) == 200
        assert declare("image/png", 32 * MIB + 1) == 400
        assert declare("video/mp4", 64 * MIB) == 200
        assert declare("video/mp4", 64 * MIB + 1) == 400
