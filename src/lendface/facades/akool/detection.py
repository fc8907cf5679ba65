"""Endpoints 9 to 11: which faces are in pictures and videos. These answer with what was found."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

from anyio.to_thread import run_sync
from fastapi import APIRouter

from ... import errors as e
from ...net.datauri import SLICE_CHARS, is_data_uri
from ...service import jobs
from ...service.jobs import Wish
from ...service.requests import DetectJob
from ...service.shares import new_token
from ...service.states import SUCCEEDED
from ...service.submissions import submit_new
from ...service.waiting import wait_for_end
from .envelopes import ANALYZE, DETECT, FOUND, OLDER, Body, DetectionError
from .faces import faces_obj, older_faces, persons
from .incoming import Row, Visit, Visitor, told
from .links import Reserved
from .schemas import (
    AnalyzeFrames,
    DetectFaces,
    DetectOlder,
    FacesReply,
    OlderReply,
    PersonsReply,
)
from .translate import Inbox
from .webhooks import API, NOT_REPEATED

FIRST = 1  # priority: somebody waits for the answer
MAX_FRAMES = 200
MARGIN = 1 / 3  # of a face's box, on each side, as in the vendor's one sample

router = APIRouter(tags=["detection"])


@router.post(DETECT, response_model=FacesReply, **told)
async def detect_faces(body: DetectFaces, visit: Visitor) -> Body:
    """Faces of a picture, or of a few frames of a video. No face is no error."""

    def make(inbox: Inbox) -> DetectJob:
        field = "url" if body.url else "img"
        return DetectJob(
            (inbox.take(address_of(body.url, body.img), field),),
            names=(field,),
            frames=body.num_frames,
            crops=body.return_face_url,
            crop_margin=MARGIN,
            largest_only=body.single_face,
        )

    job = await find(visit, make)
    found = faces_obj(job, body.return_face_url)
    return {"error_code": 0, "error_msg": FOUND, "faces_obj": found}


@router.post(OLDER, response_model=OlderReply, **told)
async def detect_older(body: DetectOlder, visit: Visitor) -> Body:
    """Faces of a picture, as the vendor's older detection tells them."""
    began_s = time.monotonic()

    def make(inbox: Inbox) -> DetectJob:
        field = "image_url" if body.image_url else "img"
        address = address_of(body.image_url, body.img, "image_url")
        return DetectJob(
            (inbox.take(address, field),),
            frames=1,
            largest_only=body.single_face,
            names=(field,),
        )

    job = await find(visit, make)
    is_flat = body.single_face and not visit.options.nested_detect
    return {
        "error_code": 0,
        "error_msg": FOUND,
        **older_faces(job, is_flat=is_flat),
        "seconds": round(time.monotonic() - began_s, 3),
        "trx_id": str(uuid.uuid4()),
    }


@router.post(ANALYZE, response_model=PersonsReply, **told)
async def analyze_frames(body: AnalyzeFrames, visit: Visitor) -> Body:
    """The people of one or several pictures, each with where and when they are seen."""
    count = len(body.frame_urls)
    times = body.timestamps or [float(number) for number in range(count)]
    if len(times) != count:
        raise e.RequestError(f"there are {count} frame_urls and {len(times)} timestamps")
    if count > MAX_FRAMES:
        raise e.RequestError(f"there are {count} frame_urls; give at most {MAX_FRAMES}")

    def make(inbox: Inbox) -> DetectJob:
        fields = tuple(f"frame_urls[{number}]" for number in range(count))
        return DetectJob(
            tuple(map(inbox.take, body.frame_urls, fields)),
            names=fields,
            frames=1,
            crops=True,
            crop_margin=body.expand_ratio,
        )

    job = await find(visit, make)
    return {"success": True, "frame_count": count, "persons": persons(job, times)}


def address_of(url: str | None, img: str | None, name: str = "url") -> str:
    """The address, or the picture that came as base64 as one. In a thread: it may be large.

    Raises RequestError.
    """
    if url:
        return url
    if not img:
        raise e.RequestError(
            f"Missing {name} or img: give the address of a picture or video, or base64"
        )
    text = "".join(unspaced(img))
    return text if is_data_uri(text) else f"data:image/jpeg;base64,{text}"


def unspaced(text: str) -> Iterator[str]:
    """The text without its white space, in slices: split as a whole, one that is broken into
    short lines takes many times its own size."""
    for start in range(0, len(text), SLICE_CHARS):
        yield "".join(text[start : start + SLICE_CHARS].split())


async def find(visit: Visit, make: Callable[[Inbox], DetectJob]) -> Row:
    """The finished job. Raises what the job failed of, StillRunningError and what ``make`` does."""
    job = await run_sync(submit, visit, make)
    try:
        ended = await wait_for_end(visit.feed, job["id"], visit.caller, visit.options.detect_s)
    except (e.StillRunningError, e.KeyRefusedError):
        await run_sync(stop, visit, job["id"])
        raise
    if ended["state"] != SUCCEEDED:
        raise DetectionError(ended["error_code"], ended["error_message"])
    return ended


def submit(visit: Visit, make: Callable[[Inbox], DetectJob]) -> Row:
    notes = Reserved(visit.options.base_url, new_token(), None).notes
    return submit_new(
        visit.office,
        visit.client.id,
        NOT_REPEATED,
        lambda intake: make(Inbox(intake)),
        Wish(api=API, priority=FIRST, notes=notes),
    )


def stop(visit: Visit, job_id: str) -> None:
    """Nobody waits any more. It may have ended just now."""
    with suppress(e.WrongMoveError, e.NotFoundError):
        jobs.cancel(visit.office, visit.client.id, job_id)
