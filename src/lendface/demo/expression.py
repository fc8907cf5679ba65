"""Speaking, blinking and looking about as shifts of the face mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lendface.engine.mesh.topology import (
    BROW_IMAGE_LEFT,
    BROW_IMAGE_RIGHT,
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL,
    POINTS,
    Topology,
)
from lendface.engine.types import Array, Floats

from .script import Moves

# From the skin to the opening; each runs from the image-left corner along the lower lip to the
# other corner, and back along the upper lip.
LIP_RINGS = (
    LIPS_OUTER,
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 408, 304, 303, 302, 11, 72, 73, 74, 184),
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 407, 272, 271, 268, 12, 38, 41, 42, 183),
    LIPS_INNER,
)
CHIN = (152, 148, 377, 176, 400, 175, 199, 200, 171, 396, 208, 428)
JAW_FOLLOWS = {
    **dict.fromkeys((149, 378, 150, 379), 0.75),
    **dict.fromkeys((136, 365), 0.55),
    **dict.fromkeys((172, 397), 0.35),
    **dict.fromkeys((58, 288), 0.18),
    **dict.fromkeys((132, 361), 0.05),
}
NOSE = (1, 2, 4, 5, 19, 94, 97, 98, 326, 327, 64, 294, 48, 278, 6, 168, 197, 195, 129, 358)
CHIN_FOLLOWS = 0.85
CORNERS_FALL = 0.22
UPPER_LIP_RISES = 0.10
GAZE_CM = (0.22, 0.10)
SHUT_AT = 0.82  # of the way from the upper lid's rest to the lower lid's rest
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))


@dataclass(frozen=True, eq=False)
class Expression:
    """Shifts in pixels of the portrait."""

    jaw: Floats  # (468, 3) per centimetre of opening
    wide: Floats  # (468, 3) per centimetre that each corner moves out
    shut: Floats  # (468, 3) from the portrait's eyes to shut ones
    cm: float  # pixels

    def shift(self, moves: Moves) -> Floats:
        """(468, 3) for one moment."""
        speech = moves.jaw_cm * self.jaw + moves.wide_cm * self.wide
        return (speech + moves.closed * self.shut).astype(np.float32)

    def iris_shift(self, moves: Moves) -> Floats:
        """(3,) how far both irises move."""
        x, y = (self.cm * most * part for most, part in zip(GAZE_CM, moves.gaze, strict=True))
        return np.float32([x, y, 0])


def build_expression(topology: Topology, landmarks_xyz: Floats, cm: float) -> Expression:
    """The shifts for a portrait's landmarks (478, 3); ``cm`` is a centimetre in pixels."""
    points = landmarks_xyz[:POINTS]
    return Expression(
        jaw=_jaw(topology, points, cm),
        wide=_wide(topology, points, cm),
        shut=_shut(topology, points),
        cm=cm,
    )


def _jaw(topology: Topology, points: Floats, cm: float) -> Floats:
    """The lower lip and the chin come down, and a little back; the corners follow a little."""
    falls = dict.fromkeys((*NOSE, *_upper(OVAL)), 0.0)
    for ring in LIP_RINGS:
        for index, is_lower, across in _lip_points(ring, points):
            arch = (1 - across**2) ** 0.8
            to = 1 - CORNERS_FALL if is_lower else -UPPER_LIP_RISES - CORNERS_FALL
            falls[index] = CORNERS_FALL + to * arch
    falls.update(dict.fromkeys(CHIN, CHIN_FOLLOWS))
    falls.update(JAW_FOLLOWS)
    down = _spread(topology, falls)
    return cm * down[:, None] * np.float32([0, 1.0, 0.25])


def _wide(topology: Topology, points: Floats, cm: float) -> Floats:
    moved = dict.fromkeys((*NOSE, *OVAL, 175, 199, 200), 0.0)
    for ring in LIP_RINGS:
        for index, _, across in _lip_points(ring, points):
            moved[index] = across
    out = _spread(topology, moved)
    # A wider mouth lies flatter against the teeth: its corners go back.
    return cm * np.stack([out, 0 * out, 0.35 * np.abs(out)], 1)


def _shut(topology: Topology, points: Floats) -> Floats:
    shift = np.zeros((POINTS, 3), np.float32)
    known = set(OVAL) | set(NOSE) | set(BROW_IMAGE_LEFT) | set(BROW_IMAGE_RIGHT) | set(LIPS_OUTER)
    for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT):
        lower, upper = list(ring[1:8]), list(ring[:8:-1])
        meet = points[upper] + SHUT_AT * (points[lower] - points[upper])
        shift[upper], shift[lower] = meet - points[upper], meet - points[lower]
        known |= set(ring)
    known |= set(_below_eyes())
    parts = [_spread(topology, {i: float(shift[i, axis]) for i in known}) for axis in range(3)]
    return np.stack(parts, 1)


def _below_eyes() -> tuple[int, ...]:
    """Where the cheek begins: a blink does not reach it."""
    return (111, 117, 118, 119, 120, 121, 128, 340, 346, 347, 348, 349, 350, 357)


def _upper(ring: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in ring if i not in JAW_FOLLOWS and i not in CHIN)


def _lip_points(ring: tuple[int, ...], points: Floats) -> list[tuple[int, bool, float]]:
    """(point, whether it is on the lower lip, -1..1 across the mouth) for one ring."""
    xs = points[list(ring), 0]
    middle, half = (xs.max() + xs.min()) / 2, (xs.max() - xs.min()) / 2
    return [
        (index, 0 < place < len(ring) // 2, float(np.clip((x - middle) / half, -1, 1)))
        for place, (index, x) in enumerate(zip(ring, xs, strict=True))
    ]


def _spread(topology: Topology, known: dict[int, float]) -> Floats:
    """(468,) the given values, and between them as even a slope as the mesh allows."""
    near = topology.neighbours.astype(np.float64)
    system = np.eye(POINTS) - near / near.sum(1, keepdims=True)
    at, values = list(known), np.zeros(POINTS)
    system[at], values[at] = np.eye(POINTS)[at], list(known.values())
    return np.linalg.solve(system, values).astype(np.float32)


def opening(landmarks_xyz: Floats) -> float:
    """How far the mouth is open: between the inner lips, in distances between the eyes' corners."""
    return _gap(landmarks_xyz, ((13, 14), (82, 87), (312, 317)))


def eye_opening(landmarks_xyz: Floats) -> float:
    """How far both eyes are open, in the same unit."""
    return _gap(landmarks_xyz, ((159, 145), (158, 153), (386, 374), (385, 380)))


def _gap(landmarks_xyz: Floats, pairs: tuple[tuple[int, int], ...]) -> float:
    ends = landmarks_xyz[np.array(pairs)]
    gaps: Array = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
    return float(gaps.mean() / np.linalg.norm(landmarks_xyz[33] - landmarks_xyz[263]))
