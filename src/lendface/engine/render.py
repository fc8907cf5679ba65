"""Frames, tracks and a plan in, frames with new faces out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from .plan import SwapPlan
from .roles import LookT, Swapper
from .tracks import Tracks
from .types import Frame


def render(
    frames: Iterable[Frame], tracks: Tracks, plan: SwapPlan, swapper: Swapper[LookT]
) -> Iterator[Frame]:
    """Every frame once, in order; only planned faces change, nothing depends on other frames."""
    looks = {
        track_id: swapper.prepare(source, tracks.get_person(track_id))
        for track_id, source in plan.source_by_track.items()
    }
    for frame in frames:
        patches = [
            patch
            for face in tracks.faces_at(frame.index)
            if face.track_id in looks
            and (patch := swapper.swap(frame.picture, face, looks[face.track_id]))
        ]
        yield replace(frame, picture=frame.picture.pasted(patches)) if patches else frame
