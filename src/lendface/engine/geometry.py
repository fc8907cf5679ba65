"""Where things lie: fits, crops and the way back.

A matrix ``a_to_b`` is (2, 3) float32 and takes a point of ``a`` to a point of ``b``. Points are
pixels and ``(0, 0)`` is the centre of the first one, as in ``types``.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .types import Floats

EYE_CORNERS = ((33, 133), (362, 263))  # of the eye that an upright picture shows left, then right
EYE_DISTANCE_SHARE = 0.68  # of the way between the outer corners
NOSE_TIP = 1
MOUTH_CORNERS = (61, 291)
FACE_POINTS = 468  # of the 478; the last ten are irises
FACE_CROP_SCALE = 1.5  # the mesh net was trained on crops of 1.5 x the face


class Roi(NamedTuple):
    """A turned square: where a crop is taken."""

    x: float  # of its middle, pixels
    y: float
    side: float  # pixels
    angle: float  # radians from the picture's x axis to the square's own, clockwise on the screen


def fit_similarity(src_xy: Floats, dst_xy: Floats) -> Floats:
    """Best rotation, even scale and shift from ``src_xy`` to ``dst_xy``.

    Both are (n, 2) pixels, n >= 2. Returns ``src_to_dst``, (2, 3); it never mirrors.

    >>> fit_similarity(np.float32([[0, 0], [1, 0]]), np.float32([[2, 3], [2, 5]])).tolist()
    [[0.0, -2.0, 2.0], [2.0, 0.0, 3.0]]
    """
    src, dst = src_xy @ [1, 1j], dst_xy @ [1, 1j]  # points as complex numbers
    spread = src - src.mean()
    turn = np.vdot(spread, dst) / np.vdot(spread, spread)  # scale and angle in one
    shift = dst.mean() - turn * src.mean()
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.array(rows, np.float32)


def invert(a_to_b: Floats) -> Floats:
    """``b_to_a``, (2, 3), of an ``a_to_b`` that has a way back.

    >>> invert(np.float32([[2, 0, 4], [0, 2, 6]])).tolist()
    [[0.5, 0.0, -2.0], [0.0, 0.5, -3.0]]
    """
    linear = np.linalg.inv(a_to_b[:, :2].astype(np.float64))
    shift = linear @ a_to_b[:, 2]
    return np.column_stack([linear, 0.0 - shift]).astype(np.float32)


def join(a_to_b: Floats, b_to_c: Floats) -> Floats:
    """``a_to_c``, (2, 3): first ``a_to_b``, then ``b_to_c``.

    >>> join(np.float32([[1, 0, 1], [0, 1, 0]]), np.float32([[3, 0, 0], [0, 3, 5]])).tolist()
    [[3.0, 0.0, 3.0], [0.0, 3.0, 5.0]]
    """
    first = np.vstack([a_to_b, [0, 0, 1]])
    return (b_to_c.astype(np.float64) @ first).astype(np.float32)


def move_points(points_xy: Floats, a_to_b: Floats) -> Floats:
    """``points_xy`` (..., 2) of ``a``, in pixels of ``b``.

    >>> move_points(np.float32([[1, 2]]), np.float32([[0, -1, 10], [1, 0, 0]])).tolist()
    [[8.0, 1.0]]
    """
    return (points_xy @ a_to_b[:, :2].T + a_to_b[:, 2]).astype(np.float32)


def move_landmarks(landmarks_xyz: Floats, a_to_b: Floats) -> Floats:
    """``landmarks_xyz`` (..., 3) of ``a``, in pixels of ``b``; z keeps the unit of x and y.

    ``a_to_b`` is a similarity: z is multiplied by its scale.

    >>> move_landmarks(np.float32([[1, 2, 3]]), np.float32([[2, 0, 0], [0, 2, 1]])).tolist()
    [[2.0, 5.0, 6.0]]
    """
    depth = landmarks_xyz[..., 2:] * scale_of(a_to_b)
    return np.concatenate([move_points(landmarks_xyz[..., :2], a_to_b), depth], axis=-1)


def scale_of(a_to_b: Floats) -> float:
    """How many pixels of ``b`` one pixel of ``a`` is long; ``a_to_b`` is a similarity.

    >>> scale_of(np.float32([[0, -3, 1], [3, 0, 2]]))
    3.0
    """
    return math.hypot(float(a_to_b[0, 0]), float(a_to_b[1, 0]))


def crop_of(roi: Roi, size_px: int) -> Floats:
    """``crop_to_frame`` (2, 3) of the square crop, ``size_px`` wide, that shows ``roi``.

    >>> crop_to_frame = crop_of(Roi(x=99.5, y=49.5, side=50, angle=0), 100)
    >>> move_points(np.float32([[-0.5, -0.5]]), crop_to_frame).tolist()  # the crop's own corner
    [[74.5, 24.5]]
    """
    scale = roi.side / size_px
    c, s = math.cos(roi.angle) * scale, math.sin(roi.angle) * scale
    middle = (size_px - 1) / 2
    rows = [
        [c, -s, roi.x - (c - s) * middle],
        [s, c, roi.y - (s + c) * middle],
    ]
    return np.array(rows, np.float32)


def roi_from_points(points_xy: Floats, angle: float, scale: float = 1.0) -> Roi:
    """The square turned by ``angle`` round ``points_xy`` (n, 2), its side times ``scale``.

    >>> roi_from_points(np.float32([[0, 0], [4, 2]]), angle=0.0, scale=1.5)
    Roi(x=2.0, y=1.0, side=6.0, angle=0.0)
    """
    c, s = math.cos(angle), math.sin(angle)
    x, y = points_xy.T.astype(np.float64)
    along, down = x * c + y * s, y * c - x * s  # in the square's own directions
    left, right, top, bottom = (
        float(v) for v in (along.min(), along.max(), down.min(), down.max())
    )
    u, v = (left + right) / 2, (top + bottom) / 2
    side = max(right - left, bottom - top) * scale
    return Roi(u * c - v * s, u * s + v * c, side, angle)


def angle_between(from_xy: Floats, to_xy: Floats) -> float:
    """Radians of the way ``from_xy`` (2,) -> ``to_xy`` (2,), clockwise on the screen from +x."""
    return math.atan2(float(to_xy[1] - from_xy[1]), float(to_xy[0] - from_xy[0]))


def face_roi(box_xyxy: Floats, points_xy: Floats) -> Roi:
    """Where the landmarker should look for a detected face: 1.5 x the box, eyes level.

    ``box_xyxy`` (4,) and ``points_xy`` (5, 2) as in ``Detection``.

    >>> eyes = np.float32([[20, 20], [40, 20], [30, 30], [22, 40], [38, 40]])
    >>> face_roi(np.float32([10, 0, 50, 60]), eyes)
    Roi(x=30.0, y=30.0, side=90.0, angle=0.0)
    """
    x0, y0, x1, y1 = (float(v) for v in box_xyxy)
    side = max(x1 - x0, y1 - y0) * FACE_CROP_SCALE
    return Roi((x0 + x1) / 2, (y0 + y1) / 2, side, angle_between(points_xy[0], points_xy[1]))


def next_face_roi(landmarks_xyz: Floats) -> Roi:
    """Where to look a frame later for the face with these landmarks, (478, 3): the same margin."""
    points_xy = landmarks_xyz[:FACE_POINTS, :2]
    angle = angle_between(points_xy[EYE_CORNERS[0][0]], points_xy[EYE_CORNERS[1][1]])
    return roi_from_points(points_xy, angle, FACE_CROP_SCALE)


def eye_distance_px(landmarks: Floats) -> float:
    """Between the middles of the eyes, from (n, 2) or (n, 3) landmarks of one face.

    The outer corners are used, because gaze and squint move the others. With depth, a head that
    turns keeps its eye distance; without, it is what the picture shows.
    """
    return EYE_DISTANCE_SHARE * float(np.linalg.norm(landmarks[33] - landmarks[263]))


def five_points(landmarks_xyz: Floats) -> Floats:
    """The five points of a ``Detection`` and of the recognizer, (5, 2), from (478, 3).

    In the order of an upright picture: left and right eye middle (mean of the eye's corners),
    nose tip, left and right mouth corner.
    """
    points_xy = landmarks_xyz[:, :2]
    eyes = [points_xy[list(corners)].mean(axis=0) for corners in EYE_CORNERS]
    rest = [points_xy[index] for index in (NOSE_TIP, *MOUTH_CORNERS)]
    return np.array([*eyes, *rest], np.float32)
