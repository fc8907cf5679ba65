"""Where skin folds, and how a photo's folds are taken off: they must not stay on a calm face."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from ..geometry import eye_distance_px
from ..types import Array, Floats
from .acts import Acts
from .pixelwise import luma_of, smoothstep
from .shape import pose_of
from .surface import Surface, wide_blur
from .topology import POINTS, Topology

# Lines of points along which skin folds: from the wing of the nose past the corner of the mouth to
# the chin, beside and under the eye, between the brows, on the nose, across the forehead.
CHEEK_LINES = ((129, 203, 206, 216, 212, 202), (358, 423, 426, 436, 432, 422))
EYE_LINES = ((226, 143, 34), (446, 372, 264))
UNDER_EYE_LINES = ((31, 228, 229, 230, 231, 232), (261, 448, 449, 450, 451, 452))
FROWN_LINES = ((107, 9, 336), (55, 8, 285), (9, 8, 168))
NOSE_LINES = ((8, 6, 197), (193, 122, 196), (417, 351, 419))
FOREHEAD_LINES = ((69, 108, 151, 337, 299), (104, 69, 108, 9, 337, 299, 333))
# In the order of ``Acts.each``: lines, each with how far around it folds lie, in eye distances.
ZONES = (
    ((CHEEK_LINES[0], 0.30),),
    ((CHEEK_LINES[1], 0.30),),
    ((EYE_LINES[0], 0.25), (UNDER_EYE_LINES[0], 0.15)),
    ((EYE_LINES[1], 0.25), (UNDER_EYE_LINES[1], 0.15)),
    tuple((line, 0.22) for line in FROWN_LINES),
    tuple((line, 0.20) for line in NOSE_LINES),
    tuple((line, 0.30) for line in FOREHEAD_LINES),
)
# Where the cheek, pushed up and aside by a smile, folds before the ear.
OUTER_LINES = (((117, 50, 187, 214, 210), 0.55), ((346, 280, 411, 434, 430), 0.55))
BROWS_GROWN, EYES_GROWN, LIPS_GROWN = 0.03, 0.05, 0.01  # eye distances, that are no skin
BAND = (0.012, 0.18)  # sigmas in eye distances between which a fold is; finer is skin
PORE = 0.06  # log; a line fainter than this is skin
FURROW = 0.07  # log; what is darker in that band is a furrow and not the relief of a face
TAKEN = 0.9  # of the furrows of an act in full swing
EVENED_OUTSIDE = 0.25  # of all that is as broad where a smile pushes the cheek aside
ZONES_SIDE = 256  # texels; zones are smooth
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


def looks_like(topology: Topology, landmarks_xyz: Floats) -> Acts:
    """What a face does of which no neutral shape is known: how far it looks like a smile."""
    smile = smile_of(topology, landmarks_xyz)
    return Acts(smile=(smile, smile), squint=(smile, smile))


def is_mouth_open(landmarks_xyz: Floats) -> bool:
    """Whether teeth may show."""
    gap = float(np.linalg.norm(landmarks_xyz[13] - landmarks_xyz[14]))
    return gap > OPEN * eye_distance_px(landmarks_xyz)


def relax(surface: Surface, detail: Floats, acts: Acts, beard: Array) -> Floats:
    """(side, side, 3) the detail less the folds that the ``acts`` of its photo have drawn."""
    if not any(acts.each):
        return detail
    zones, evened, skin = (
        cv2.resize(each, (surface.size, surface.size)) for each in _shares(surface.topology, acts)
    )
    known = (skin * ~beard).astype(np.float32)
    fine, slow = (surface.soft(detail, sigma, known) for sigma in BAND)
    line = detail - fine
    line -= np.clip(line, -PORE, PORE)  # the sharp line in the depth of a fold
    band = fine - slow
    furrow = np.minimum(luma_of(band) + FURROW, 0)[..., None]
    zones, evened = (wide_blur(each * known, surface.sigma_px(0.02)) for each in (zones, evened))
    return detail - zones[..., None] * (furrow + line) - evened[..., None] * (band - furrow)


def _shares(topology: Topology, acts: Acts) -> tuple[Floats, Floats, Floats]:
    """(ZONES_SIDE, ZONES_SIDE) 0..1 each: how much of furrows goes, and of all that is as broad;
    and what is skin at all."""
    zones, skin = fold_zones(topology, ZONES_SIDE)
    weighted = np.float32(acts.each)[:, None, None] * zones
    outside = max(acts.smile) * EVENED_OUTSIDE * _outer_zone(topology)
    return TAKEN * weighted.max(0), outside, skin


@lru_cache(maxsize=4)
def fold_zones(topology: Topology, side: int) -> tuple[Floats, Floats]:
    """(7, side, side) 0..1: where the skin of a face folds, by act; and (side, side) its skin."""
    surface = Surface(topology, side)
    features = surface.grown(surface.brows, BROWS_GROWN) | surface.grown(surface.eyes, EYES_GROWN)
    skin = surface.is_face & ~(features | surface.grown(surface.lips, LIPS_GROWN))
    free = wide_blur(skin.astype(np.float32), surface.sigma_px(0.02))
    return np.stack([free * _around(surface, lines) for lines in ZONES]), free


@lru_cache(maxsize=1)
def _outer_zone(topology: Topology) -> Floats:
    return _around(Surface(topology, ZONES_SIDE), OUTER_LINES)


def _around(surface: Surface, lines: tuple[tuple[tuple[int, ...], float], ...]) -> Floats:
    """(side, side) 0..1: near some lines of points, each with how far in eye distances."""
    near = np.zeros((surface.size, surface.size), np.float32)
    for line, reach in lines:
        drawn = np.zeros(near.shape, np.uint8)
        at = np.rint(surface.topology.uv[list(line)] * surface.size).astype(np.int32)
        cv2.polylines(drawn, [at], False, 1, max(1, round(surface.sigma_px(reach))))
        soft = wide_blur(drawn.astype(np.float32), max(surface.sigma_px(reach / 4), 0.5))
        near = np.maximum(near, np.clip(1.3 * soft, 0, 1))
    return near
