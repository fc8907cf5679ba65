"""The faces of a whole film, by person and by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .rows import RowLog, hands_of, landmarks_of
from .tracker import box_of
from .types import Array, Face, Floats, Track


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a face of the film is kept: a row, or between two rows where a gap was bridged."""

    frame: int
    track_id: int
    row: int
    next_row: int  # the same as ``row`` unless bridged
    share: float  # 0 at ``row``, 1 at ``next_row``
    strength: float


@dataclass(frozen=True, eq=False)
class Tracks:
    """What a scan found. ``people`` are ordered by how many frames show them."""

    people: tuple[Track, ...]
    frame_count: int
    places: Mapping[int, Sequence[Place]] = field(repr=False)  # by frame
    log: RowLog = field(repr=False)

    def faces_at(self, index: int) -> tuple[Face, ...]:
        """All faces of a frame, larger ids (less present people) first."""
        return tuple(self._face(place) for place in self.places.get(index, ()))

    def get_person(self, track_id: int) -> Track:
        """Raises KeyError where there is no such person."""
        for person in self.people:
            if person.id == track_id:
                return person
        raise KeyError(track_id)

    def _face(self, place: Place) -> Face:
        row = self.log.read(place.row)
        landmarks, light = landmarks_of(row), row["light"].astype(np.float32)
        hands = hands_of(row)
        if place.next_row != place.row:
            later = self.log.read(place.next_row)
            landmarks = _between(landmarks, landmarks_of(later), place.share)
            light = _between(light, later["light"], place.share)
            hands = hands if place.share < 0.5 else hands_of(later)
        return Face(
            track_id=place.track_id,
            box_xyxy=box_of(landmarks),
            landmarks_xyz=landmarks,
            score=float(row["score"]),
            strength=place.strength,
            light=light,
            hands=hands,
        )


def _between(a: Floats, b: Array, share: float) -> Floats:
    return (a + np.float32(share) * (b.astype(np.float32) - a)).astype(np.float32)
