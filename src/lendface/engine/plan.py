"""Who gets whose face."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .tracks import Tracks
from .types import Floats, SourceFace, Track

SAME_PERSON = 0.30  # cosine of a reference photo to a person of the film


@dataclass(frozen=True, eq=False)
class SwapPlan:
    """Which source each track gets; tracks that are not in it stay as they are."""

    source_by_track: Mapping[int, SourceFace]

    def source_for(self, track_id: int) -> SourceFace | None:
        return self.source_by_track.get(track_id)


def plan_most_present(tracks: Tracks, source: SourceFace) -> SwapPlan:
    """The person who is seen most, by frames and size; nobody where nobody is seen."""
    return SwapPlan({person.id: source for person in tracks.people[:1]})


def plan_everyone(tracks: Tracks, source: SourceFace) -> SwapPlan:
    return SwapPlan({person.id: source for person in tracks.people})


def find_at(tracks: Tracks, at_xy: tuple[float, float]) -> Track | None:
    """Who is the first to be seen at a pixel of the film; of several at once the most central."""
    x, y = at_xy
    for frame in sorted(tracks.places):
        there = [
            (abs(x0 + x1 - 2 * x) + abs(y0 + y1 - 2 * y), face.track_id)
            for face in tracks.faces_at(frame)
            for x0, y0, x1, y1 in [face.box_xyxy.tolist()]
            if x0 <= x <= x1 and y0 <= y <= y1
        ]
        if there:
            return tracks.get_person(min(there)[1])
    return None


def find_person(tracks: Tracks, embedding: Floats) -> Track | None:
    """Whom a reference photo shows, or None where nobody looks like it."""
    likeness = {person.id: float(person.embedding @ embedding) for person in tracks.people}
    best = max(tracks.people, key=lambda person: likeness[person.id], default=None)
    return best if best is not None and likeness[best.id] >= SAME_PERSON else None
