"""/v1/uploads: files on their way to the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response

from ...errors import NothingToSendError, about
from ...service import uploads as files
from ...service.jobs import Wish
from ...service.office import Office
from ...service.requests import FetchJob, digest, load_request
from ...service.submissions import Intake, submit_new
from .documented import problems, with_body
from .incoming import (
    Caller,
    Cursor,
    Desk,
    IdempotencyKey,
    Limit,
    PathId,
    by_creation,
    cut_page,
    read_cursor,
)
from .schemas import Link, NewFile, NewFileByUrl, NewUpload, Upload, UploadPage
from .views import link_view, new_upload_view, upload_view

router = APIRouter(tags=["uploads"])


@router.post("/uploads", status_code=201, responses=with_body(404, 409, 410))
def create_upload(
    body: NewFile | NewFileByUrl,
    office: Desk,
    client: Caller,
    idempotency_key: IdempotencyKey = None,
) -> NewUpload:
    """A place for a file; the answer says how to send it. With a URL the server brings it itself.

    Swaps and scans take URLs as well: ``url`` here is for files that are used more than once.
    """
    if isinstance(body, NewFileByUrl):
        return fetch_file(office, client.id, body, idempotency_key)
    declared = files.Declared(body.name, body.content_type, body.size)
    row, _ = files.declare(office, client.id, declared)
    return new_upload_view(row, fresh_link(office, row), None)


def fetch_file(
    office: Office, client_id: str, body: NewFileByUrl, idempotency_key: str | None
) -> NewUpload:
    job = submit_new(
        office,
        client_id,
        digest(["fetch", body.model_dump(mode="json")]),
        lambda intake: FetchJob(by_url(intake, body), "url"),
        Wish(idempotency_key=idempotency_key),
    )
    row = files.get_upload(office, client_id, load_request(job["request"]).target)
    return new_upload_view(row, None, job["id"])


def by_url(intake: Intake, body: NewFileByUrl) -> str:
    with about("url"):
        return intake.by_url(body.url, body.name or "")


def fresh_link(office: Office, row: Mapping[str, Any]) -> Link:
    expires_ms = office.now_ms() + office.rules.link_s * 1000
    return link_view(files.link_to_put(office, row), expires_ms)


@router.get("/uploads", responses=problems(422))
def list_uploads(
    office: Desk, client: Caller, limit: Limit = 50, cursor: Cursor = None
) -> UploadPage:
    """Newest first."""
    rows = files.list_uploads(office, client.id, limit + 1, read_cursor(cursor))
    page, following = cut_page(rows, limit, by_creation)
    return UploadPage(items=[upload_view(row) for row in page], next=following)


@router.get("/uploads/{upload_id}", responses=problems(404))
def get_upload(upload_id: PathId, office: Desk, client: Caller) -> Upload:
    return upload_view(files.get_upload(office, client.id, upload_id))


@router.delete("/uploads/{upload_id}", status_code=204, responses=problems(404))
def delete_upload(upload_id: PathId, office: Desk, client: Caller) -> Response:
    """The file is gone at once. Jobs that still need it fail."""
    files.delete_upload(office, client.id, upload_id)
    return Response(status_code=204)


@router.post("/uploads/{upload_id}/link", responses=problems(404, 409))
def renew_link(upload_id: PathId, office: Desk, client: Caller) -> Link:
    """Another link, where the first was lost or has expired."""
    row = files.get_upload(office, client.id, upload_id)
    if row["state"] != files.WAITING or row["url"] is not None:
        raise NothingToSendError("fetched by a job" if row["url"] else row["state"])
    return fresh_link(office, row)
