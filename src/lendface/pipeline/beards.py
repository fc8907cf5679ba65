"""What is told of beards that lie beyond the face, where a swap takes one away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..engine.mesh.beard import depth_of_source
from ..engine.mesh.pull import pulls_for, share_of
from ..engine.mesh.shape import pose_of
from ..engine.mesh.topology import Topology
from ..engine.plan import SwapPlan
from ..engine.tracks import Tracks
from ..engine.types import Face, Track
from .scans import Scan

LOOKED_AT = 240  # frames of a person, evenly spread, from which a share is told
STAYS = 0.5  # how much of a beard must be left to be told of
LEAST_SHARE = 0.02  # of the frames


def gone_shares(plan: SwapPlan, people: Sequence[Track], topology: Topology) -> dict[int, float]:
    """By track, 0..1 how far a beard goes because the source has none; those above 0."""
    shares = {
        person.id: share_of(person.beard, depth_of_source(topology, source))
        for person in people
        if person.beard is not None and (source := plan.source_for(person.id)) is not None
    }
    return {track_id: share for track_id, share in shares.items() if share > 0}


def left_of(
    person: Track, gone: float, face: Face, topology: Topology, size_wh: tuple[int, int]
) -> float:
    """0..1 how much of the beard of a face stays; ``gone`` is that of ``gone_shares``."""
    if person.beard is None or gone <= 0:
        return 0.0
    pose = pose_of(topology, face.landmarks_xyz)
    return 1 - gone * pulls_for(person.beard, face, pose, size_wh)[1]


def beard_warnings(
    scan: Scan, plan: SwapPlan, topology: Topology, size_wh: tuple[int, int] | None
) -> list[str]:
    """Says so where a beard that should go stays in some frames; ``size_wh`` is the film's."""
    if size_wh is None:
        return []
    told = []
    for track_id, gone in gone_shares(plan, scan.people, topology).items():
        person = scan.tracks.get_person(track_id)
        faces = _some_faces(scan.tracks, track_id)
        left = [left_of(person, gone, face, topology, size_wh) > STAYS for face in faces]
        share = float(np.mean(left)) if left else 0.0
        if share > LEAST_SHARE:
            frames = "all" if share == 1 else f"{100 * share:.0f} % of"
            told.append(
                f"face {track_id} has a beard and its source has none; what of it lies beyond the "
                f"face stays in {frames} frames (no end of it to be seen, a head that is turned or "
                "tipped far, a hand at the jaw, or the picture's edge)"
            )
    return told


def _some_faces(tracks: Tracks, track_id: int) -> list[Face]:
    """Some of a person's faces that are swapped."""
    frames = [
        frame
        for frame, places in sorted(tracks.places.items())
        if any(place.track_id == track_id and place.strength > 0 for place in places)
    ]
    few = frames[:: max(1, len(frames) // LOOKED_AT)]
    return [face for frame in few for face in tracks.faces_at(frame) if face.track_id == track_id]
