"""Rows as the API tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Response

from ...service.jobs import JobProgress, progress_of, progress_of_all
from ...service.office import Office
from ...service.states import FINAL, QUEUED, SUCCEEDED
from ...service.swapping import all_warnings
from ...storage.signing import SignedRequest
from ..problems import WORDS
from ..words import in_words
from .schemas import (
    Delivery,
    Endpoint,
    Failure,
    Job,
    Link,
    NewUpload,
    Result,
    Swap,
    SwappedFace,
    Told,
    Upload,
)

Row = Mapping[str, Any]

MAYBE_OF_RESULT = ("sha256", "width", "height", "duration_s", "frames", "fps")


def as_json(view: Told, status: int) -> Response:
    """The answer of a route in whose thread it is written.

    The framework would check the view once more, in another thread, and write it in the one that
    all requests share.
    """
    return Response(view.model_dump_json(), status, media_type="application/json")


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def maybe_at(ms: int | None) -> datetime | None:
    return None if ms is None else at(ms)


def upload_facts(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "state": row["state"],
        "name": row["name"],
        "content_type": row["content_type"],
        "size": row["size"],
        "sha256": row["sha256"],
        "error": row["error_code"],
        "created_at": at(row["created_ms"]),
        "ready_at": maybe_at(row["ready_ms"]),
        "expires_at": at(row["expires_ms"]),
    }


def upload_view(row: Row) -> Upload:
    return Upload(**upload_facts(row))


def new_upload_view(row: Row, upload: Link | None, job_id: str | None) -> NewUpload:
    return NewUpload(**upload_facts(row), upload=upload, job_id=job_id)


def link_view(request: SignedRequest, expires_ms: int) -> Link:
    return Link(
        method=request.method,
        url=request.url,
        headers=dict(request.headers),
        expires_at=at(expires_ms),
    )


def job_facts(job: Row, progress: JobProgress) -> dict[str, Any]:
    """What all jobs tell of themselves."""
    code = job["error_code"]
    return {
        "id": job["id"],
        "kind": job["kind"],
        "state": job["state"],
        "stage": job["state"] if job["state"] in FINAL else progress.stage,
        "run": job["run"],
        "frames_done": progress.frames_done,
        "frames_total": progress.frames_total,
        "share": round(progress.share, 4),
        "eta_s": progress.eta_s,
        "queue_position": progress.queue_position,
        "warnings": warnings_of(job),
        "error": failure_view(code, job["error_message"]) if code else None,
        "units": job["units"],
        "priority": job["priority"],
        "notes": job["notes"],
        "created_at": at(job["created_ms"]),
        "started_at": maybe_at(job["started_ms"]),
        "finished_at": maybe_at(job["finished_ms"]),
        "expires_at": at(job["expires_ms"]),
    }


def warnings_of(job: Row) -> list[str]:
    """Of the finished job, or what its stages have found so far."""
    result = job["result"] or {}
    warnings = result["warnings"] if "warnings" in result else all_warnings(job["facts"])
    return [in_words(warning, WORDS) for warning in warnings]


def failure_view(code: str, message: str | None) -> Failure:
    return Failure(code=code, message=in_words(message or "", WORDS))


def job_view(job: Row, progress: JobProgress) -> Job:
    return Job(**job_facts(job, progress))


def swap_view(job: Row, progress: JobProgress) -> Swap:
    return Swap(
        **job_facts(job, progress), result=result_view(job), swapped=swapped_faces(job["facts"])
    )


def swapped_faces(facts: Row) -> list[SwappedFace]:
    """As planned, once the target was scanned."""
    pair_by_face = facts.get("plan", {})
    return [
        SwappedFace(
            face=person["face"],
            pair=pair_by_face[str(person["face"])],
            frames=person["frames"],
            usable_share=person["usable_share"],
            hardness=person["hardness"],
        )
        for person in facts.get("cast", {}).get("people", [])
        if str(person["face"]) in pair_by_face
    ]


def result_view(job: Row) -> Result | None:
    """Where the finished file is; None before it is there and after it is gone."""
    result = job["result"]
    if job["state"] != SUCCEEDED or job["purged_ms"] or not result or "blob_key" not in result:
        return None
    url = f"/v1/jobs/{job['id']}/result"
    return Result(
        url=url,
        manifest_url=f"{url}/manifest" if result.get("manifest_key") else None,
        file_name=result_name(job),
        content_type=result["content_type"],
        size=result["size"],
        **{name: result.get(name) for name in MAYBE_OF_RESULT},
    )


def result_name(job: Row) -> str:
    """What a browser saves it as."""
    _, dot, ending = str(job["result"]["blob_key"]).rpartition(".")
    return f"{job['kind']}-{job['id']}{dot}{ending if dot else ''}"


def progress_for(office: Office, job: Row) -> JobProgress:
    """What is told of a job's progress; one that has succeeded has done all of it."""
    return ended_progress(job) if job["state"] == SUCCEEDED else progress_of(office, job)


def progress_for_all(office: Office, rows: Sequence[Row]) -> list[JobProgress]:
    """``progress_for`` each, without a look at the database for each."""
    asked = [job for job in rows if job["state"] != SUCCEEDED]
    found = iter(progress_of_all(office, asked))
    return [ended_progress(job) if job["state"] == SUCCEEDED else next(found) for job in rows]


def ended_progress(job: Row) -> JobProgress:
    """Of a job that has ended, without another look at the database."""
    is_done = job["state"] == SUCCEEDED
    total = job["frames_total"]
    return JobProgress(
        stage=job["stage"],
        frames_done=(total or 0) if is_done else 0,
        frames_total=total,
        share=1.0 if is_done else 0.0,
        eta_s=None,
        queue_position=1 if job["state"] == QUEUED else None,
    )


def endpoint_facts(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "url": row["url"],
        "api": row["api"],
        "state": "disabled" if row["disabled_ms"] else "enabled",
        "created_at": at(row["created_ms"]),
    }


def endpoint_view(row: Row) -> Endpoint:
    return Endpoint(**endpoint_facts(row))


def delivery_view(row: Row) -> Delivery:
    return Delivery(
        **{
            name: row[name]
            for name in (
                "id",
                "type",
                "url",
                "state",
                "attempts",
                "last_status",
                "last_error",
                "job_id",
                "endpoint_id",
            )
        },
        created_at=at(row["created_ms"]),
        next_at=maybe_at(row["next_ms"]),
        finished_at=maybe_at(row["finished_ms"]),
    )
