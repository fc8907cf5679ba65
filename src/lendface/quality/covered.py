"""Was what lies in front of a face left alone: the pixels of hands and other things before it.

Where they are comes from the product's hand finder, whose skeletons are drawn thin so that they
are surely hand, or from polygons that somebody has drawn. A hand that the finder misses is not
judged, so drawn masks are the stricter test.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lendface.engine.mesh.occlusion import FINGERS, PALM
from lendface.engine.types import Array, Floats, Hand
from lendface.errors import BadOptionError, FileMissingError

TOLERANCE = 4.0  # Lab; an encoder at usual quality changes one pixel in two thousand as much
SOFT_PX = 3  # box over which a change is averaged: noise is no painting over
LEAST_PIXELS = 40
FINGER_WIDTH = 0.20  # of the palm's width or, where larger, of 0.55 of its length
Polygons = tuple[Floats, ...]  # each (n, 2) pixels of the frame
DrawnMasks = Mapping[tuple[str, int], Polygons]  # by name of the clip and index of the frame


def covered_change(target: Floats, output: Floats, mask: Array) -> float | None:
    """Share of the mask's pixels whose colour changed by more than 4 Lab (CIE 1976).

    ``target`` and ``output`` (h, w, 3) RGB 0..255 show the same part of a frame; ``mask`` (h, w)
    bool is what covers the face there. Both are averaged over 3 x 3 pixels first, and only pixels
    whose neighbours are in the mask too are counted, so that a change just beside it is none.
    A cheek painted over a hand of the same colour counts little. None where less than 40 pixels
    remain.
    """
    inner = cv2.erode(mask.astype(np.uint8), np.ones((SOFT_PX, SOFT_PX), np.uint8)) > 0
    if int(inner.sum()) < LEAST_PIXELS:
        return None
    own, new = (_lab(pixels) for pixels in (target, output))
    changed = np.linalg.norm(new - own, axis=2)[inner] > TOLERANCE
    return float(changed.mean())


def hands_mask(hands: Sequence[Hand], shape_hw: tuple[int, ...], origin_xy: Floats) -> Array:
    """(h, w) bool: what is surely hand. ``origin_xy`` (2,) is the corner of the part in the frame.

    The palm, and fingers drawn thinner than they are.
    """
    mask = np.zeros(shape_hw[:2], np.uint8)
    for hand in hands:
        _draw_hand(mask, hand.points_xy - origin_xy)
    return mask > 0


def drawn_mask(polygons: Polygons, shape_hw: tuple[int, ...], origin_xy: Floats) -> Array:
    """(h, w) bool: the inside of polygons that were drawn in pixels of the frame."""
    mask = np.zeros(shape_hw[:2], np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.rint(polygon - origin_xy).astype(np.int32)], 1)
    return mask > 0


def before_face(mask: Array, oval_xy: Floats) -> Array:
    """The part of a mask (h, w) that lies inside the face's outline (n, 2)."""
    face = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(face, [np.rint(oval_xy).astype(np.int32)], 1)
    return mask & (face > 0)


def read_drawn_masks(path: Path) -> DrawnMasks:
    """Masks from a JSON file: a list of {"clip", "frame", "polygons": [[[x, y], ...], ...]}.

    ``clip`` is a file's name with or without its ending and is kept without, ``frame`` counts
    from 0. Raises FileMissingError, and BadOptionError where the file says something else.
    """
    if not path.is_file():
        raise FileMissingError(path.name)
    masks: dict[tuple[str, int], Polygons] = {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        for entry in entries if isinstance(entries, list) else [entries]:
            key = Path(entry["clip"]).stem, int(entry["frame"])
            masks[key] = masks.get(key, ()) + tuple(_polygon(p) for p in entry["polygons"])
    except (ValueError, KeyError, TypeError) as fault:
        raise BadOptionError(
            f"{path.name} is no list of masks; "
            'each is {"clip": "name", "frame": 0, "polygons": [[[x, y], ...]]}'
        ) from fault
    return masks


def _polygon(corners: Any) -> Floats:
    points = np.asarray(corners, np.float32)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise ValueError("a polygon has three corners or more")
    return points


def _draw_hand(mask: Array, points_xy: Floats) -> None:
    palm_width = float(np.linalg.norm(points_xy[5] - points_xy[17]))
    length = float(np.linalg.norm(points_xy[9] - points_xy[0]))
    width = max(1, round(FINGER_WIDTH * max(palm_width, 0.55 * length)))
    points = np.rint(points_xy).astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(points[list(PALM)]), 1)
    for finger in FINGERS:
        cv2.polylines(mask, [points[list(finger)]], False, 1, width)


def _lab(pixels: Floats) -> Floats:
    even = cv2.blur(np.ascontiguousarray(pixels, np.float32), (SOFT_PX, SOFT_PX))
    return cv2.cvtColor(np.clip(even / 255, 0, 1), cv2.COLOR_RGB2LAB)
