"""How sharp and how noisy a swapped face is, beside what the target's own face was there."""

from __future__ import annotations

import cv2
import numpy as np

from lendface.engine.mesh.pixelwise import luma_of
from lendface.engine.mesh.topology import (
    BROW_IMAGE_LEFT,
    BROW_IMAGE_RIGHT,
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS_OUTER,
    OVAL,
)
from lendface.engine.types import Array, Floats

INNER = 0.15  # eye distances from the outline inwards, where a swap is wholly itself
FEATURES_GROWN = 0.06  # eye distances around eyes, brows and lips that are no skin
BLURRED_PX = 9  # the box of Crete's second blur
LEAST_PIXELS = 64
NOISE = np.float32([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])  # Immerkaer: 6 times a white noise
BLOCK_PX = 8
CALM_PERCENT = 25.0  # of the blocks: those with the least that is not noise
NOISE_FLOOR = 0.5  # levels of 255; less is lost when pixels are rounded


def sharpness_ratio(
    target: Floats, output: Floats, landmarks: Floats, eye_px: float
) -> float | None:
    """Sharpness of the inner face over that of the target's own; below 1 it is blurred.

    ``target`` and ``output`` (h, w, 3) RGB 0..255 show the same part of a frame, ``landmarks``
    (468 or more, 2 or 3) are the target's in their pixels. Sharpness is the share of the
    differences between neighbours that a blur of 9 pixels takes away (one minus the blur metric
    of Crete, Dolmiere, Ladret and Nicolas, 2007). As a share it does not ask how much there is to
    see: a smooth cheek in place of a beard is not less sharp. On film, a blur by a Gaussian of 0.7
    pixels gives about 0.85, of 1 pixel 0.76. Noise raises it; read ``grain_ratio`` beside it. None
    where less than 64 pixels can be judged.
    """
    inner = inner_face(landmarks, target.shape[:2], eye_px)
    if int(inner.sum()) < LEAST_PIXELS:
        return None
    own, new = (_sharpness(luma_of(pixels), inner) for pixels in (target, output))
    return new / own if own > 0 else None


def grain_ratio(target: Floats, output: Floats, landmarks: Floats, eye_px: float) -> float | None:
    """Noise of the skin over that of the target's own.

    Arguments as of ``sharpness_ratio``. Noise is what the mask of Immerkaer (Fast noise variance
    estimation, 1996) leaves of the brightness, in blocks of 8 x 8 pixels of skin; the calmest
    quarter of the blocks tells, because pores and wrinkles look like noise too. It is a standard
    deviation in levels of 255; 0.5 is added on both sides, which is what rounding hides.
    None where no 4 blocks of skin are to be seen.
    """
    skin = skin_of(landmarks, target.shape[:2], eye_px)
    own, new = (_noise(luma_of(pixels), skin) for pixels in (target, output))
    if own is None or new is None:
        return None
    return (new + NOISE_FLOOR) / (own + NOISE_FLOOR)


def inner_face(landmarks: Floats, shape_hw: tuple[int, ...], eye_px: float) -> Array:
    """(h, w) bool: the face without its rim."""
    mask = np.zeros(shape_hw, np.uint8)
    _fill(mask, landmarks, OVAL)
    # Where the picture ends the face goes on, so only what is outside the outline is a rim.
    return cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5) > INNER * eye_px


def skin_of(landmarks: Floats, shape_hw: tuple[int, ...], eye_px: float) -> Array:
    """(h, w) bool: the inner face without eyes, brows and lips."""
    features = np.zeros(shape_hw, np.uint8)
    for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT, LIPS_OUTER):
        _fill(features, landmarks, ring)
    for points in (BROW_IMAGE_LEFT, BROW_IMAGE_RIGHT):
        hull = cv2.convexHull(np.rint(landmarks[list(points), :2]).astype(np.int32))
        cv2.fillConvexPoly(features, hull, 1)
    radius = max(1, round(FEATURES_GROWN * eye_px))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return inner_face(landmarks, shape_hw, eye_px) & (cv2.dilate(features, disc) == 0)


def _fill(mask: Array, landmarks: Floats, ring: tuple[int, ...]) -> None:
    cv2.fillPoly(mask, [np.rint(landmarks[list(ring), :2]).astype(np.int32)], 1)


def _sharpness(luma: Floats, where: Array) -> float:
    """0..1: the share of neighbour differences that a strong blur takes away, both ways."""
    lost = every = 0.0
    for axis, size in ((1, (BLURRED_PX, 1)), (0, (1, BLURRED_PX))):
        both = where[:, 1:] & where[:, :-1] if axis == 1 else where[1:] & where[:-1]
        sharp = np.abs(np.diff(luma, axis=axis))[both]
        soft = np.abs(np.diff(cv2.blur(luma, size), axis=axis))[both]
        every += float(sharp.sum())
        lost += float(np.maximum(sharp - soft, 0).sum())
    return lost / every if every > 0 else 0.0


def _noise(luma: Floats, skin: Array) -> float | None:
    """Standard deviation, levels of 255."""
    size, middle = (BLOCK_PX, BLOCK_PX), slice(BLOCK_PX // 2, None, BLOCK_PX)
    is_whole = cv2.erode(skin.astype(np.uint8), np.ones(size, np.uint8))[middle, middle] > 0
    if int(is_whole.sum()) < 4:
        return None
    power = cv2.blur(cv2.filter2D(luma, -1, NOISE) ** 2, size)[middle, middle]
    return float(np.percentile(np.sqrt(np.maximum(power[is_whole], 0)), CALM_PERCENT)) / 6
