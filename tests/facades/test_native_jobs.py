from __future__ import annotations

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from facades.belongings import (
    FILM,
    MANIFEST,
    Belongings,
    finish_swap,
    gather,
    send_upload,
    submit_scan,
    submit_swap,
)
from lendface.facades.server import build_app
from lendface.service.office import Office
from lendface.service.states import CANCELLED, FAILED
from lendface.storage.tables import tasks
from service.offices import Clock, RecordingQueue, change_job, end_job, start_job


@pytest.fixture
def job(me: TestClient) -> str:
    return submit_swap(me, send_upload(me))


def note_frames(office: Office, job: str, name: str, done: int, total: int) -> None:
    """As workers do now and then."""
    with office.database.writing() as connection:
        connection.execute(
            tasks.insert().values(
                job_id=job, run=1, name=name, state="running", attempts=1, frames_done=done,
                frames_total=total, created_ms=office.now_ms(),
            )
        )  # fmt: skip


def test_a_waiting_job_knows_its_place(me: TestClient, job: str, clock: Clock) -> None:
    clock.pass_s(1)
    later = submit_scan(me, me.get("/v1/uploads").json()["items"][0]["id"])
    first, second = (me.get(f"/v1/jobs/{each}").json() for each in (job, later))
    assert (first["state"], first["stage"], first["queue_position"]) == ("queued", "queued", 1)
    assert (second["kind"], second["queue_position"]) == ("scan", 2)


def test_a_running_job_says_how_far_it_is(
    me: TestClient, office: Office, clock: Clock, job: str
) -> None:
    start_job(office, job, "render", frames_total=100)
    note_frames(office, job, "scan", 100, 100)
    note_frames(office, job, "chunk/0", 20, 50)
    note_frames(office, job, "chunk/1", 13, 50)
    clock.pass_s(60)
    told = me.get(f"/v1/jobs/{job}").json()
    assert (told["stage"], told["frames_done"], told["frames_total"]) == ("render", 33, 100)
    assert 0.4 < told["share"] < 0.6
    assert 40 < told["eta_s"] < 80
    assert told["queue_position"] is None
    assert told["started_at"] is not None


def test_a_scan_that_was_there_already_counts_as_done(
    me: TestClient, office: Office, job: str
) -> None:
    start_job(office, job, "render", frames_total=100)
    note_frames(office, job, "chunk/0", 50, 100)
    assert me.get(f"/v1/jobs/{job}").json()["share"] == 0.625


def test_a_failed_job_says_why_and_can_be_tried_again(
    me: TestClient, office: Office, job: str
) -> None:
    assert me.post(f"/v1/jobs/{job}/retry").json()["code"] == "wrong_state"
    start_job(office, job)
    end_job(office, job, FAILED, error_code="no_face_in_target", error_message="no usable face")
    told = me.get(f"/v1/jobs/{job}").json()
    assert (told["state"], told["stage"]) == ("failed", "failed")
    assert told["error"] == {"code": "no_face_in_target", "message": "no usable face"}
    again = me.post(f"/v1/jobs/{job}/retry")
    assert (again.status_code, again.json()["run"], again.json()["error"]) == (202, 2, None)
    assert isinstance(office.queue, RecordingQueue)
    assert office.queue.submitted == [(job, 1), (job, 2)]


def test_a_job_is_cancelled_once_and_asking_twice_is_no_error(
    me: TestClient, office: Office, job: str
) -> None:
    for _ in range(2):
        assert me.post(f"/v1/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert isinstance(office.queue, RecordingQueue)
    assert (job, 1) in office.queue.cancelled
    assert me.post(f"/v1/jobs/{job}/retry").json()["state"] == "queued"


def test_a_job_that_has_ended_cannot_be_cancelled(me: TestClient, office: Office, job: str) -> None:
    finish_swap(office, job)
    answer = me.post(f"/v1/jobs/{job}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert "succeeded" in answer.json()["detail"]


def test_a_deleted_job_is_gone_with_its_result(me: TestClient, office: Office, job: str) -> None:
    finish_swap(office, job)
    assert me.delete(f"/v1/jobs/{job}").status_code == 204
    for path in ("", "/result", "/events"):
        assert me.get(f"/v1/jobs/{job}{path}").status_code == 404
    assert me.get("/v1/jobs").json()["items"] == []
    assert list(office.blobs.list("results")) == []


def test_a_list_is_filtered_by_state_and_kind(me: TestClient, office: Office) -> None:
    mine = gather(me, office)

    def ids(**params: str | list[str]) -> set[str]:
        page = me.get("/v1/jobs", params=params).json()
        return {job["id"] for job in page["items"]}

    assert ids(kind="scan") == {mine.scan}
    assert ids(state="failed") == {mine.failed}
    both = {mine.running, mine.queued}
    assert ids(state=["running", "queued"], kind="swap") == both
    assert ids(state="succeeded", kind="swap") == {mine.swap}
    assert ids(kind="fetch") == set()
    assert me.get("/v1/jobs", params={"state": "done"}).status_code == 422


def test_pages_of_jobs_of_one_second_leave_none_out(me: TestClient) -> None:
    film = send_upload(me)
    made = {submit_swap(me, film) for _ in range(7)}  # the clock stands still
    found: list[str] = []
    cursor = None
    while cursor or not found:
        page = me.get("/v1/jobs", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        found += [job["id"] for job in page.json()["items"]]
        cursor = page.json()["next"]
    assert (len(found), set(found)) == (7, made)


def test_the_result_is_there_when_the_job_has_succeeded_and_until_it_is_purged(
    me: TestClient, office: Office, job: str
) -> None:
    early = me.get(f"/v1/jobs/{job}/result")
    assert (early.status_code, early.json()["code"]) == (409, "result_not_ready")
    finish_swap(office, job)
    answer = me.get(f"/v1/jobs/{job}/result")
    assert (answer.status_code, answer.content) == (200, FILM)
    assert answer.headers["content-type"] == "video/mp4"
    assert f'filename="swap-{job}.mp4"' in answer.headers["content-disposition"]
    part = me.get(f"/v1/jobs/{job}/result", headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content) == (206, FILM[3:6])
    head = me.head(f"/v1/jobs/{job}/result")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(FILM)))
    assert head.headers["etag"] == answer.headers["etag"]
    change_job(office, job, purged_ms=office.now_ms())
    gone = me.get(f"/v1/jobs/{job}/result")
    assert (gone.status_code, gone.json()["code"]) == (410, "result_gone")
    assert me.get(f"/v1/swaps/{job}").json()["result"] is None


def test_a_result_in_a_bucket_is_elsewhere_and_head_is_answered_here(
    me: TestClient, office: Office, job: str
) -> None:
    finish_swap(office, job)
    elsewhere = build_app(office)  # without a signer: the bucket hands out
    with TestClient(elsewhere, headers=me.headers, follow_redirects=False) as client:
        answer = client.get(f"/v1/jobs/{job}/result")
        assert (answer.status_code, answer.headers["cache-control"]) == (307, "no-store")
        assert me.get(answer.headers["location"]).content == FILM
        assert client.head(f"/v1/jobs/{job}/result").headers["content-length"] == str(len(FILM))
        assert client.get("/blobs/x").status_code == 404


def test_a_result_that_was_lost_is_gone(me: TestClient, office: Office, job: str) -> None:
    finish_swap(office, job)
    for blob in list(office.blobs.list("results")):
        office.blobs.delete(blob.key)
    assert me.get(f"/v1/jobs/{job}/result").status_code == 410


def test_jobs_that_make_no_file_have_no_result(me: TestClient, office: Office) -> None:
    mine = gather(me, office)
    answer = me.get(f"/v1/jobs/{mine.scan}/result")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    end_job(office, mine.queued, CANCELLED)
    assert me.get(f"/v1/jobs/{mine.queued}/result").status_code == 409


def test_jobs_of_other_apis_are_listed_too(me: TestClient, office: Office, job: str) -> None:
    change_job(office, job, api="akool", kind="detect")
    (told,) = me.get("/v1/jobs", params={"kind": "detect"}).json()["items"]
    assert told["id"] == job


def test_each_job_looks_at_its_own_run_only(me: TestClient, office: Office) -> None:
    mine: Belongings = gather(me, office)
    note_frames(office, mine.failed, "scan", 10, 10)
    me.post(f"/v1/jobs/{mine.failed}/retry").raise_for_status()
    start_job(office, mine.failed, "scan", frames_total=10)
    assert me.get(f"/v1/jobs/{mine.failed}").json()["frames_done"] == 0
    with office.database.reading() as connection:
        assert connection.execute(sa.select(tasks.c.run)).scalars().all() == [1]


def test_a_manifest_that_lies_beside_its_result_is_had_by_a_link_of_the_result(
    me: TestClient, other: TestClient, office: Office, job: str
) -> None:
    address = f"/v1/jobs/{job}/result/manifest"
    assert me.get(address).json()["code"] == "result_not_ready"
    finish_swap(office, job)
    assert me.get(f"/v1/swaps/{job}").json()["result"]["manifest_url"] == address
    answer = me.get(address)
    assert (answer.content, answer.headers["content-type"]) == (MANIFEST, "application/c2pa")
    assert f"swap-{job}.mp4.c2pa" in answer.headers["content-disposition"]
    assert other.get(address).status_code == 404
    assert me.delete(f"/v1/jobs/{job}").status_code == 204
    assert me.get(address).status_code == 404
    assert list(office.blobs.list("results")) == []


def test_most_results_hold_their_manifest_themselves(
    me: TestClient, office: Office, job: str
) -> None:
    finish_swap(office, job)
    bare = {"blob_key": f"results/{job}/result.mp4", "content_type": "video/mp4", "size": 1}
    change_job(office, job, result={**bare, "warnings": []})
    assert me.get(f"/v1/swaps/{job}").json()["result"]["manifest_url"] is None
    assert me.get(f"/v1/jobs/{job}/result/manifest").status_code == 404
