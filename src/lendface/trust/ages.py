"""How old the people of a film look: at which frames each is read, and what is read there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.geometry import move_landmarks
from ..engine.tracks import Tracks
from ..engine.types import Face, Floats, Picture
from ..models import AgeReader

LEAST_FACE_PX = 32  # below it the nets guess; docs/trust.md has the figures
ENOUGH_PX = 160  # more says no more about an age
READINGS = 5  # of one person, at the best frames
CANDIDATES = 40  # frames of a person among which the best are sought
BROW, CHIN, LEFT_EDGE, RIGHT_EDGE, NOSE = 10, 152, 234, 454, 1  # of the mesh

Nets = tuple[AgeReader, AgeReader]
PeopleByFrame = Mapping[int, Sequence[int]]


@dataclass(frozen=True, slots=True)
class AgeReading:
    """How old one face looks in one picture, to each of the nets."""

    time_s: float
    height_px: float  # brow to chin
    years: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One frame of a film again, perhaps smaller."""

    index: int
    time_s: float
    picture: Picture
    scale: float = 1.0  # pixels of the picture for one of the film


def read_ages(
    sights: Iterable[Sight], tracks: Tracks, people_at: PeopleByFrame, nets: Nets
) -> dict[int, tuple[AgeReading, ...]]:
    """By track, the readings of those people whom ``people_at`` names for a frame."""
    found: dict[int, list[AgeReading]] = {}
    for sight in sights:
        wanted = people_at.get(sight.index, ())
        for face in tracks.faces_at(sight.index) if wanted else ():
            if face.track_id in wanted:
                reading = _read(sight, face, nets)
                found.setdefault(face.track_id, []).append(reading)
    return {track_id: tuple(readings) for track_id, readings in found.items()}


def read_age(picture: Picture, landmarks_xyz: Floats, nets: Nets) -> AgeReading | None:
    """The face with these landmarks (478, 3) of a photo; None where it is too small to tell."""
    height = height_px(landmarks_xyz)
    if height < LEAST_FACE_PX:
        return None
    young, other = (net.years(picture, landmarks_xyz) for net in nets)
    return AgeReading(0.0, height, (young, other))


def best_frames(
    tracks: Tracks, track_ids: Iterable[int], among: Iterable[int] | None = None
) -> PeopleByFrame:
    """The frames that show each person best, at most ``READINGS``; who is always too small to
    tell has none.

    They are sought among the given frames, else among some from all over the film.
    """
    seen = _frames_by_person(tracks, set(track_ids), among)
    people_at: dict[int, list[int]] = {}
    for track_id, indexes in seen.items():
        worth = {index: _worth(tracks, index, track_id) for index in _thinned(indexes)}
        best = sorted((index for index in worth if worth[index] > 0), key=lambda i: -worth[i])
        for index in best[:READINGS]:
            people_at.setdefault(index, []).append(track_id)
    return people_at


def height_px(landmarks_xyz: Floats) -> float:
    """Brow to chin."""
    return float(np.linalg.norm(landmarks_xyz[BROW, :2] - landmarks_xyz[CHIN, :2]))


def _frames_by_person(
    tracks: Tracks, track_ids: set[int], among: Iterable[int] | None
) -> dict[int, list[int]]:
    seen: dict[int, list[int]] = {}
    for index in sorted(tracks.places if among is None else among):
        for place in tracks.places.get(index, ()):
            if place.track_id in track_ids:
                seen.setdefault(place.track_id, []).append(index)
    return seen


def _thinned(indexes: Sequence[int]) -> Sequence[int]:
    return indexes[:: -(-len(indexes) // CANDIDATES)]


def _worth(tracks: Tracks, index: int, track_id: int) -> float:
    """How much a frame says about a person's age: a large face, seen from the front, unhidden."""
    face = next(face for face in tracks.faces_at(index) if face.track_id == track_id)
    height = height_px(face.landmarks_xyz)
    if height < LEAST_FACE_PX:
        return 0.0
    return min(height, ENOUGH_PX) * _frontality(face.landmarks_xyz) * (0.5 if face.hands else 1.0)


def _frontality(landmarks_xyz: Floats) -> float:
    """1 where the nose is in the middle of the face, near 0 where it is at its edge."""
    nose, left, right = landmarks_xyz[[NOSE, LEFT_EDGE, RIGHT_EDGE], :2]
    to_left, to_right = float(np.linalg.norm(nose - left)), float(np.linalg.norm(nose - right))
    return max(0.02, 1 - abs(to_left - to_right) / max(to_left + to_right, 1e-6))


def _read(sight: Sight, face: Face, nets: Nets) -> AgeReading:
    shift = (sight.scale - 1) / 2  # the centre of the first pixel moves
    film_to_sight = np.float32([[sight.scale, 0, shift], [0, sight.scale, shift]])
    landmarks = move_landmarks(face.landmarks_xyz, film_to_sight)
    first, second = (net.years(sight.picture, landmarks) for net in nets)
    return AgeReading(sight.time_s, height_px(face.landmarks_xyz), (first, second))
