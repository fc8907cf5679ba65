"""Pictures in which the figures are known: a plain painted face, and pastes made of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from faces import posed
from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.topology import (
    BROW_IMAGE_LEFT,
    BROW_IMAGE_RIGHT,
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS_OUTER,
    OVAL,
    Topology,
)
from lendface.engine.types import Array, Floats

SIDE = 260
SKIN, WALL = (205, 160, 135), (90, 110, 120)
DARK = {EYE_IMAGE_LEFT: 90, EYE_IMAGE_RIGHT: 90, LIPS_OUTER: 50}
FEATURES = (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT, LIPS_OUTER, BROW_IMAGE_LEFT, BROW_IMAGE_RIGHT)


@dataclass(frozen=True, eq=False)
class MadeFace:
    """A face on skin that goes on behind its outline, as a forehead does, with some noise."""

    landmarks: Floats  # (478, 3)
    pixels: Floats  # (SIDE, SIDE, 3) RGB 0..255
    eye_px: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "eye_px", eye_distance_px(self.landmarks))

    @property
    def oval_xy(self) -> Floats:
        return self.landmarks[list(OVAL), :2]

    @property
    def inside(self) -> Array:
        """(SIDE, SIDE) bool"""
        return filled(self.oval_xy) > 0

    def pasted(self, pixels: Floats, feather: float = 0.0) -> Floats:
        """Other pixels inside the outline; the feather, in eye distances, fades inwards."""
        depth = cv2.distanceTransform(filled(self.oval_xy), cv2.DIST_L2, cv2.DIST_MASK_5)
        alpha = np.clip(depth / max(feather * self.eye_px, 1e-3), 0, 1)[..., None]
        return np.float32(self.pixels + alpha * (pixels - self.pixels))


def made_face(
    topology: Topology, *, noise: float = 1.0, seed: int = 1, shift_xy: tuple[float, float] = (0, 0)
) -> MadeFace:
    """A face 180 px high in the middle, moved by ``shift_xy`` pixels with all its texture."""
    landmarks = posed(topology, shift_xyz=(130 + shift_xy[0], 130 + shift_xy[1], 0))
    texture = np.random.default_rng(7).normal(0, 14, (65, 65)).astype(np.float32)
    pixels = (
        np.float32(SKIN)
        + cv2.resize(texture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[..., None]
    )
    pixels = moved(pixels, shift_xy)
    for ring in FEATURES:
        pixels[filled(landmarks[list(ring), :2]) > 0] -= DARK.get(ring, 70)
    grain = np.random.default_rng(seed).normal(0, noise, (SIDE, SIDE, 1)).astype(np.float32)
    return MadeFace(landmarks, np.clip(cv2.GaussianBlur(pixels, (0, 0), 0.6) + grain, 0, 255))


def moved(pixels: Floats, shift_xy: tuple[float, float]) -> Floats:
    shift = np.float32([[1, 0, shift_xy[0]], [0, 1, shift_xy[1]]])
    return cv2.warpAffine(pixels, shift, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)


def filled(ring_xy: Floats) -> Array:
    """(SIDE, SIDE) uint8: the inside of a ring."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(ring_xy).astype(np.int32)], 1)
    return mask


def lighter(pixels: Floats, lightness: float) -> Floats:
    """The same picture with another L*, so many units of Lab away."""
    lab = cv2.cvtColor(pixels / np.float32(255), cv2.COLOR_RGB2LAB)
    lab[..., 0] += lightness
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * np.float32(255)


def blurred(pixels: Floats, sigma: float) -> Floats:
    return cv2.GaussianBlur(pixels, (0, 0), sigma)
