"""Endpoints 2 to 5: put faces into pictures and videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter

from ...errors import about
from ...net.guard import check_url
from ...service.jobs import Wish
from ...service.requests import SwapJob
from ...service.shares import new_token
from ...service.submissions import submit_new
from .envelopes import Body, succeed
from .incoming import Row, Visit, Visitor, told
from .links import Reserved, result_url
from .schemas import (
    PlusImage,
    ProImage,
    SpecifyImage,
    SpecifyVideo,
    SubmitReply,
    SubmitV4Reply,
)
from .translate import Inbox, image_ending, image_job, plus_job, pro_job, video_job
from .views import KIND_NOTE, ids_of
from .webhooks import API, KEY_NOTE, NOT_REPEATED, START_NOTE

router = APIRouter(prefix="/api/open", tags=["submit"])
AnyBody = TypeVar("AnyBody", SpecifyImage, SpecifyVideo, ProImage, PlusImage)


@router.post("/v3/faceswap/highquality/specifyimage", response_model=SubmitReply, **told)
def specify_image(body: SpecifyImage, visit: Visitor) -> Body:
    """Swap faces in a picture."""
    job = accept(visit, body, image_job, image_ending(body.modify_image), "image")
    return succeed(data=ids_of(job) | {"url": result_url(job)})


@router.post("/v3/faceswap/highquality/specifyvideo", response_model=SubmitReply, **told)
def specify_video(body: SpecifyVideo, visit: Visitor) -> Body:
    """Swap faces in a video."""
    job = accept(visit, body, video_job, "mp4", "video")
    return succeed(data=ids_of(job) | {"url": result_url(job)})


@router.post("/v4/faceswap/faceswapByImage", response_model=SubmitV4Reply, **told)
def swap_by_image(body: ProImage, visit: Visitor) -> Body:
    """Pro: swap faces in a picture."""
    return succeed(data=ids_of(accept(visit, body, pro_job, None, "image")))


@router.post("/v4/faceswap/faceswapPlusByImage", response_model=SubmitV4Reply, **told)
def swap_plus(body: PlusImage, visit: Visitor) -> Body:
    """Plus: swap faces in a picture or a video."""
    return succeed(data=ids_of(accept(visit, body, plus_job, None, None)))


def accept(
    visit: Visit,
    body: AnyBody,
    translate: Callable[[AnyBody, Inbox], SwapJob],
    ending: str | None,
    kind: str | None,
) -> Row:
    """The job; how its result's name ends and which kind it is are noted where they are known.

    Raises what ``translate`` raises, InvalidUrlError, UrlNotAllowedError, QuotaExceededError,
    ServerBusyError.
    """
    office, options = visit.office, visit.options
    if body.webhook_url:
        with about("webhookUrl"):
            check_url(body.webhook_url, office.rules.fetch.allow)
    notes = {
        **Reserved(options.base_url, new_token(), ending).notes,
        KEY_NOTE: visit.client.key_id,
        KIND_NOTE: kind,
        START_NOTE: options.processing_webhooks,
    }
    return submit_new(
        office,
        visit.client.id,
        NOT_REPEATED,
        lambda intake: translate(body, Inbox(intake)),
        Wish(api=API, webhook_url=body.webhook_url, notes=notes),
    )
