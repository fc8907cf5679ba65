"""What has become of a task, for polls and webhooks alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...errors import JobTimeoutError, ResultDamagedError, ResultGoneError
from ...service.office import Office
from ...service.requests import SwapJob, load_request
from ...service.results import whole_file
from ...service.states import CANCELLED, FAILED, LIVE, SUCCEEDED
from ...storage.tables import uploads
from .envelope import Refusal
from .faults import UNKNOWN, Fault, File, fault_of, place_of
from .terms import LINK_S, Feature

RUNNING, SUCCESS, ERROR = "running", "success", "error"
WRONG_KIND, NO_FACE = "media_wrong_kind", "no_face_in_target"

Row = Mapping[str, Any]


def status_of(job: Row) -> str:
    """One of running, success and error; a task that waits is running to its client."""
    if job["state"] in LIVE:
        return RUNNING
    return SUCCESS if job["state"] == SUCCEEDED and _found_code(job) is None else ERROR


def describe_status(office: Office, job: Row) -> dict[str, Any]:
    """``data`` of a poll. Links are fresh each time. Raises Refusal where the engine gave up."""
    status = status_of(job)
    told: dict[str, Any] = {"task_status": status, "error": None, "results": None}
    if status == SUCCESS:
        try:
            return told | {"results": results_of(office, job)}
        except (ResultDamagedError, ResultGoneError):
            fault = fault_of(ResultDamagedError.code, File.VIDEO)
            return told | {
                "task_status": ERROR,
                "error": fault.code,
                "error_message": fault.message,
            }
    if status == ERROR:
        fault = fault_of_job(office, job)
        told |= {"error": fault.code, "error_message": fault.message}
    return told


def results_of(office: Office, job: Row) -> dict[str, Any]:
    if feature_of(job) == Feature.FACES:
        target = load_request(job["request"]).uploads[0]
        return {"url": link_to_upload(office, target), "faces": faces_of(job)}
    result = job["result"]
    whole_file(office, job, result["blob_key"])
    return {"url": link(office, result["blob_key"], result["content_type"])}


def faces_of(job: Row) -> list[dict[str, Any]]:
    """Boxes from left to right: the place in this list is the position of a face mapping."""
    corners = (face["box_xywh"] for face in _looked_at(job)["frames"][0]["faces"])
    return [{"bbox": [x, y, x + width, y + height]} for x, y, width, height in corners]


def fault_of_job(office: Office, job: Row) -> Fault:
    """Raises Refusal where the job took too long."""
    if job["error_code"] == JobTimeoutError.code:
        raise Refusal(500, "TaskTimeout", "Engine task timeout")
    target = File.VIDEO if feature_of(job) == Feature.VIDEO else File.IMAGE
    if code := _found_code(job):
        request = load_request(job["request"])
        return fault_of(code, target, request.name_of(request.uploads[0]))
    if job["state"] == CANCELLED or not job["error_code"]:
        return UNKNOWN
    file, field = place_of(job, target, _failed_photo(office, job))
    return fault_of(job["error_code"], file, field, job["error_message"] or "")


def feature_of(job: Row) -> Feature | None:
    """None for what is no task of this API."""
    name = job["notes"].get("feature")
    return Feature(name) if name in set(Feature) else None


def link(office: Office, blob_key: str, content_type: str | None) -> str:
    return office.links.presign_get(blob_key, LINK_S, office.now_s, content_type=content_type)


def link_to_upload(office: Office, upload_id: str) -> str:
    query = sa.select(uploads.c.blob_key, uploads.c.content_type).where(uploads.c.id == upload_id)
    with office.database.reading() as connection:
        row = connection.execute(query).one()
    return link(office, row.blob_key, row.content_type)


def _found_code(job: Row) -> str | None:
    """Our code for a look at a picture that went well and found what is an error here."""
    if job["state"] != SUCCEEDED or feature_of(job) != Feature.FACES:
        return None
    looked = _looked_at(job)
    if looked["kind"] != "image":
        return WRONG_KIND
    return None if looked["frames"][0]["faces"] else NO_FACE


def _looked_at(job: Row) -> dict[str, Any]:
    return job["result"]["targets"][0]


def _failed_photo(office: Office, job: Row) -> str | None:
    """The reference that could not be fetched."""
    request = load_request(job["request"])
    if job["state"] != FAILED or not isinstance(request, SwapJob):
        return None
    query = sa.select(uploads.c.id).where(
        uploads.c.id.in_(request.uploads[1:]), uploads.c.error_code == job["error_code"]
    )
    with office.database.reading() as connection:
        return connection.execute(query).scalars().first()
