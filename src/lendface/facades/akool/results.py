"""Endpoints 6 to 8, and the files themselves: how jobs stand, deleting, credits, results."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ...errors import NoSuchRouteError, NotFoundError, RequestError
from ...service import jobs, ledger
from .envelopes import Body, succeed
from .incoming import Desk, Options, Visitor, told
from .links import PREFLIGHT, answer_link, read_link
from .schemas import CreditReply, DeleteResults, DoneReply, ResultsReply
from .views import result_item
from .webhooks import API

router = APIRouter(prefix="/api/open/v3/faceswap", tags=["results"])
files = APIRouter(include_in_schema=False)

ID = re.compile("[0-9a-f]{24}")
MAX_IDS = 500
MAX_IDS_CHARS = 64 * MAX_IDS
ENDLESS = 1_000_000_000  # the vendor's clients want a number


@router.get("/result/listbyids", response_model=ResultsReply, **told)
def list_by_ids(
    visit: Visitor, ids: Annotated[str, Query(alias="_ids", description="ids, comma between")]
) -> Body:
    """How jobs stand. Unknown ids are passed over."""
    found = jobs.find_jobs(visit.office, visit.client.id, API, read_ids(ids))
    rows = [row for row in found if row["kind"] == "swap"]
    progress = jobs.progress_of_all(visit.office, rows)
    return succeed(data={"result": list(map(result_item, rows, progress))})


@router.post("/result/delbyids", response_model=DoneReply, **told)
def delete_by_ids(body: DeleteResults, visit: Visitor) -> Body:
    """Stop jobs that run and delete their results at once. Unknown ids are passed over."""
    for row in jobs.find_jobs(visit.office, visit.client.id, API, read_ids(body.ids)):
        with suppress(NotFoundError):  # somebody else was faster
            jobs.delete(visit.office, visit.client.id, row["id"])
    return succeed()


@router.get("/quota/info", response_model=CreditReply, **told)
def read_quota(visit: Visitor) -> Body:
    """Credits left; those that running jobs hold are taken already."""
    with visit.office.database.reading() as connection:
        left = ledger.balance(connection, visit.client.id).left
    return succeed(data={"credit": ENDLESS if left is None else max(0, left)})


@files.api_route("/results/akool/{token}/{name}", methods=["GET", "HEAD"])
def fetch_result(
    request: Request, token: str, name: str, office: Desk, options: Options
) -> Response:
    """A finished file; 404 until it is there, and after it was deleted."""
    link = read_link(f"/results/akool/{token}/{name}")
    if link is None:
        raise NoSuchRouteError
    return answer_link(request, office, link, streams=options.streams_results)


@files.options("/results/akool/{token}/{name}")
def may_fetch(token: str, name: str) -> Response:
    return Response(status_code=204, headers=PREFLIGHT)


def read_ids(text: str) -> list[str]:
    """Each once, in order; what is no id names nothing. Raises RequestError.

    >>> read_ids(" 65f7d2a1c4b8e90012ab34cd, 20240318053529123-0417 ,")
    ['65f7d2a1c4b8e90012ab34cd']
    """
    if len(text) > MAX_IDS_CHARS:
        raise RequestError(f"_ids is too long; ask for at most {MAX_IDS} results at once")
    ids = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not ids:
        raise RequestError("_ids must name at least one result")
    if len(ids) > MAX_IDS:
        raise RequestError(f"_ids names {len(ids)} results; ask for at most {MAX_IDS} at once")
    return [job_id for job_id in ids if ID.fullmatch(job_id)]
