"""Addresses of finished files: reserved when a job is submitted, good once it has succeeded.

``BASE/results/akool/TOKEN/ID.mp4`` is a result, ``.../ID_PLACE.jpg`` the picture of a face that was
found. The token is the permission. They may be given to us as inputs again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...errors import LendfaceError, NotFoundError
from ...service.downloads import BY_LINK, note_download
from ...service.links import check_own_link
from ...service.office import Office
from ...service.results import whole_file
from ...service.shares import NOTE, SharedFile, get_shared, place_of, shared_file
from ...service.states import SUCCEEDED
from ..results import REDIRECT_S
from ..serving import Stored, answer_file, is_first_look
from .envelopes import RESULTS

BASE, ENDING = "base", "ending"  # notes of a job, beside its token
LINK = re.compile(
    rf"\S*{RESULTS}(?P<token>[A-Za-z0-9_-]{{22}})/"
    r"(?P<name>(?P<job>[0-9a-f]{24})(_(?P<place>[a-z0-9-]+))?\.[a-z0-9]{1,5})"
)
OPEN_TO_ALL = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
PREFLIGHT = OPEN_TO_ALL | {
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "Range, If-Range, If-None-Match",
    "Access-Control-Max-Age": "600",
}

Row = Mapping[str, Any]


class Link(NamedTuple):
    token: str
    job_id: str
    place: str | None  # of a picture of a face
    name: str  # of the file, as it was asked for


@dataclass(frozen=True)
class Reserved:
    """Where a job's files will be found."""

    base: str
    token: str
    ending: str | None  # of the result, where it is known before the file was looked at

    @property
    def notes(self) -> dict[str, Any]:
        return {BASE: self.base.rstrip("/"), NOTE: self.token, ENDING: self.ending}


def result_url(job: Row) -> str:
    """Where the result is or will be; empty where there is none or its name is not known yet."""
    if job["state"] not in ("queued", "running", SUCCEEDED):
        return ""
    ending = job["notes"].get(ENDING)
    if not ending and job["state"] == SUCCEEDED:
        ending = str((job["result"] or {}).get("blob_key", "")).rpartition(".")[2]
    return _url(job, f"{job['id']}.{ending}") if ending else ""


def crop_url(job: Row, crop_key: str) -> str:
    return _url(job, f"{job['id']}_{place_of(crop_key)}.jpg")


def _url(job: Row, name: str) -> str:
    return f"{job['notes'][BASE]}{RESULTS}{job['notes'][NOTE]}/{name}"


def read_link(address: str) -> Link | None:
    """Of an address without a query that may be one of ours, on whatever host; None for others."""
    found = LINK.fullmatch(address)
    return Link(found["token"], found["job"], found["place"], found["name"]) if found else None


def find_linked(connection: sa.Connection, link: Link) -> tuple[Row, SharedFile]:
    """The job and its file. A file has the one name that was told of it.

    Raises NotFoundError, LinkRevokedError, ResultNotReadyError, ResultGoneError.
    """
    job = get_shared(connection, link.job_id, link.token)
    check_own_link(connection, job["client_id"])
    file = shared_file(job, link.place)
    told = result_url(job) if link.place is None else crop_url(job, file.blob_key)
    if told.rpartition("/")[2] != link.name:
        raise NotFoundError("file")
    return job, file


def find_own(office: Office, address: str) -> SharedFile | None:
    """The file of ours that an address leads to. Raises ResultGoneError, ResultDamagedError."""
    link = read_link(address.partition("#")[0].partition("?")[0])
    if link is None:
        return None
    try:
        with office.database.reading() as connection:
            job, file = find_linked(connection, link)
    except LendfaceError:  # somebody else's address after all, or the file is gone
        return None
    whole_file(office, job, file.blob_key)
    return file


def answer_link(request: Request, office: Office, link: Link, *, streams: bool) -> Response:
    """The file itself, or the way to it in a bucket.

    HEAD is always answered here: a link is good for one method. Raises NotFoundError,
    ResultNotReadyError, ResultGoneError, ResultDamagedError, RangeNotSatisfiableError.
    """
    with office.database.reading() as connection:
        job, file = find_linked(connection, link)
    info = whole_file(office, job, file.blob_key)
    if is_first_look(request):
        note_download(office, job, BY_LINK)
    if streams or request.method == "HEAD":
        stored = Stored(office.blobs, info, file.content_type)
        response: Response = answer_file(request, stored)
    else:
        away = office.links.presign_get(
            info.key, min(REDIRECT_S, office.rules.link_s), office.now_s, None, file.content_type
        )
        response = RedirectResponse(away, 307, {"Cache-Control": "no-store"})
    response.headers.update(OPEN_TO_ALL)
    return response
