"""What changes in a face from frame to frame though nothing moved."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from lendface.engine.geometry import crop_of, invert, join, move_points, next_face_roi, scale_of
from lendface.engine.mesh.topology import OVAL
from lendface.engine.types import Array, Floats

SIDE_PX = 160  # of the square that is compared: 1.5 times the face
SOFT_SIGMA = 1.0  # pixels of that square; grain is not flicker
EDGE_PX = 2  # of it that are left out at the outline, where the blur brings in the outside
RESIDUAL_FLOOR = 0.25  # Lab; less is rounding
LOST_FROM = 12.0  # Lab: where the target itself differs this much, the flow has lost its way
LEAST_SHARE = 0.5  # of the face that the flow has to explain
FLOW = {"pyr_scale": 0.5, "levels": 3, "winsize": 15, "iterations": 3, "poly_n": 5}


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face of one frame, upright in its square."""

    index: int
    gray: Array  # (SIDE_PX, SIDE_PX) uint8, of the target
    target: Floats  # (SIDE_PX, SIDE_PX, 3) Lab
    output: Floats


class Flicker:
    """Follows one person through a film; make one for each.

    The frame before is brought to the present one along the target's own motion, for both
    pictures alike (the warping error of Lai et al., Learning blind video temporal consistency,
    2018): the skin of a good swap moves as the target's does, so a texture that swims counts. The
    flow is Farneback's (2003), of another kind than the one that steadies the product's landmarks.
    The residual is the mean Lab difference inside the face, a little blurred.
    """

    def __init__(self) -> None:
        self._before: _Seen | None = None
        self._own = self._new = 0.0

    def feed(self, index: int, target: Floats, output: Floats, landmarks: Floats) -> float | None:
        """The output's residual over the target's between this frame and the one before.

        ``target`` and ``output`` (h, w, 3) RGB 0..255 show the same part of frame ``index``,
        ``landmarks`` (478, 3) are the target's in their pixels. A residual of 0.25 is added on
        both sides. None for the first frame, where frame ``index - 1`` was not fed, and after a
        cut or so quick a motion that the flow explains less than half of the face.
        """
        crop_to_picture = crop_of(next_face_roi(landmarks), SIDE_PX)
        own, new = (_upright(pixels, crop_to_picture) for pixels in (target, output))
        gray = cv2.cvtColor(own.astype(np.uint8), cv2.COLOR_RGB2GRAY)
        now = _Seen(index, gray, _lab(own), _lab(new))
        before, self._before = self._before, now
        if before is None or before.index != index - 1:
            return None
        oval_xy = move_points(landmarks[list(OVAL), :2], invert(crop_to_picture))
        inside = _inside(oval_xy, crop_to_picture, target.shape)
        residuals = _residuals(before, now, inside)
        if residuals is None:
            return None
        self._own += residuals[0] + RESIDUAL_FLOOR
        self._new += residuals[1] + RESIDUAL_FLOOR
        return (residuals[1] + RESIDUAL_FLOOR) / (residuals[0] + RESIDUAL_FLOOR)

    @property
    def ratio(self) -> float | None:
        """Of all frames fed so far: sum over sum, so that still moments weigh little."""
        return self._new / self._own if self._own > 0 else None


def _residuals(before: _Seen, now: _Seen, inside: Array) -> tuple[float, float] | None:
    """Of the target and of the output, Lab."""
    flow = cv2.calcOpticalFlowFarneback(
        now.gray, before.gray, None, poly_sigma=1.1, flags=0, **FLOW
    )
    ys, xs = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    places = flow + np.dstack([xs, ys])
    own, new = (
        _difference(then, present, places)
        for then, present in ((before.target, now.target), (before.output, now.output))
    )
    is_explained = inside & (own < LOST_FROM)
    if not inside.any() or is_explained.sum() < LEAST_SHARE * inside.sum():
        return None
    return float(own[is_explained].mean()), float(new[is_explained].mean())


def _difference(then: Floats, present: Floats, places: Floats) -> Floats:
    """(SIDE_PX, SIDE_PX) Lab distance of the present face from the one before, moved."""
    moved = cv2.remap(then, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.linalg.norm(cv2.GaussianBlur(present - moved, (0, 0), SOFT_SIGMA), axis=2)


def _upright(pixels: Floats, crop_to_picture: Floats) -> Floats:
    """(SIDE_PX, SIDE_PX, 3): the square, after as much shrinking as keeps it from aliasing."""
    step = max(1, int(scale_of(crop_to_picture)))
    part = np.ascontiguousarray(pixels, np.float32)
    if step > 1:
        height, width = part.shape[:2]
        size = max(1, round(width / step)), max(1, round(height / step))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        across, down = size[0] / width, size[1] / height
        shrink = np.float32([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5]])
        crop_to_picture = join(crop_to_picture, shrink)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = (SIDE_PX, SIDE_PX)
    moved = cv2.warpAffine(
        part, crop_to_picture, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.clip(moved, 0, 255)


def _lab(pixels: Floats) -> Floats:
    return cv2.cvtColor(pixels / np.float32(255), cv2.COLOR_RGB2LAB)


def _inside(oval_xy: Floats, crop_to_picture: Floats, shape: tuple[int, ...]) -> Array:
    """(SIDE_PX, SIDE_PX) bool: inside the face and inside the picture."""
    mask = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    cv2.fillPoly(mask, [np.rint(oval_xy).astype(np.int32)], 1)
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=EDGE_PX)
    picture = np.ones(shape[:2], np.uint8)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return (mask & cv2.warpAffine(picture, crop_to_picture, (SIDE_PX, SIDE_PX), flags=flags)) > 0
