"""Was everything but the faces left alone."""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np

from lendface.engine.types import Array, Floats

MARGIN = 0.35  # eye distances around a face that a tool may reasonably touch
UNTOUCHED_DB = 100.0  # for equal pictures, whose ratio has no end


def outside_faces(
    shape_hw: tuple[int, ...], faces: Iterable[tuple[Floats, float]], margin: float = MARGIN
) -> Array:
    """(h, w) bool: what no face covers.

    ``faces`` are outlines (n, 2) in pixels with the distance of the eyes; each is grown by
    ``margin`` eye distances.
    """
    covered = np.zeros(shape_hw[:2], np.uint8)
    for oval_xy, eye_px in faces:
        corners = [np.rint(oval_xy).astype(np.int32)]
        cv2.fillPoly(covered, corners, 1)
        cv2.polylines(covered, corners, True, 1, max(1, round(2 * margin * eye_px)), cv2.LINE_8)
    return covered == 0


def squared_error(target: Array, output: Array, where: Array) -> float | None:
    """Mean squared difference of the channels where ``where`` (h, w) bool holds; levels of 255.

    ``target`` and ``output`` (h, w, 3) are of one type, uint8 or float32. Over a film the mean of
    the squared errors goes into ``to_psnr``. None where nothing is left to compare.
    """
    count = int(np.count_nonzero(where))
    if count == 0:
        return None
    # OpenCV's own masked norm makes no copies: the frame may be a large one.
    total = cv2.norm(target, output, cv2.NORM_L2SQR, where.view(np.uint8))
    return float(total) / (3 * count)


def to_psnr(mean_squared_error: float) -> float:
    """Peak signal to noise ratio, decibels of a peak of 255; 100 where nothing differs.

    >>> round(to_psnr(1.0), 2), to_psnr(0.0)
    (48.13, 100.0)
    """
    if mean_squared_error <= 0:
        return UNTOUCHED_DB
    return min(UNTOUCHED_DB, 10 * math.log10(255**2 / mean_squared_error))


def psnr_outside(
    target: Array, output: Array, faces: Iterable[tuple[Floats, float]], margin: float = MARGIN
) -> float | None:
    """Peak signal to noise ratio of a whole frame outside its faces, decibels.

    Arguments as of ``squared_error`` and ``outside_faces``. An encoder at constant rate factor 18
    costs the background to about 39 to 45 dB; below about 30 dB a viewer sees it. None where
    faces fill the picture.
    """
    error = squared_error(target, output, outside_faces(target.shape, faces, margin))
    return None if error is None else to_psnr(error)
