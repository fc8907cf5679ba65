"""A client of the YouCam API, as the vendor's clients are; and what workers leave behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from lendface.facades.youcam.terms import PREFIX
from lendface.service.jobs import get_row
from lendface.service.office import Office
from lendface.service.states import FAILED, SUCCEEDED
from lendface.storage.tables import jobs
from service.offices import end_job, start_job

V1, V2 = f"{PREFIX}/v1.0", f"{PREFIX}/v2.0"
VIDEO, IMAGE, FACES = "face-swap-vid", "face-swap", "face-swap/pre-process"
FILM = b"not a film, but bytes" * 100
PHOTO = b"nor a photo" * 50
CONTENT_TYPES = {VIDEO: "video/mp4", IMAGE: "image/jpeg"}
# The vendor's lists: the page of the film task, its schema, and of the list for all features what
# fits a film.
VENDORS_CODES = {
    *("error_download_video", "error_decode_video", "error_unsupported_video"),
    *("exceed_max_filesize", "error_nsfw_content_detected", "error_decode_mask"),
    *("invalid_parameter", "error_exceed_max_image_size", "error_download_image"),
    *("error_download_mask", "error_decode_image", "error_no_face", "error_pose"),
    *("error_face_parsing", "error_inference", "exceed_nsfw_retry_limits", "error_upload"),
    *("unknown_internal_error", "error_multiple_people", "error_large_face_angle"),
    "error_unexpected_video_duration",
}

FACE = {"score": 0.9, "points_xy": [], "person": 0, "crop_key": None, "crop_xywh": None}


@dataclass(frozen=True)
class Customer:
    """Knows the base URL and a key, and nothing of the server behind them."""

    http: httpx2.Client

    def declare(self, data: bytes = FILM, content_type: str = "video/mp4") -> dict[str, Any]:
        """One entry of ``files``."""
        file = {"content_type": content_type, "file_name": "a.mp4", "file_size": len(data)}
        answer = self.http.post(f"{V2}/file", json={"files": [file]})
        return data_of(answer)["files"][0]

    def put(self, declared: Mapping[str, Any], data: bytes = FILM) -> httpx2.Response:
        """As clients send it: the headers as they came, and no key."""
        (request,) = declared["requests"]
        bare = {"Authorization": ""}  # of the tests' own client, which always has one
        return self.http.request(
            request["method"], request["url"], content=data, headers=request["headers"] | bare
        )

    def upload(self, data: bytes = FILM, content_type: str = "video/mp4") -> str:
        declared = self.declare(data, content_type)
        self.put(declared, data).raise_for_status()
        return declared["file_id"]

    def begin(self, feature: str, body: Mapping[str, Any]) -> str:
        return data_of(self.http.post(f"{V2}/task/{feature}", json=body))["task_id"]

    def begin_video(self, **changes: Any) -> str:
        body = {"dst_duration": 12, **changes}
        if not {"src_file_id", "src_file_url"} & set(body):
            body["src_file_id"] = self.upload()
        if not {"ref_file_id", "ref_file_url"} & set(body):
            body["ref_file_id"] = self.upload(PHOTO, "image/jpeg")
        return self.begin(VIDEO, body)

    def poll(self, task_id: str, feature: str = VIDEO) -> httpx2.Response:
        return self.http.get(f"{V2}/task/{feature}/{task_id}")

    def status(self, task_id: str, feature: str = VIDEO) -> dict[str, Any]:
        return data_of(self.poll(task_id, feature))

    def delete(self, task_id: str) -> httpx2.Response:
        return self.http.post(f"{V2}/task/delete", json={"task_id": task_id})

    def credit(self) -> float:
        answer = self.http.get(f"{V1}/client/credit").raise_for_status().json()
        return sum(grant["amount_dec"] for grant in answer["results"])

    def history(self, **query: Any) -> dict[str, Any]:
        answer = self.http.get(f"{V1}/client/credit/history", params=query)
        return answer.raise_for_status().json()["result"]


def data_of(answer: httpx2.Response) -> dict[str, Any]:
    """Of a success."""
    told = answer.json()
    assert (answer.status_code, told["status"]) == (200, 200), told
    assert set(told) == {"status", "data"}
    return told["data"]


def failure_of(answer: httpx2.Response) -> tuple[int, str]:
    """The status and the code; the envelope is checked."""
    told = answer.json()
    assert set(told) == {"status", "error", "error_code"}, told
    assert told["status"] == answer.status_code
    assert told["error"]
    assert answer.headers["x-request-id"]
    return told["status"], told["error_code"]


# What workers do


def job_of(office: Office, task_id: str) -> dict[str, Any]:
    with office.database.reading() as connection:
        row = connection.execute(jobs.select().where(jobs.c.alias == task_id)).mappings().one()
        return dict(get_row(connection, row["id"]))


def succeed(office: Office, task_id: str, data: bytes = FILM) -> None:
    job_id = job_of(office, task_id)["id"]
    key = f"results/{job_id}/result.mp4"
    office.blobs.put(key, [data])
    start_job(office, job_id)
    result = {"blob_key": key, "content_type": "video/mp4", "size": len(data)}
    end_job(office, job_id, SUCCEEDED, result=result)


def fail(office: Office, task_id: str, code: str, message: str = "it went wrong") -> None:
    job_id = job_of(office, task_id)["id"]
    start_job(office, job_id)
    end_job(office, job_id, FAILED, error_code=code, error_message=message)


def find_faces(
    office: Office, task_id: str, *boxes_xywh: tuple[int, int, int, int], kind: str = "image"
) -> None:
    """As a worker ends a look at a picture."""
    job_id = job_of(office, task_id)["id"]
    start_job(office, job_id)
    faces = [{**FACE, "box_xywh": list(box)} for box in boxes_xywh]
    frames = [{"index": 0, "time_s": None, "faces": faces}]
    looked = {"kind": kind, "size_wh": [640, 480], "frames": frames}
    end_job(office, job_id, SUCCEEDED, result={"targets": [looked]})
