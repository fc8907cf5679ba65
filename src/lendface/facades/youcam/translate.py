"""The vendor's words on one side, ours on the other; nothing is read or written between."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...errors import about
from ...service.prices import units_of_seconds
from ...service.requests import DetectJob, PairRef, PhotoRef, SwapJob, WhoRef
from ...service.submissions import Intake
from .envelope import invalid
from .schemas import NOBODY, NewFacesTask, NewImageTask, NewVideoTask, WithSource
from .terms import MISMATCH_S, Terms

IMAGE_UNITS = 1

# What the client calls a field of version 2, where it has another name: in requests of version 1.
Called = Mapping[str, str]
AS_THEY_ARE: Called = {}


def to_video_job(
    body: NewVideoTask, intake: Intake, terms: Terms, called: Called = AS_THEY_ARE
) -> SwapJob:
    """One face into a film that shows one person. Raises Refusal, InvalidUrlError,
    UrlNotAllowedError."""
    max_seconds = terms.max_seconds(intake.office)
    check_duration(body.dst_duration, max_seconds, called)
    reference, name = file_of(body.ref_file_id, body.ref_file_url, "ref_file", intake, called)
    photo = PhotoRef(reference, name=name)
    target, name = source_of(body, intake, called)
    return SwapJob(
        target=target,
        target_name=name,
        pairs=(PairRef((photo,)),),
        output=terms.output,
        end_s=body.dst_duration,
        # Clients round the length of their film to whole seconds.
        end_slack_s=min(MISMATCH_S, max_seconds - body.dst_duration),
        limits=terms.video_limits,
        photo_limits=terms.image_limits,
    )


def video_units(body: NewVideoTask, max_seconds: float, called: Called = AS_THEY_ARE) -> int:
    """What the balance must cover. Raises Refusal."""
    check_duration(body.dst_duration, max_seconds, called)
    return units_of_seconds(body.dst_duration)


def check_duration(seconds: int, max_seconds: float, called: Called) -> None:
    """Raises Refusal."""
    if seconds > max_seconds:
        most = math.floor(max_seconds)
        name = called.get("dst_duration", "dst_duration")
        raise invalid(f"{name} is out of range: the allowed maximum is {most}.")


def to_image_job(
    body: NewImageTask, intake: Intake, terms: Terms, called: Called = AS_THEY_ARE
) -> SwapJob:
    """Faces into a picture, each by its position from left to right.

    Raises InvalidUrlError, UrlNotAllowedError.
    """
    target, name = source_of(body, intake, called)
    photo_by_index: dict[int, PhotoRef] = {}
    for face in body.wanted:
        if face.index not in photo_by_index:
            photo_by_index[face.index] = reference_of(body, face.index, intake, called)
    mapping = called.get("face_mapping", "face_mapping")
    return SwapJob(
        target=target,
        target_name=name,
        pairs=tuple(
            PairRef(
                (photo_by_index[face.index],),
                WhoRef(
                    "looks_like",
                    photo=PhotoRef(
                        target, face_number=face.position + 1, name=f"{mapping}[{number}]"
                    ),
                ),
            )
            for number, face in enumerate(body.face_mapping)
            if face.index != NOBODY
        ),
        limits=terms.image_limits,
        photo_limits=terms.image_limits,
    )


def to_faces_job(
    body: NewFacesTask, intake: Intake, terms: Terms, called: Called = AS_THEY_ARE
) -> DetectJob:
    """Raises InvalidUrlError, UrlNotAllowedError."""
    target, name = source_of(body, intake, called)
    return DetectJob((target,), limits=terms.image_limits, names=(name,))


def source_of(body: WithSource, intake: Intake, called: Called) -> tuple[str, str]:
    """Its upload id, and what the client calls it."""
    return file_of(body.src_file_id, body.src_file_url, "src_file", intake, called)


def file_of(file_id: str, url: str, name: str, intake: Intake, called: Called) -> tuple[str, str]:
    """The id counts where both are given."""
    if file_id:
        return file_id, called.get(f"{name}_id", f"{name}_id")
    with about(f"{name}_url"):
        return intake.by_url(url), f"{name}_url"


def reference_of(body: NewImageTask, index: int, intake: Intake, called: Called) -> PhotoRef:
    if body.ref_file_ids:
        name = called.get("ref_file_ids", "ref_file_ids")
        return PhotoRef(body.ref_file_ids[index], name=f"{name}[{index}]")
    with about(f"ref_file_urls[{index}]"):
        return PhotoRef(intake.by_url(body.ref_file_urls[index]), name=f"ref_file_urls[{index}]")
