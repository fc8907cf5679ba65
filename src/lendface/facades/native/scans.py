"""/v1/scans: who is in a film or a picture."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from ...service import scans
from ...service.office import Office
from ...service.requests import digest, load_request
from ...service.submissions import submit_new
from .documented import problems, with_body
from .incoming import (
    Caller,
    Cursor,
    Desk,
    IdempotencyKey,
    Limit,
    PathId,
    read_cursor,
    write_cursor,
)
from .orders import wish_of
from .schemas import Face, FramePage, NewScan, Scan, TrackedFrame
from .swaps import name_of, upload_of
from .views import Row, job_facts, progress_for

router = APIRouter(tags=["scans"])

LINES = "application/x-ndjson"
PLAIN = (
    *("face", "frames", "spans_s", "face_height_px", "turned_share", "usable_share", "hardness"),
    *("best_frame", "best_time_s", "best_box_xyxy"),
)


@router.post("/scans", status_code=202, responses=with_body(404, 409, 410))
def create_scan(
    body: NewScan, office: Desk, client: Caller, idempotency_key: IdempotencyKey = None
) -> Scan:
    """Queue a scan. It costs nothing, and a swap of the same film is faster after it."""
    job = submit_new(
        office,
        client.id,
        digest(["scan", body.model_dump(mode="json")]),
        lambda intake: load_request(
            {
                "kind": "scan",
                "target": upload_of(body.target, intake, "target"),
                "target_name": name_of(body.target, "target"),
                "start_s": body.start_s,
                "end_s": body.end_s,
            }
        ),
        wish_of(office, body, idempotency_key),
    )
    return scan_view(office, job)


@router.get("/scans/{scan_id}", responses=problems(404))
def get_scan(scan_id: PathId, office: Desk, client: Caller) -> Scan:
    """The cast, once the scan has succeeded; links to pictures are fresh each time."""
    return scan_view(office, scans.get_scan(office, client.id, scan_id))


def scan_view(office: Office, job: Row) -> Scan:
    return Scan(
        **job_facts(job, progress_for(office, job)),
        frames=(job["result"] or {}).get("frames"),
        faces=[face_view(office, person) for person in scans.cast_of(job)],
    )


def face_view(office: Office, person: Row) -> Face:
    return Face(
        **{name: person[name] for name in PLAIN},
        landmarks_xy=person["landmarks_xy"],
        thumbnail_url=find_link(office, person["thumbnail_key"], scans.THUMBNAIL_TYPE),
        portrait_url=find_link(office, person["portrait_key"], scans.PORTRAIT_TYPE),
    )


def find_link(office: Office, key: str | None, content_type: str) -> str | None:
    return None if key is None else scans.link_to(office, key, content_type)


TRACKS = {
    200: {
        "description": "with `Accept: application/x-ndjson` all frames, one line each",
        "content": {LINES: {"schema": {"type": "string"}}},
    }
}


@router.get(
    "/scans/{scan_id}/tracks",
    responses=TRACKS | problems(404, 409, 410, 422),
    response_model=FramePage,
)
def list_tracks(
    scan_id: PathId,
    office: Desk,
    client: Caller,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> FramePage | Response:
    """Boxes and five landmarks of each face in each frame, in order."""
    job = scans.get_scan(office, client.id, scan_id)
    if LINES in accept:
        return StreamingResponse(scans.read_tracks(office, job), media_type=LINES)
    place = read_cursor(cursor)
    page = scans.read_frames(office, job, place[0] if place else 0, limit)
    return FramePage(
        items=[TrackedFrame(**json.loads(line)) for line in page.lines],
        next=write_cursor((page.next_byte, "")) if page.next_byte else None,
    )
