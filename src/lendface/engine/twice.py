"""One person seen twice in each frame: by the two eyes of a stereo film, or in a split picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .mesh.topology import POINTS
from .plan import SwapPlan
from .tracks import Tracks
from .types import Face, Floats, Track

LIKE, LIKE_STILL = 0.6, 0.85  # cosine; the second where a picture stands still
LEAST_SHARED = 0.8  # of the frames of whoever is seen less
SAMPLED = 24  # frames
LEAST_FRAMES = 5
UNLIKE = 0.03  # of the face's height: how far points lie apart once one face lies on the other
LEVEL = 0.15  # of the same: side by side, or one above the other
WANDERS = 0.035  # of the same: how much the way from one face to the other changes


def with_who_is_seen_twice(plan: SwapPlan, tracks: Tracks) -> SwapPlan:
    """The plan, in which whoever is seen twice gets the same source twice.

    Whoever has a source of their own keeps it.
    """
    sources = dict(plan.source_by_track)
    for track_id, source in plan.source_by_track.items():
        for other in seen_twice(tracks, track_id):
            sources.setdefault(other, source)
    return SwapPlan(sources)


def seen_twice(tracks: Tracks, track_id: int) -> list[int]:
    """The ids of those who look alike and move in step, at the same height or one above the other.

    Twins look alike, but do not hold and move their heads and mouths alike.
    """
    person = tracks.get_person(track_id)
    return [
        other.id
        for other in tracks.people
        if other.id != track_id and _is_in_step(tracks, person, other)
    ]


def _is_in_step(tracks: Tracks, one: Track, other: Track) -> bool:
    likeness = float(one.embedding @ other.embedding)
    if likeness < LIKE or (tracks.frame_count < LEAST_FRAMES and likeness < LIKE_STILL):
        return False
    shared = _shared_frames(tracks, one.id, other.id)
    if len(shared) < LEAST_SHARED * min(one.face_count, other.face_count) or not shared:
        return False
    pairs = [_pair_at(tracks, k, one.id, other.id) for k in shared[:: -(-len(shared) // SAMPLED)]]
    steps, apart = zip(*(_compared(*pair) for pair in pairs), strict=True)
    way = np.abs(np.median(steps, axis=0))
    is_level = float(way.min()) < LEVEL
    return is_level and float(np.median(apart)) < UNLIKE and _wanders(steps) < WANDERS


def _wanders(steps: Sequence[Floats]) -> float:
    return float(np.median(np.abs(np.float32(steps) - np.median(steps, axis=0)).max(1)))


def _shared_frames(tracks: Tracks, one: int, other: int) -> list[int]:
    return [
        frame
        for frame in sorted(tracks.places)
        if {one, other} <= {place.track_id for place in tracks.places[frame]}
    ]


def _pair_at(tracks: Tracks, frame: int, one: int, other: int) -> tuple[Face, Face]:
    faces = {face.track_id: face for face in tracks.faces_at(frame)}
    return faces[one], faces[other]


def _compared(one: Face, other: Face) -> tuple[Floats, float]:
    """The way (2,) from one face to the other, and how far their points lie apart beside that, in
    heights of the face."""
    a, b = (face.landmarks_xyz[:POINTS, :2] for face in (one, other))
    height = max(float(np.ptp(a[:, 1])), 1.0)
    way = b - a
    off = np.linalg.norm(way - way.mean(0), axis=1)
    return way.mean(0) / height, float(np.median(off)) / height
