"""``opts``: a face as a few points of the picture it is in, ``"x,y:x,y:x,y:x,y"``.

The first three points are the eye and the other eye, from left to right, and the tip of the nose.
The fourth is the left corner of the mouth in older pages and answers, and its middle in newer
ones; where it lies between the eyes tells which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]

CORNER_BELOW = 0.35  # of the way from eye to eye; corners were seen up to 0.20, middles from 0.50
FARTHEST_PX = 1e5  # no picture is wider
MAX_OPTS_CHARS = 1000  # of the longest form, or points in a list; no face is told by more
LEAST = 3  # points, without which it is no face


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Pixels of the picture they are about."""

    left_eye: Point  # smaller x on an upright face
    right_eye: Point
    nose: Point
    mouth: Point | None  # its middle

    @property
    def middle(self) -> Point:
        """A point well within the face."""
        points = [p for p in (self.left_eye, self.right_eye, self.nose, self.mouth) if p]
        return (
            sum(x for x, _ in points) / len(points),
            sum(y for _, y in points) / len(points),
        )


def read_opts(opts: Any) -> Landmarks | None:
    """In whatever form clients send it; None where it says nothing that could be a face.

    >>> read_opts("262,175:363,175:313,215:272,279").mouth  # the fourth is a corner
    (312.5, 279.0)
    >>> read_opts(["410,300:520,304:468,372:467,430"]).mouth  # a list of one, as detection gives
    (467.0, 430.0)
    >>> read_opts("face please") is None
    True
    """
    points = _points_of(opts)
    if len(points) < LEAST or any(abs(v) > FARTHEST_PX for point in points for v in point):
        return None
    left, right, nose, *others = points
    if math.dist(left, right) < 1:
        return None
    return Landmarks(left, right, nose, _mouth(left, right, others))


def middle_of(opts: Any) -> Point | None:
    """A point of the face that ``opts`` means."""
    landmarks = read_opts(opts)
    return landmarks.middle if landmarks else None


def write_opts(points: Sequence[Sequence[int]]) -> str:
    """
    >>> write_opts([[410, 300], [520, 304]])
    '410,300:520,304'
    """
    return ":".join(f"{x},{y}" for x, y in points)


def six_points(points_xy: Sequence[Sequence[float]]) -> list[list[int]]:
    """Eyes, nose, middle of the mouth, its left and its right corner.

    Of five points: eyes, nose, corners. The middle is between the corners, rounded down, at the
    height of the left one, as in all of the vendor's newer samples.

    >>> six_points([(410, 300), (520, 304), (468, 372), (425, 430), (510, 436)])[3]
    [467, 430]
    """
    left_eye, right_eye, nose, left, right = ([round(x), round(y)] for x, y in points_xy)
    return [left_eye, right_eye, nose, [(left[0] + right[0]) // 2, left[1]], left, right]


def older_points(points_xy: Sequence[Sequence[float]]) -> list[list[int]]:
    """As the older detection has them: eyes, nose, left corner of the mouth, and two of zeros."""
    left_eye, right_eye, nose, left, _ = ([round(x), round(y)] for x, y in points_xy)
    return [left_eye, right_eye, nose, left, [0, 0], [0, 0]]


def _mouth(left: Point, right: Point, others: Sequence[Point]) -> Point | None:
    """The middle of the mouth, whichever point of it is the fourth."""
    if not others:
        return None
    x, y = others[0]
    has_corners = len(others) >= 3 and any(others[1]) and any(others[2])
    across = _share_across(left, right, others[0])
    if has_corners or across >= CORNER_BELOW:
        return x, y
    return x + (0.5 - across) * (right[0] - left[0]), y + (0.5 - across) * (right[1] - left[1])


def _share_across(left: Point, right: Point, point: Point) -> float:
    """How far along the line from eye to eye a point lies: 0 below the left, 1 below the right."""
    along = (right[0] - left[0], right[1] - left[1])
    offset = (point[0] - left[0], point[1] - left[1])
    return (offset[0] * along[0] + offset[1] * along[1]) / (along[0] ** 2 + along[1] ** 2)


def _points_of(opts: Any) -> list[Point]:
    """The points, none where it cannot be read."""
    while isinstance(opts, list) and len(opts) == 1:
        opts = opts[0]
    if isinstance(opts, str | list) and len(opts) > MAX_OPTS_CHARS:
        return []
    pairs = [text.split(",") for text in opts.split(":")] if isinstance(opts, str) else opts
    try:
        points = [(float(x), float(y)) for x, y in pairs]
    except (TypeError, ValueError, OverflowError):
        return []
    return points if all(math.isfinite(v) for point in points for v in point) else []
