"""The folds that a smile draws, which must not stay on a face that does not smile."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ..geometry import eye_distance_px
from ..types import Array, Floats
from .pixelwise import smoothstep
from .shape import pose_of
from .surface import Surface, wide_blur
from .topology import POINTS, Topology

# From the wing of the nose past the corner of the mouth to the chin, and beside the eye.
CHEEK_LINES = ((129, 203, 206, 216, 212, 202), (358, 423, 426, 436, 432, 422))
EYE_LINES = ((226, 143, 34), (446, 372, 264))
# ... and where the cheek, pushed up and aside, folds before the ear.
OUTER_LINES = ((117, 50, 187, 214, 210), (346, 280, 411, 434, 430))
CHEEK_REACH, EYE_REACH, OUTER_REACH = 0.26, 0.22, 0.55  # eye distances: how wide folds lie
BAND = (0.012, 0.18)  # sigmas in eye distances between which a fold is; finer is skin
PORE = 0.06  # log; a line fainter than this is skin
TAKEN, TAKEN_BESIDE_EYES, TAKEN_OUTSIDE = 0.7, 0.3, 0.25  # of the folds of a full laugh
OPEN = 0.03  # eye distances between the lips
CALM_LIFT = -0.15  # eye distances from the corners of a calm mouth up to where the lips meet
WIDE = (0.92, 1.10)  # eye distances from corner to corner: calm, laughing


def smile_of(topology: Topology, landmarks_xyz: Floats) -> float:
    """0 for a calm mouth, 1 for a laugh: how far its corners lie apart and how high.

    ``landmarks_xyz`` (>= 468, 3) in pixels.
    """
    points = pose_of(topology, landmarks_xyz).to_canonical(landmarks_xyz[:POINTS])
    unit = eye_distance_px(points)
    corners = points[[61, 291]]
    width = float(np.linalg.norm(corners[0] - corners[1])) / unit
    lift = float(points[0, 1] - corners[:, 1].mean()) / unit
    return float(smoothstep(width + 0.5 * max(lift - CALM_LIFT, 0.0), *WIDE))


def is_mouth_open(landmarks_xyz: Floats) -> bool:
    """Whether teeth may show."""
    gap = float(np.linalg.norm(landmarks_xyz[13] - landmarks_xyz[14]))
    return gap > OPEN * eye_distance_px(landmarks_xyz)


def relax(surface: Surface, detail: Floats, smile: float, beard: Array) -> Floats:
    """(side, side, 3) the detail with the folds of a ``smile`` (0..1) made shallow."""
    if smile <= 0:
        return detail
    fine, slow = (surface.soft(detail, sigma) for sigma in BAND)
    crease = detail - fine
    crease -= np.clip(crease, -PORE, PORE)  # the sharp line in the depth of a fold
    reach = _fold_zone(surface) * ~(beard | surface.lips)
    reach = wide_blur(reach.astype(np.float32), surface.sigma_px(0.02))
    return detail - smile * reach[..., None] * (crease + fine - slow)


@lru_cache(maxsize=4)
def _fold_zone(surface: Surface) -> Floats:
    """(side, side) 0..1: how much of a band goes at each texel."""
    kinds = (
        (CHEEK_LINES, CHEEK_REACH, TAKEN),
        (EYE_LINES, EYE_REACH, TAKEN_BESIDE_EYES),
        (OUTER_LINES, OUTER_REACH, TAKEN_OUTSIDE),
    )
    zone = np.zeros((surface.size, surface.size), np.float32)
    for lines, reach, taken in kinds:
        drawn = np.zeros(zone.shape, np.uint8)
        for line in lines:
            at = np.rint(surface.topology.uv[list(line)] * surface.size).astype(np.int32)
            cv2.polylines(drawn, [at], False, 1, max(1, round(surface.sigma_px(reach))))
        soft = wide_blur(drawn.astype(np.float32), surface.sigma_px(reach / 5))
        zone = np.maximum(zone, taken * soft)
    return zone
