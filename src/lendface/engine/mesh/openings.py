"""Eyes and mouth: what of the target shows there."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Array, Box, Floats
from .pixelwise import blurred, smoothstep
from .shape import eye_openings
from .sheet import Sheet
from .topology import LIDS_IMAGE_LEFT, LIDS_IMAGE_RIGHT, LIPS_OUTER, LIPS_SEAM

# Soft edges, sigmas in eye distances.
EYE_EDGE = 0.009
MOUTH_EDGE = 0.02
LID_EDGE = 0.035
LIPS_EDGE = 0.05
LIPS_GROWN = 0.12  # eye distances around the lips that stay with them
LIPS_APART = (0.02, 0.06)  # eye distances between which closed lips become an open mouth
LINE_WIDTH, LINE_AROUND = 0.04, 0.07  # eye distances; of the line between closed lips
LIDS_SHUT = (-0.70, -0.35)  # minus the target's eye opening over the source's


def openings_of(sheet: Sheet, eye_px: float) -> Floats:
    """(h, w) 0..1: the eyes between their lids, and what is seen between the lips."""
    # The soft edge lies inside: lids and lashes are the source's, and say much about who it is.
    eyes = np.clip(2 * _softened_around(sheet.eyes, EYE_EDGE * eye_px) - 1, 0, 1)
    return np.maximum(eyes, _softened_around(sheet.mouth, MOUTH_EDGE * eye_px))


def mixed(below: Floats, above: Floats, share: Floats) -> Floats:
    """(h, w, 3): ``above`` shows as far as ``share`` (h, w) says."""
    return below + share[..., None] * (above - below)


def closed_lids(
    moved_xy: Floats,
    landmarks_xyz: Floats,
    openings: tuple[float, float],
    sheet: Sheet,
    eye_px: float,
) -> Floats | None:
    """(h, w) 0..1: where the target's own lids are shown; None while both eyes are open.

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
    return _softened_around(mask, LID_EDGE * eye_px) if mask.any() else None


def with_lip_line(skin: Floats, target: Floats, moved_xy: Floats, eye_px: float) -> Floats:
    """``skin`` (h, w, 3), changed in place, with the target's dark line between closed lips.

    A closed mouth has no inside that could be seen, and the lips of a laughing or a pale source
    have no line: then they would be one. Only the shade of the target's line is taken, and skin
    is darkened only as far as it has not got a line of its own.
    """
    gap = float(np.linalg.norm(moved_xy[LIPS_SEAM[0][5]] - moved_xy[LIPS_SEAM[1][5]]))
    closed = 1 - float(smoothstep(gap / eye_px, *LIPS_APART))
    middle = (moved_xy[list(LIPS_SEAM[0])] + moved_xy[list(LIPS_SEAM[1])]) / 2
    margin = 3 * LINE_AROUND * eye_px
    low, high = np.floor(middle.min(0) - margin), np.ceil(middle.max(0) + margin) + 1
    box = Box(*low.astype(int).tolist(), *high.astype(int).tolist())
    box = box.clipped((skin.shape[1], skin.shape[0]))
    if closed <= 0 or box.is_empty:
        return skin
    at = np.s_[box.y0 : box.y1, box.x0 : box.x1]
    line = np.zeros((box.height, box.width), np.float32)
    places = np.rint((middle - np.float32(box[:2])) * 16).astype(np.int32)
    width = max(1, round(LINE_WIDTH * eye_px))
    cv2.polylines(line, [places], False, closed, width, cv2.LINE_AA, 4)
    shade, own = (_shade(pixels[at], LINE_AROUND * eye_px) for pixels in (target, skin))
    share = _softened(line, LINE_WIDTH / 3 * eye_px)[..., None]
    skin[at] *= 1 - share * (1 - np.minimum(shade / own, 1))
    return skin


def _shade(pixels: Floats, sigma: float) -> Floats:
    """(h, w, 3) at most 1: how much darker a pixel is than its surroundings."""
    pixels = np.maximum(pixels, 4)
    return np.minimum(pixels / blurred(pixels, max(sigma, 0.5)), 1)


def lips_region(moved_xy: Floats, sheet: Sheet, eye_px: float) -> Floats:
    """(h, w) 0..1: lips and what is between them, with a little skin around."""
    mask = np.zeros(sheet.mouth.shape, np.uint8)
    cv2.fillPoly(mask, [_corners(moved_xy, LIPS_OUTER)], 1)
    radius = max(1, round(LIPS_GROWN * eye_px))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return _softened(cv2.dilate(mask, disc).astype(np.float32), LIPS_EDGE * eye_px)


def _corners(moved_xy: Floats, ring: tuple[int, ...]) -> Array:
    return np.rint(moved_xy[list(ring)]).astype(np.int32)


def _softened_around(mask: Floats, sigma: float) -> Floats:
    """A Gaussian blur of a mask that is 0 in most places."""
    margin = int(4 * max(sigma, 0.5)) + 2
    left, top, width, height = cv2.boundingRect((mask > 0).view(np.uint8))
    soft = np.zeros_like(mask)
    if width:
        rows = slice(max(top - margin, 0), top + height + margin)
        columns = slice(max(left - margin, 0), left + width + margin)
        soft[rows, columns] = _softened(np.ascontiguousarray(mask[rows, columns]), sigma)
    return soft


def _softened(mask: Floats, sigma: float) -> Floats:
    return cv2.GaussianBlur(mask, (0, 0), max(sigma, 0.5))
