"""Films that show each eye its own view, side by side or one above the other: a person is seen in
both views at once, and a swap in one of them alone would be no swap to who looks at it."""

from __future__ import annotations

from collections import Counter

from ..engine.plan import SwapPlan
from ..engine.tracks import Tracks
from ..engine.types import Face
from ..media import MediaInfo

LEAST_SHARED = 0.5  # of the frames of whoever is seen less
ACROSS, ALONG = 0.12, 0.06  # of a view's width and height: how far apart the eyes see a face


def with_both_eyes(
    plan: SwapPlan, tracks: Tracks, info: MediaInfo | None
) -> tuple[SwapPlan, list[str]]:
    """The plan, in which who was chosen in one view has the same face in the other; and warnings.

    Nobody loses a face that the plan gave them. ``info`` is None for what is no film.
    """
    if info is None or info.stereo is None or not plan.source_by_track:
        return plan, []
    twins = count_twins(tracks, info)
    frames = {person.id: person.face_count for person in tracks.people}
    sources, alone = dict(plan.source_by_track), []
    for person, source in plan.source_by_track.items():
        others = [
            other
            for other in frames
            if twins[person, other] >= LEAST_SHARED * min(frames[person], frames[other])
        ]
        for other in others:
            sources.setdefault(other, source)
        alone += [] if others else [str(person)]
    if not alone:
        return SwapPlan(sources), []
    return SwapPlan(sources), [
        f"the film shows each eye a view of its own, and face {', '.join(sorted(alone))} was found "
        "in one of them only; the other is left as it was"
    ]


def count_twins(tracks: Tracks, info: MediaInfo) -> Counter[tuple[int, int]]:
    """In how many frames two faces are at the same place of both views, by (one, the other)."""
    counted: Counter[tuple[int, int]] = Counter()
    for index in tracks.places:
        faces = tracks.faces_at(index)
        counted.update(
            (one.track_id, other.track_id)
            for one in faces
            for other in faces
            if one is not other and are_twins(one, other, info)
        )
    return counted


def are_twins(one: Face, other: Face, info: MediaInfo) -> bool:
    width, height = info.size_wh
    wide, high = (width / 2, height) if info.stereo == "side_by_side" else (width, height / 2)
    away = (one.box_xyxy - other.box_xyxy).reshape(2, 2).mean(axis=0)
    across, along = abs(float(away[0])), abs(float(away[1]))
    if info.stereo == "side_by_side":
        across = abs(across - wide)
    else:
        along = abs(along - high)
    return across <= ACROSS * wide and along <= ALONG * high
