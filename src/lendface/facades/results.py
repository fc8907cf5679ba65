"""A job's finished file, for whoever has the key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..errors import NotFoundError, ResultNotReadyError
from ..service.downloads import BY_KEY, note_download
from ..service.office import Office
from ..service.results import whole_file
from ..service.states import SUCCEEDED
from ..trust.provenance import MANIFEST_TYPE, SIDECAR
from .serving import Stored, answer_file, is_first_look

# A link to a bucket cannot be taken back; who follows it does so at once, or asks us again.
REDIRECT_S = 900

Row = Mapping[str, Any]


def answer_result(
    request: Request, office: Office, job: Row, name_of: Callable[[Row], str], *, streams: bool
) -> Response:
    """The file itself, or the way to it in a bucket (``streams`` says which).

    HEAD is always answered here: a link is good for one method. Raises ResultNotReadyError,
    ResultGoneError, ResultDamagedError, NotFoundError for jobs that make no file,
    RangeNotSatisfiableError.
    """
    result = job["result"] or {}
    if job["state"] != SUCCEEDED:
        raise ResultNotReadyError(job["state"])
    if "blob_key" not in result:
        raise NotFoundError("file: this job's result is in its description")
    info = whole_file(office, job, result["blob_key"])
    if is_first_look(request):
        note_download(office, job, BY_KEY)
    stored = Stored(office.blobs, info, result["content_type"], name_of(job))
    return _answer(request, office, stored, streams=streams)


def answer_manifest(
    request: Request, office: Office, job: Row, name_of: Callable[[Row], str], *, streams: bool
) -> Response:
    """The signed manifest of a result that cannot hold it.

    Raises ResultNotReadyError, ResultGoneError, ResultDamagedError, NotFoundError where it is in
    the file.
    """
    if job["state"] != SUCCEEDED:
        raise ResultNotReadyError(job["state"])
    key = (job["result"] or {}).get("manifest_key")
    if key is None:
        raise NotFoundError("manifest beside this job's result")
    info = whole_file(office, job, key)
    stored = Stored(office.blobs, info, MANIFEST_TYPE, f"{name_of(job)}{SIDECAR}")
    return _answer(request, office, stored, streams=streams)


def _answer(request: Request, office: Office, stored: Stored, *, streams: bool) -> Response:
    if streams or request.method == "HEAD":
        return answer_file(request, stored)
    return RedirectResponse(
        office.links.presign_get(
            stored.info.key,
            min(REDIRECT_S, office.rules.link_s),
            office.now_s,
            stored.file_name,
            stored.content_type,
        ),
        307,
        {"Cache-Control": "no-store"},
    )
