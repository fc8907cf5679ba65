"""The vendor's words on one side, ours on the other; nothing is read or written between."""

from __future__ import annotations

import math

from ...service.prices import units_of_seconds
from ...service.requests import DetectJob, PairRef, PhotoRef, SwapJob, WhoRef
from ...service.submissions import Intake
from .envelope import invalid
from .schemas import NewFacesTask, NewImageTask, NewVideoTask, WithSource
from .terms import MISMATCH_S, Terms

IMAGE_UNITS = 1


def to_video_job(body: NewVideoTask, intake: Intake, terms: Terms) -> SwapJob:
    """One face into a film that shows one person. Raises Refusal, InvalidUrlError,
    UrlNotAllowedError."""
    max_seconds = terms.max_seconds(intake.office)
    check_duration(body.dst_duration, max_seconds)
    reference = body.ref_file_id or intake.by_url(body.ref_file_url)
    return SwapJob(
        target=source_of(body, intake),
        pairs=(PairRef((PhotoRef(reference),)),),
        output=terms.output,
        end_s=body.dst_duration,
        # Clients round the length of their film to whole seconds.
        end_slack_s=min(MISMATCH_S, max_seconds - body.dst_duration),
        limits=terms.video_limits,
        photo_limits=terms.image_limits,
    )


def video_units(body: NewVideoTask, max_seconds: float) -> int:
    """What the balance must cover. Raises Refusal."""
    check_duration(body.dst_duration, max_seconds)
    return units_of_seconds(body.dst_duration)


def check_duration(seconds: int, max_seconds: float) -> None:
    """Raises Refusal."""
    if seconds > max_seconds:
        most = math.floor(max_seconds)
        raise invalid(f"dst_duration is out of range: the allowed maximum is {most}.")


def to_image_job(body: NewImageTask, intake: Intake, terms: Terms) -> SwapJob:
    """Faces into a picture, each by its position from left to right.

    Raises InvalidUrlError, UrlNotAllowedError.
    """
    target = source_of(body, intake)
    reference_by_index: dict[int, str] = {}
    for face in body.wanted:
        if face.index not in reference_by_index:
            reference_by_index[face.index] = reference_of(body, face.index, intake)
    return SwapJob(
        target=target,
        pairs=tuple(
            PairRef(
                (PhotoRef(reference_by_index[face.index]),),
                WhoRef("looks_like", photo=PhotoRef(target, face_number=face.position + 1)),
            )
            for face in body.wanted
        ),
        limits=terms.image_limits,
        photo_limits=terms.image_limits,
    )


def to_faces_job(body: NewFacesTask, intake: Intake, terms: Terms) -> DetectJob:
    """Raises InvalidUrlError, UrlNotAllowedError."""
    return DetectJob((source_of(body, intake),), limits=terms.image_limits)


def source_of(body: WithSource, intake: Intake) -> str:
    return body.src_file_id or intake.by_url(body.src_file_url)


def reference_of(body: NewImageTask, index: int, intake: Intake) -> str:
    if body.ref_file_ids:
        return body.ref_file_ids[index]
    return intake.by_url(body.ref_file_urls[index])
