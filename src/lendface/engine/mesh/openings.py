"""Eyes and mouth: what of the target shows there."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Array, Floats
from .pixelwise import smoothstep
from .shape import eye_openings
from .sheet import Sheet
from .topology import LIDS_IMAGE_LEFT, LIDS_IMAGE_RIGHT, LIPS_OUTER

# Soft edges, sigmas in eye distances.
EYE_EDGE = 0.018
MOUTH_EDGE = 0.02
LID_EDGE = 0.035
LIPS_EDGE = 0.05
LIPS_GROWN = 0.12  # eye distances around the lips that stay with them
LIDS_SHUT = (-0.70, -0.35)  # minus the target's eye opening over the source's


def openings_of(sheet: Sheet, eye_px: float) -> Floats:
    """(h, w) 0..1: the eyes between their lids, and what is seen between the lips."""
    eyes = _softened(sheet.eyes, EYE_EDGE * eye_px)
    return np.maximum(eyes, _softened(sheet.mouth, MOUTH_EDGE * eye_px))


def mixed(below: Floats, above: Floats, share: Floats) -> Floats:
    """(h, w, 3): ``above`` shows as far as ``share`` (h, w) says."""
    return below + share[..., None] * (above - below)


def closed_lids(
    moved_xy: Floats,
    landmarks_xyz: Floats,
    openings: tuple[float, float],
    sheet: Sheet,
    eye_px: float,
) -> Floats:
    """(h, w) 0..1: where the target's own lids are shown.

    The source's texture has the lids of open eyes; drawn out over a closed eye they would smear
    the lashes into a dark patch. ``moved_xy`` (468, 2) pixels of the patch, ``openings`` are those
    of the source's eyes, height over width.
    """
    mask = np.zeros(sheet.eyes.shape, np.float32)
    rings = (LIDS_IMAGE_LEFT, LIDS_IMAGE_RIGHT)
    for ring, now, source in zip(rings, eye_openings(landmarks_xyz), openings, strict=True):
        shut = float(smoothstep(-now / max(source, 1e-6), *LIDS_SHUT))
        if shut > 0:
            cv2.fillPoly(mask, [_corners(moved_xy, ring)], shut)
    return _softened(mask, LID_EDGE * eye_px) if mask.any() else mask


def lips_region(moved_xy: Floats, sheet: Sheet, eye_px: float) -> Floats:
    """(h, w) 0..1: lips and what is between them, with a little skin around."""
    mask = np.zeros(sheet.mouth.shape, np.uint8)
    cv2.fillPoly(mask, [_corners(moved_xy, LIPS_OUTER)], 1)
    radius = max(1, round(LIPS_GROWN * eye_px))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return _softened(cv2.dilate(mask, disc).astype(np.float32), LIPS_EDGE * eye_px)


def _corners(moved_xy: Floats, ring: tuple[int, ...]) -> Array:
    return np.rint(moved_xy[list(ring)]).astype(np.int32)


def _softened(mask: Floats, sigma: float) -> Floats:
    return cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.5))
