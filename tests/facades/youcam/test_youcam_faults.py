"""Each of our errors as a task's error in the vendor's codes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from facades.youcam.customers import (
    FACES,
    IMAGE,
    PHOTO,
    VENDORS_CODES,
    Customer,
    fail,
    job_of,
)
from lendface import errors
from lendface.errors import LendfaceError
from lendface.facades.youcam.faults import CODES_BY_KIND, KIND_BY_CODE, MESSAGE_BY_KIND
from lendface.service.office import Office
from lendface.service.requests import load_request
from lendface.service.uploads import mark_failed

TARGET, PHOTO_ = "the target is wrong", "the photo is wrong"  # as the workers' sentences begin
OF_FILMS = [
    ("unreadable_media", TARGET, "error_decode_video"),
    ("unreadable_media", PHOTO_, "error_decode_image"),
    ("empty_file", TARGET, "error_decode_video"),
    ("unknown_codec", TARGET, "error_unsupported_video"),
    ("no_video", TARGET, "error_unsupported_video"),
    ("media_wrong_kind", TARGET, "error_unsupported_video"),
    ("media_wrong_kind", PHOTO_, "error_decode_image"),
    ("media_bad_container", TARGET, "error_unsupported_video"),
    ("media_bad_container", PHOTO_, "error_decode_image"),
    ("media_bad_codec", TARGET, "error_unsupported_video"),
    ("media_too_long", TARGET, "error_unsupported_video"),
    ("media_too_many_frames", TARGET, "error_unsupported_video"),
    ("media_frame_rate", TARGET, "error_unsupported_video"),
    ("media_too_many_pixels", TARGET, "error_unsupported_video"),
    ("media_too_many_pixels", PHOTO_, "error_exceed_max_image_size"),
    ("media_too_large", TARGET, "exceed_max_filesize"),
    ("media_too_large", PHOTO_, "exceed_max_filesize"),
    ("url_too_large", TARGET, "exceed_max_filesize"),
    ("no_face_in_source", "no face in the photo", "error_no_face"),
    ("no_face_in_target", "no usable face in the target", "error_no_face"),
    ("several_faces_in_source", "2 faces in the photo", "error_multiple_people"),
    ("several_people", "2 people are clearly seen in the target", "error_multiple_people"),
    ("upload_missing", "the file was never uploaded", "error_download_video"),
    ("worker_died", "the job was stopped", "error_inference"),
    ("model_missing", "the file of model x is missing", "error_inference"),
    ("encoder_failed", "it failed", "error_upload"),
    ("storage_unavailable", "the file storage does not answer", "error_upload"),
    ("quota_exceeded", "this needs 3 units", "unknown_internal_error"),
    ("internal", "something went wrong", "unknown_internal_error"),
    ("a code of a later version", "who knows", "unknown_internal_error"),
]
OF_PICTURES = [
    ("media_too_many_pixels", TARGET, "error_exceed_max_image_size"),
    ("media_too_large", TARGET, "exceed_max_filesize"),
    ("media_wrong_kind", TARGET, "error_decode_image"),
    ("media_bad_container", TARGET, "error_decode_image"),
    ("unreadable_media", TARGET, "error_decode_image"),
    ("no_face_in_target", TARGET, "error_no_face"),
    ("no_such_person", TARGET, "error_no_face"),
    ("bad_option", "two sources are meant for face 1", "invalid_parameter"),
]
URL_CODES = (
    *("url_invalid", "url_not_allowed", "url_unreachable", "url_timeout", "url_incomplete"),
    *("url_bad_type", "url_bad_status", "url_too_slow"),
)
VIDEO_URL, FACE_URL = "https://a.example/film.mp4", "https://a.example/face.jpg"


@pytest.mark.parametrize(("our_code", "sentence", "code"), OF_FILMS)
def test_a_film_task_tells_the_vendors_code(
    me: Customer, office: Office, our_code: str, sentence: str, code: str
) -> None:
    task_id = me.begin_video(src_file_url=VIDEO_URL, ref_file_url=FACE_URL)
    fail(office, task_id, our_code, sentence)
    status = me.status(task_id)
    assert (status["task_status"], status["error"], status["results"]) == ("error", code, None)
    assert status["error_message"]
    assert code in VENDORS_CODES


@pytest.mark.parametrize(("our_code", "sentence", "code"), OF_PICTURES)
def test_a_picture_task_tells_the_vendors_code(
    me: Customer, office: Office, our_code: str, sentence: str, code: str
) -> None:
    picture = me.upload(PHOTO, "image/jpeg")
    mapping = [{"index": 0, "position": 0}]
    body = {"src_file_id": picture, "ref_file_ids": [picture], "face_mapping": mapping}
    task_id = me.begin(IMAGE, body)
    fail(office, task_id, our_code, sentence)
    assert me.status(task_id, IMAGE)["error"] == code


@pytest.mark.parametrize("our_code", URL_CODES)
@pytest.mark.parametrize(
    ("failed", "code"), [(0, "error_download_video"), (1, "error_download_image")]
)
def test_it_is_told_which_file_could_not_be_fetched(
    me: Customer, office: Office, our_code: str, failed: int, code: str
) -> None:
    task_id = me.begin_video(src_file_url=VIDEO_URL, ref_file_url=FACE_URL)
    upload = load_request(job_of(office, task_id)["request"]).uploads[failed]
    mark_failed(office, upload, our_code)
    fail(office, task_id, our_code, "a.example cannot be reached")
    assert me.status(task_id)["error"] == code


def test_messages_name_the_file_and_no_option_of_the_command_line(
    me: Customer, office: Office
) -> None:
    task_id = me.begin_video(src_file_url=VIDEO_URL, ref_file_url=FACE_URL)
    fail(office, task_id, "several_faces_in_source", "2 faces in the photo; say --source-face 1..2")
    assert me.status(task_id)["error_message"] == (
        "reference image (ref_file_url) shows more than one person"
    )


def test_the_faces_task_tells_no_codes_of_films(me: Customer, office: Office) -> None:
    task_id = me.begin(FACES, {"src_file_url": FACE_URL})
    fail(office, task_id, "media_too_many_pixels", "the file is too large")
    assert me.status(task_id, FACES)["error"] == "error_exceed_max_image_size"


# The tables


def test_only_the_vendors_codes_are_told() -> None:
    assert {code for codes in CODES_BY_KIND.values() for code in codes} <= VENDORS_CODES
    assert set(CODES_BY_KIND) == set(MESSAGE_BY_KIND) == set(KIND_BY_CODE.values())


def all_errors(kind: type[LendfaceError] = LendfaceError) -> Iterator[type[LendfaceError]]:
    for child in kind.__subclasses__():
        yield child
        yield from all_errors(child)


def test_every_error_about_a_file_or_a_face_has_a_code_of_its_own() -> None:
    about_files = (errors.MediaError, errors.FaceError, errors.FetchError)
    codes = {kind.code for kind in all_errors() if issubclass(kind, about_files)}
    assert codes - set(KIND_BY_CODE) == set()
    assert set(KIND_BY_CODE) <= {kind.code for kind in all_errors()}
