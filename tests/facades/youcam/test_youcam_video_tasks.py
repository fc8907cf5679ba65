"""The film task: begun, polled, lost, deleted."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.youcam.conftest import NewCustomer
from facades.youcam.customers import (
    FACES,
    FILM,
    IMAGE,
    PHOTO,
    V2,
    VIDEO,
    Customer,
    fail,
    failure_of,
    job_of,
    succeed,
)
from lendface.facades.youcam.terms import PREFIX, Terms
from lendface.service.office import Office
from lendface.service.requests import LimitsRef, OutputRef, SwapJob, load_request
from lendface.service.states import CANCELLED
from lendface.storage.tables import uploads
from service.offices import BASE_URL, Clock, change_job, end_job, start_job

INVALID = 400, "InvalidParameters"
UNKNOWN = 400, "InvalidTaskId"
DAY_S = 24 * 3600
FACE_URL = "https://cdn.example.test/face.jpg"


def begin(me: Customer, body: Any) -> Any:
    return me.http.post(f"{V2}/task/{VIDEO}", json=body)


def request_of(office: Office, task_id: str) -> SwapJob:
    request = load_request(job_of(office, task_id)["request"])
    assert isinstance(request, SwapJob)
    return request


# Begun


def test_a_task_is_begun_as_in_the_reference(me: Customer) -> None:
    film = me.upload()
    answer = begin(me, {"src_file_id": film, "ref_file_url": FACE_URL, "dst_duration": 12})
    task_id = answer.json()["data"]["task_id"]
    assert answer.json() == {"status": 200, "data": {"task_id": task_id}}
    assert re.fullmatch(r"[A-Za-z0-9_-]{64}", task_id)


def test_src_is_the_film_and_ref_the_face(me: Customer, office: Office) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")
    request = request_of(office, me.begin_video(src_file_id=film, ref_file_id=photo))
    assert request.target == film
    (pair,) = request.pairs
    assert [each.upload for each in pair.photos] == [photo]
    assert pair.who.kind == "most_present"


def test_both_files_may_come_from_urls(me: Customer, office: Office) -> None:
    film_url = "https://cdn.example.test/film.mp4"
    task_id = me.begin_video(src_file_url=film_url, ref_file_url=FACE_URL)
    request = request_of(office, task_id)
    urls = [row["url"] for row in uploads_of(office, request)]
    assert urls == [film_url, FACE_URL]


def test_where_both_are_given_the_id_counts(me: Customer, office: Office) -> None:
    film = me.upload()
    task_id = me.begin_video(src_file_id=film, src_file_url="https://cdn.example.test/other.mp4")
    assert request_of(office, task_id).target == film


def test_unknown_fields_and_minor_versions_do_not_matter(me: Customer) -> None:
    body = {"src_file_id": me.upload(), "ref_file_url": FACE_URL, "dst_duration": 5, "quality": 1}
    answer = me.http.post(f"{PREFIX}/v2.1/task/{VIDEO}", json=body)
    assert answer.status_code == 200


def test_a_body_without_a_content_type_is_read(me: Customer) -> None:
    body = f'{{"src_file_url":"{FACE_URL}","ref_file_url":"{FACE_URL}","dst_duration":5}}'
    answer = me.http.post(f"{V2}/task/{VIDEO}", content=body.encode())
    assert answer.status_code == 200


def test_the_vendors_limits_go_with_the_task(me: Customer, office: Office) -> None:
    request = request_of(office, me.begin_video())
    assert request.output == OutputRef(container="mp4", max_long_side=1280, max_fps=30)
    limits = request.limits
    assert (limits.max_bytes, limits.max_seconds, limits.max_fps) == (100 << 20, 30.5, 30)
    assert (limits.max_long_side, limits.kinds, limits.single_person) == (4096, ("video",), True)
    assert limits.containers == ("mov", "mp4")
    assert limits.video_codecs == ("h264", "mpeg4")
    assert limits.audio_codecs == ("aac", "amr_nb", "amr_wb", "mp3")
    assert request.photo_limits == LimitsRef(
        max_bytes=10 << 20,
        max_long_side=4096,
        containers=("jpeg", "png", "heic", "avif"),  # the vendor's, and what phones send
        kinds=("image",),
    )


@pytest.mark.parametrize(("seconds", "slack_s"), [(1, 1), (12, 1), (29, 1), (30, 0)])
def test_a_film_is_cut_to_its_duration_unless_it_is_hardly_longer(
    me: Customer, office: Office, seconds: int, slack_s: float
) -> None:
    """A result is never longer than 30 s."""
    request = request_of(office, me.begin_video(dst_duration=seconds))
    assert (request.end_s, request.end_slack_s) == (seconds, slack_s)


# What cannot be begun

SOURCE = "src_file_id is required but wasn't included in your request., or src_file_url is required but wasn't included in your request."  # noqa: E501
REFERENCE = SOURCE.replace("src", "ref")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dst_duration": ...}, "dst_duration is required but wasn't included in your request."),
        ({"dst_duration": None}, "'dst_duration' is required and can't be null."),
        ({"dst_duration": 0}, "dst_duration is out of range: the allowed minimum is 1."),
        ({"dst_duration": 31}, "dst_duration is out of range: the allowed maximum is 30."),
        ({"dst_duration": 10**30}, "dst_duration is out of range: the allowed maximum is 30."),
        ({"dst_duration": "12"}, "dst_duration is not valid: Input should be a valid integer."),
        ({"dst_duration": 12.4}, "dst_duration is not valid: Input should be a valid integer."),
        ({"dst_duration": True}, "dst_duration is not valid: Input should be a valid integer."),
        ({"src_file_id": ...}, SOURCE),
        ({"src_file_id": ""}, SOURCE),
        ({"src_file_id": None}, "'src_file_id' is required and can't be null."),
        ({"src_file_id": ["a"]}, "src_file_id is not valid: Input should be a valid string."),
        ({"ref_file_url": ...}, REFERENCE),
        ({"ref_file_url": None}, "'ref_file_url' is required and can't be null."),
        ({"src_file_id": "unknown"}, "src_file_id is not the id of a file that is here."),
        ({"src_file_id": "\0"}, "src_file_id is not the id of a file that is here."),
        ({"ref_file_url": "face.jpg"}, None),
        ({"ref_file_url": "data:image/png;base64,AAAA"}, None),
        ({"ref_file_url": "http://10.0.0.1/face.jpg"}, None),
        ({"ref_file_url": "https://a.example/\0"}, None),
    ],
    ids=str,
)
def test_what_is_wrong_is_told(me: Customer, change: dict[str, Any], text: str | None) -> None:
    body = {"src_file_id": me.upload(), "ref_file_url": FACE_URL, "dst_duration": 12} | change
    answer = begin(me, {name: value for name, value in body.items() if value is not ...})
    assert failure_of(answer) == INVALID
    if text:
        assert answer.json()["error"] == text
    assert jobs_of(me) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"a"', b"7", b"null", b"\xff", b"[" * 10_000])
def test_what_is_no_object_is_a_bad_request(me: Customer, body: bytes) -> None:
    answer = me.http.post(
        f"{V2}/task/{VIDEO}", content=body, headers={"Content-Type": "application/json"}
    )
    assert failure_of(answer) == (400, "BadRequest")


def test_a_body_that_is_too_large_is_a_bad_request(me: Customer) -> None:
    body = b'{"a":"' + b"x" * (1 << 20) + b'"}'
    answer = me.http.post(f"{V2}/task/{VIDEO}", content=body)
    assert failure_of(answer) == (400, "BadRequest")


def test_a_file_that_was_never_sent_cannot_be_used(me: Customer) -> None:
    waiting = me.declare()["file_id"]
    answer = begin(me, {"src_file_id": waiting, "ref_file_url": FACE_URL, "dst_duration": 5})
    assert failure_of(answer) == INVALID
    assert answer.json()["error"] == (
        "src_file_id was declared and its file never uploaded; PUT it to the link that the "
        "declaration answered with, first."
    )


def test_a_file_of_somebody_else_is_as_one_that_is_not_there(me: Customer, other: Customer) -> None:
    body = {"src_file_id": other.upload(), "ref_file_url": FACE_URL, "dst_duration": 5}
    assert failure_of(begin(me, body)) == INVALID


# Polled


def test_a_task_runs_until_it_has_ended(me: Customer, office: Office) -> None:
    """There is no state before running on the wire."""
    task_id = me.begin_video()
    running = {"task_status": "running", "error": None, "results": None}
    assert me.poll(task_id).json() == {"status": 200, "data": running}
    start_job(office, job_of(office, task_id)["id"])
    assert me.poll(task_id).json() == {"status": 200, "data": running}


def test_a_success_has_a_link_that_needs_no_key(
    me: Customer, nobody: TestClient, office: Office
) -> None:
    task_id = me.begin_video()
    succeed(office, task_id, b"a result")
    status = me.status(task_id)
    url = status["results"]["url"]
    assert status == {"task_status": "success", "error": None, "results": {"url": url}}
    assert url.startswith(BASE_URL)
    got = nobody.get(url)
    assert (got.status_code, got.content) == (200, b"a result")
    assert got.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(("after_s", "status"), [(7199, 200), (7200, 403)])
def test_a_link_is_good_for_two_hours_and_each_poll_gives_another(
    me: Customer, nobody: TestClient, office: Office, clock: Clock, after_s: int, status: int
) -> None:
    task_id = me.begin_video()
    succeed(office, task_id)
    url = me.status(task_id)["results"]["url"]
    clock.pass_s(after_s)
    assert nobody.get(url).status_code == status
    fresh = me.status(task_id)["results"]["url"]
    assert fresh != url
    assert nobody.get(fresh).content == FILM


def test_a_failed_task_is_still_answered_with_200(me: Customer, office: Office) -> None:
    task_id = me.begin_video()
    fail(office, task_id, "no_face_in_source", "no face in the photo; use a sharp portrait")
    assert me.poll(task_id).json() == {
        "status": 200,
        "data": {
            "task_status": "error",
            "error": "error_no_face",
            "error_message": "no face in reference image (ref_file_id)",
            "results": None,
        },
    }


def test_a_task_that_took_too_long_is_a_failure_of_the_server(me: Customer, office: Office) -> None:
    task_id = me.begin_video()
    fail(office, task_id, "job_timeout")
    answer = me.poll(task_id)
    assert answer.json() == {
        "status": 500, "error": "Engine task timeout", "error_code": "TaskTimeout"
    }  # fmt: skip
    assert answer.status_code == 500


def test_a_task_cancelled_by_the_native_api_is_an_error(me: Customer, office: Office) -> None:
    task_id = me.begin_video()
    end_job(office, job_of(office, task_id)["id"], CANCELLED)
    status = me.status(task_id)
    assert (status["task_status"], status["error"]) == ("error", "unknown_internal_error")


@pytest.mark.parametrize("task_id", ["x", "x" * 64, "x" * 65, "%00", "a" * 63 + "é", "A" * 5000])
def test_an_unknown_task_is_400_and_not_404(me: Customer, task_id: str) -> None:
    answer = me.poll(task_id)
    assert failure_of(answer) == UNKNOWN
    assert answer.json()["error"] == "Invalid task ID"


def test_a_task_is_polled_by_its_owner_at_the_address_of_its_feature(
    me: Customer, other: Customer
) -> None:
    task_id = me.begin_video()
    assert failure_of(other.poll(task_id)) == UNKNOWN
    assert failure_of(me.poll(task_id, IMAGE)) == UNKNOWN
    assert failure_of(me.poll(task_id, FACES)) == UNKNOWN
    assert me.poll(task_id).status_code == 200
    assert failure_of(me.http.get(f"{V2}/task/skin-analysis/{task_id}")) == (404, "NotFound")


def test_jobs_of_the_native_api_are_no_tasks(me: Customer, office: Office) -> None:
    task_id = me.begin_video()
    change_job(office, job_of(office, task_id)["id"], api="native")
    assert failure_of(me.poll(task_id)) == UNKNOWN


@pytest.mark.parametrize(("after_s", "is_there"), [(30 * DAY_S - 1, True), (30 * DAY_S, False)])
def test_a_task_is_known_for_thirty_days(
    me: Customer, office: Office, clock: Clock, after_s: int, is_there: bool
) -> None:
    task_id = me.begin_video()
    succeed(office, task_id)
    clock.pass_s(after_s)
    if is_there:
        assert me.status(task_id)["task_status"] == "success"
    else:
        assert failure_of(me.poll(task_id)) == UNKNOWN
        assert failure_of(me.delete(task_id)) == UNKNOWN


# Lost


def test_a_task_nobody_polls_is_not_lost(me: Customer, office: Office, clock: Clock) -> None:
    task_id = me.begin_video()
    clock.pass_s(DAY_S)
    assert me.status(task_id)["task_status"] == "running"
    succeed(office, task_id)
    assert me.status(task_id)["task_status"] == "success"


class TestWithAWindowForPolls:
    @pytest.fixture
    def terms(self) -> Terms:
        return Terms(BASE_URL, poll_window_s=10)

    def test_who_polls_in_time_never_loses_a_task(
        self, me: Customer, office: Office, clock: Clock
    ) -> None:
        task_id = me.begin_video()
        for _ in range(5):
            clock.pass_s(10)
            assert me.status(task_id)["task_status"] == "running"
        succeed(office, task_id)
        clock.pass_s(1000)
        assert me.status(task_id)["task_status"] == "success"

    def test_who_polls_late_has_lost_it_for_good(
        self, me: Customer, office: Office, clock: Clock
    ) -> None:
        task_id = me.begin_video()
        clock.pass_s(5)
        assert me.status(task_id)["task_status"] == "running"
        clock.pass_s(10.001)
        assert failure_of(me.poll(task_id)) == UNKNOWN
        succeed(office, task_id)
        assert failure_of(me.poll(task_id)) == UNKNOWN
        assert failure_of(me.delete(task_id)) == UNKNOWN

    def test_a_lost_task_is_never_charged(self, me: Customer, office: Office, clock: Clock) -> None:
        """The vendor's may be: its result is made, and nobody can have it."""
        before = me.credit()
        task_id = me.begin_video(dst_duration=5)
        clock.pass_s(11)
        assert failure_of(me.poll(task_id)) == UNKNOWN
        succeed(office, task_id)
        assert (me.credit(), me.history()["history"]) == (before, [])
        me.begin_video(dst_duration=30)  # nothing is held either
        assert me.credit() == before

    def test_one_that_nobody_ever_asked_for_is_not_charged_either(
        self, me: Customer, office: Office, clock: Clock
    ) -> None:
        task_id = me.begin_video(dst_duration=5)
        clock.pass_s(10.001)
        succeed(office, task_id)
        assert (me.credit(), me.history()["history"]) == (100, [])
        assert failure_of(me.poll(task_id)) == UNKNOWN

    def test_one_that_is_asked_for_in_time_is_charged_once(
        self, me: Customer, office: Office, clock: Clock
    ) -> None:
        task_id = me.begin_video(dst_duration=5)
        for _ in range(3):
            clock.pass_s(9)
            assert me.status(task_id)["task_status"] == "running"
        succeed(office, task_id)
        assert me.status(task_id)["task_status"] == "success"
        assert (me.credit(), len(me.history()["history"])) == (99, 1)

    def test_one_that_ended_in_time_is_not_lost(
        self, me: Customer, office: Office, clock: Clock
    ) -> None:
        task_id = me.begin_video()
        clock.pass_s(9)
        succeed(office, task_id)
        clock.pass_s(DAY_S)
        assert me.status(task_id)["task_status"] == "success"


# Deleted


def test_a_finished_task_is_deleted_with_its_files(
    me: Customer, nobody: TestClient, office: Office
) -> None:
    film, photo = me.upload(), me.upload(PHOTO, "image/jpeg")
    task_id = me.begin_video(src_file_id=film, ref_file_id=photo)
    succeed(office, task_id)
    url = me.status(task_id)["results"]["url"]
    answer = me.delete(task_id)
    assert (answer.status_code, answer.json()) == (200, {"status": 200})
    assert failure_of(me.poll(task_id)) == UNKNOWN
    assert failure_of(me.delete(task_id)) == UNKNOWN
    assert nobody.get(url).status_code == 404
    for body in ({"src_file_id": film}, {"ref_file_id": photo}):
        given = {"src_file_url": FACE_URL, "ref_file_url": FACE_URL, "dst_duration": 5, **body}
        assert failure_of(begin(me, given)) == INVALID
    assert list(office.blobs.list("uploads/")) == []


def test_a_failed_task_can_be_deleted_too(me: Customer, office: Office) -> None:
    task_id = me.begin_video()
    fail(office, task_id, "unreadable_media")
    assert me.delete(task_id).json() == {"status": 200}


def test_a_running_task_cannot_be_deleted(me: Customer) -> None:
    task_id = me.begin_video()
    assert failure_of(me.delete(task_id)) == (400, "OperationInvalid")
    assert me.status(task_id)["task_status"] == "running"


def test_a_file_that_a_running_task_needs_stays(me: Customer, office: Office) -> None:
    film = me.upload()
    done, running = (me.begin_video(src_file_id=film) for _ in range(2))
    succeed(office, done)
    assert me.delete(done).json() == {"status": 200}
    assert me.begin_video(src_file_id=film)
    assert me.status(running)["task_status"] == "running"


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ({}, INVALID),
        ({"task_id": None}, INVALID),
        ({"task_id": 7}, INVALID),
        ({"task_id": "unknown"}, UNKNOWN),
        ({"task_id": "A" * 64}, UNKNOWN),
        ([], (400, "BadRequest")),
    ],
)
def test_what_cannot_be_deleted_is_told(me: Customer, body: Any, failure: tuple) -> None:
    assert failure_of(me.http.post(f"{V2}/task/delete", json=body)) == failure


def test_nobody_deletes_what_is_anothers(me: Customer, other: Customer, office: Office) -> None:
    task_id = me.begin_video()
    succeed(office, task_id)
    assert failure_of(other.delete(task_id)) == UNKNOWN
    assert me.status(task_id)["task_status"] == "success"


# What is not there


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v2.0/task/{VIDEO}"),
        ("DELETE", f"/v2.0/task/{VIDEO}/{'A' * 64}"),
        ("POST", f"/v2.0/task/{VIDEO}/cancel"),
        ("POST", f"/v3.0/task/{VIDEO}"),
        ("POST", f"/v2.10/task/{VIDEO}"),
        ("POST", f"/v2/task/{VIDEO}"),
        ("POST", "/v2.0/task/skin-analysis"),
        ("POST", "/v2.0/file/skin-analysis"),
        ("GET", "/v2.0/file"),
        ("GET", "/v2.0/credit"),
        ("GET", "/"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
    ],
)
def test_an_unknown_address_is_not_found(me: Customer, method: str, path: str) -> None:
    assert failure_of(me.http.request(method, PREFIX + path)) == (404, "NotFound")


class TestWithoutTheVendorsLimits:
    @pytest.fixture
    def terms(self) -> Terms:
        return Terms(BASE_URL, holds_limits=False)

    def test_films_may_be_longer_and_results_larger(
        self, new_customer: NewCustomer, office: Office
    ) -> None:
        me = new_customer()
        request = request_of(office, me.begin_video(dst_duration=600))
        assert request.output == OutputRef(container="mp4")
        assert (request.end_s, request.end_slack_s) == (600, 1)
        assert request.limits == LimitsRef(kinds=("video",), single_person=True)


def jobs_of(me: Customer) -> list[Any]:
    return me.http.get("/v1/jobs").json()["items"]


def uploads_of(office: Office, request: SwapJob) -> list[Any]:
    with office.database.reading() as connection:
        rows = {row["id"]: row for row in connection.execute(uploads.select()).mappings()}
    return [rows[upload] for upload in request.uploads]
