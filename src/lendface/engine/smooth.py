"""Steady landmarks: a filter that follows the picture's own motion.

The last filtered point is carried along by optical flow and corrected towards the new detection,
more so the further they lie apart. It runs forward and backward and the two are averaged, so it
does not lag. Lips and lids are hardly held back: they are what speaks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .geometry import eye_distance_px
from .mesh.topology import OPENINGS, POINTS
from .types import Array, Floats

TRUST = 0.10  # least weight of a new detection
TRUST_MOVING = 0.45  # for lips and lids
LIGHT_REACH = 6  # frames either side
LIGHT_CHANGE = 0.12  # log; two lights this far apart are different lights
TOLERANCE = 0.09  # eye distances; a point this far off is believed at once


def smooth(points: Floats, forth: Floats, back: Floats) -> Floats:
    """(n, 478, 3): the steadied landmarks of one face in n frames in a row.

    ``points`` (n, 478, 3) as detected. ``forth`` (n, 478, 2): how the points of frame i - 1 moved
    to frame i; ``back`` (n, 478, 2): how the points of frame i move back to frame i - 1. The
    first rows of both are not read.
    """
    if len(points) < 2:
        return points
    reach = TOLERANCE * np.array([eye_distance_px(face[:, :2]) for face in points])
    forward = _run(points, forth[1:], reach)
    backward = _run(points[::-1], back[:0:-1], reach[::-1])[::-1]
    return ((forward + backward) / 2).astype(np.float32)


def steady_light(lights: Floats) -> Floats:
    """(n, g, g, 3): each light averaged with those of the frames around that resemble it.

    A flash or a passing shadow stays as quick as it is.
    """
    mean = np.zeros_like(lights)
    total = np.zeros(len(lights), np.float32)
    for step in range(-LIGHT_REACH, LIGHT_REACH + 1):
        other = np.clip(np.arange(len(lights)) + step, 0, len(lights) - 1)
        unlike = np.abs(lights[other] - lights).mean((1, 2, 3)) / LIGHT_CHANGE
        weight = np.exp(-(unlike**2) - (2.0 * step / LIGHT_REACH) ** 2 / 2).astype(np.float32)
        mean += weight[:, None, None, None] * lights[other]
        total += weight
    return mean / total[:, None, None, None]


def _run(points: Floats, motion: Floats, reach: Floats) -> Floats:
    kept = np.empty_like(points)
    kept[0] = points[0]
    for i in range(1, len(points)):
        carried = kept[i - 1].copy()
        carried[:, :2] += motion[i - 1]
        off = points[i] - carried
        far = np.linalg.norm(off[:, :2], axis=1) / max(float(reach[i]), 1e-6)
        kept[i] = carried + np.clip(far, LEAST_TRUST, 1)[:, None] * off
    return kept


def _least_trust(landmarks: int, moving: Sequence[int]) -> Array:
    trust = np.full(landmarks, TRUST, np.float32)
    trust[list(moving)] = TRUST_MOVING
    trust[POINTS:] = TRUST_MOVING  # irises
    return trust


LEAST_TRUST = _least_trust(478, OPENINGS)
