"""What of a crop lies beyond the picture it is taken from.

A crop is black there. A network that looks for landmarks does not mind, but whoever measures
colours would take it for a dark skin.
"""

from __future__ import annotations

import cv2
import numpy as np

from .geometry import invert, move_points, scale_of
from .types import Array, Floats

BLENDED = 0.7  # pixels of the crop beside the edge into which its black is blended
SUBSAMPLED_PX = 1.0  # ... and pixels of the picture, where colours are kept for two of them


def is_within(points_xy: Floats, size_wh: tuple[int, int], margin_px: float = 0.0) -> Array:
    """(...) bool: which points (..., 2) lie on a picture, at least ``margin_px`` from its edge.

    >>> is_within(np.float32([[0, 0], [3, 0], [4, 0], [1, -1]]), (4, 2)).tolist()
    [True, True, False, False]
    """
    last = np.float32(size_wh) - 1
    return ((points_xy >= margin_px) & (points_xy <= last - margin_px)).all(-1)


def places_of(crop_to_frame: Floats, size_px: int) -> Floats:
    """(size_px, size_px, 2): which point of the picture each pixel of a crop shows."""
    rows, columns = np.mgrid[:size_px, :size_px].astype(np.float32)
    return move_points(np.stack([columns, rows], -1), crop_to_frame)


def shown_part(crop_to_frame: Floats, size_px: int, size_wh: tuple[int, int]) -> Array | None:
    """(size_px, size_px) bool: which pixels of a crop show the picture; None where all of them do.

    Those beside the edge, into which something of the black is blended, do not count.
    """
    margin = SUBSAMPLED_PX + BLENDED * scale_of(crop_to_frame)
    last = size_px - 1
    corners = np.float32([[0, 0], [last, 0], [0, last], [last, last]])
    if is_within(move_points(corners, crop_to_frame), size_wh, margin).all():
        return None
    return is_within(places_of(crop_to_frame, size_px), size_wh, margin)


def value_at(pixels: Array, x: Floats, y: Floats) -> Array:
    """(n,): the pixels (h, w) nearest to some places, or on the edge where these lie outside."""
    rows, columns = (
        np.clip(np.rint(at), 0, side - 1).astype(int)
        for at, side in zip((y, x), pixels.shape, strict=True)
    )
    return pixels[rows, columns]


def continued(crop: Array, crop_to_frame: Floats, size_wh: tuple[int, int]) -> Array:
    """The crop (n, n) or (n, n, 3) with the colours of the picture's edge where it lies beyond.

    The crop itself where it does not.
    """
    side = crop.shape[0]
    shown = shown_part(crop_to_frame, side, size_wh)
    if shown is None or not shown.any():
        return crop
    margin = SUBSAMPLED_PX + BLENDED * scale_of(crop_to_frame)
    last = np.maximum(np.float32(size_wh) - 1 - margin, margin)
    nearest = np.clip(places_of(crop_to_frame, side), margin, last).astype(np.float32)
    at = move_points(nearest, invert(crop_to_frame))
    moved = cv2.remap(crop, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(shown if crop.ndim == 2 else shown[..., None], crop, moved)
