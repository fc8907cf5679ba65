"""Crops as the nets want them: small, and without the moire of a plain warp."""

from __future__ import annotations

import cv2
import numpy as np

from lendface.engine.geometry import scale_of
from lendface.engine.types import Floats, Picture, Pixels

MOST_FINER = 8  # times; beyond it a crop for the way down would be too large


def take_crop(picture: Picture, crop_to_frame: Floats, size_px: int) -> Pixels:
    """(size_px, size_px, 3) RGB; a strong reduction averages pixels instead of skipping them."""
    finer = min(MOST_FINER, int(scale_of(crop_to_frame)))
    if finer < 2:
        return picture.warped(crop_to_frame, size_px)
    large = picture.warped(finer_crop(crop_to_frame, finer), size_px * finer)
    return cv2.resize(large, (size_px, size_px), interpolation=cv2.INTER_AREA)


def finer_crop(crop_to_frame: Floats, finer: int) -> Floats:
    """The same square with ``finer`` times the pixels a side.

    >>> finer_crop(np.float32([[4, 0, 10], [0, 4, 20]]), 2).tolist()
    [[2.0, 0.0, 9.0], [0.0, 2.0, 19.0]]
    """
    linear = crop_to_frame[:, :2] / finer
    first = np.full(2, 0.5 / finer - 0.5)  # the first fine pixel, in pixels of the coarse crop
    shift = crop_to_frame[:, :2] @ first + crop_to_frame[:, 2]
    return np.column_stack([linear, shift]).astype(np.float32)


def to_unit(crop: Pixels) -> Floats:
    """(1, size, size, 3) 0..1, as MediaPipe's landmark nets take it."""
    return (crop.astype(np.float32) / 255)[None]
