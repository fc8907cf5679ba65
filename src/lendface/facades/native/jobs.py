"""/v1/jobs: what swaps, scans and fetches have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from ...service import jobs
from ...service.office import Office
from ..results import answer_manifest, answer_result
from .documented import problems
from .events import follow
from .incoming import (
    Caller,
    Cursor,
    Desk,
    Limit,
    PathId,
    by_creation,
    cut_page,
    read_cursor,
)
from .schemas import Job, JobPage
from .views import Row, job_view, progress_for, progress_for_all, result_name

router = APIRouter(tags=["jobs"])

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["swap", "scan", "detect", "fetch", "consent"]


def view(office: Office, job: Row) -> Job:
    return job_view(job, progress_for(office, job))


@router.get("/jobs", responses=problems(422))
def list_jobs(
    office: Desk,
    client: Caller,
    state: Annotated[list[State] | None, Query(max_length=5)] = None,
    kind: Kind | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobPage:
    """Newest first. ``state`` may be given several times."""
    rows = jobs.list_jobs(
        office,
        client.id,
        limit=limit + 1,
        before=read_cursor(cursor),
        states=state or (),
        kind=kind,
    )
    page, following = cut_page(rows, limit, by_creation)
    items = list(map(job_view, page, progress_for_all(office, page)))
    return JobPage(items=items, next=following)


@router.get("/jobs/{job_id}", responses=problems(404))
def get_job(job_id: PathId, office: Desk, client: Caller) -> Job:
    return view(office, jobs.get_job(office, client.id, job_id))


@router.post("/jobs/{job_id}/cancel", responses=problems(404, 409))
def cancel_job(job_id: PathId, office: Desk, client: Caller) -> Job:
    """Its workers stop within a second. Cancelling twice is no error."""
    return view(office, jobs.cancel(office, client.id, job_id))


@router.post("/jobs/{job_id}/retry", status_code=202, responses=problems(404, 409))
def retry_job(job_id: PathId, office: Desk, client: Caller) -> Job:
    """Try a failed or cancelled job again; what it has rendered already is not rendered again."""
    return view(office, jobs.retry(office, client.id, job_id))


@router.delete("/jobs/{job_id}", status_code=204, responses=problems(404))
def delete_job(job_id: PathId, office: Desk, client: Caller) -> Response:
    """Stop it if it runs, and delete its result at once."""
    jobs.delete(office, client.id, job_id)
    return Response(status_code=204)


EVENT = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"enum": ["progress", "end"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/Job"},
        },
        "id": {"type": "string"},
        "retry": {"type": "integer"},
    },
}
EVENTS = {
    200: {
        "description": "progress until the job has ended; event `progress`, at last `end`",
        "content": {"text/event-stream": {"schema": EVENT}},
    },
    204: {"description": "the last event was seen already; do not come again"},
}


@router.get(
    "/jobs/{job_id}/events", response_class=StreamingResponse, responses=EVENTS | problems(404)
)
async def watch_job(
    job_id: PathId,
    request: Request,
    office: Desk,
    client: Caller,
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
) -> Response:
    """Server-sent events; the data of each is the job."""
    return await follow(request, office, client, job_id, last_event_id)


BYTES = {"schema": {"type": "string", "format": "binary"}}
FILE = {"content": {"video/*": BYTES, "image/*": BYTES}}
RESULT = {
    200: {"description": "the file", **FILE},
    206: {"description": "a part of the file", **FILE},
    307: {"description": "the file is at another address, for a while and without a key"},
    416: {"description": "there is no such part"},
}


@router.get(
    "/jobs/{job_id}/result",
    response_class=Response,
    responses=RESULT | problems(404, 409, 410),
)
def get_result(job_id: PathId, request: Request, office: Desk, client: Caller) -> Response:
    """The finished file, with Range and If-Range; for scans there is none."""
    job = jobs.get_job(office, client.id, job_id)
    return answer_result(
        request, office, job, result_name, streams=request.app.state.streams_results
    )


@router.head(
    "/jobs/{job_id}/result",
    response_class=Response,
    responses=RESULT | problems(404, 409, 410),
)
def head_result(job_id: PathId, request: Request, office: Desk, client: Caller) -> Response:
    """As GET, without the file."""
    return get_result(job_id, request, office, client)


MANIFEST = {"content": {"application/c2pa": BYTES}}
MANIFEST_ANSWERS = RESULT | {200: {"description": "the manifest", **MANIFEST}}


@router.get(
    "/jobs/{job_id}/result/manifest",
    response_class=Response,
    responses=MANIFEST_ANSWERS | problems(404, 409, 410),
)
def get_manifest(job_id: PathId, request: Request, office: Desk, client: Caller) -> Response:
    """The signed manifest (C2PA) of a result of a kind that cannot hold one; others have it inside.

    Keep it beside the file, under its name with `.c2pa` after it.
    """
    job = jobs.get_job(office, client.id, job_id)
    return answer_manifest(
        request, office, job, result_name, streams=request.app.state.streams_results
    )
