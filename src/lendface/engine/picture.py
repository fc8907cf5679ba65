"""A picture that is one RGB array: photos, tests, and frames that a caller hands in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from .pyramid import Pyramid
from .types import Array, Box, Floats, Patch, Pixels

STRIP_PIXELS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPicture:
    """``pixels`` (H, W, 3) uint8 RGB."""

    pixels: Pixels
    _halves: Pyramid = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(f"need (H, W, 3) uint8, got {self.pixels.shape} {self.pixels.dtype}")
        object.__setattr__(self, "_halves", Pyramid(self.pixels))

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.pixels.shape[1], self.pixels.shape[0]

    def reduced(self, long_side_px: int) -> Pixels:
        scale = long_side_px / max(self.size_wh)
        if scale >= 1:
            return self.pixels
        size = tuple(max(1, round(side * scale)) for side in self.size_wh)
        return cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA)

    def reduced_gray(self, long_side_px: int) -> Pixels:
        return cv2.cvtColor(self.reduced(long_side_px), cv2.COLOR_RGB2GRAY)

    def warped(self, crop_to_frame: Floats, size_px: int) -> Pixels:
        return self._halves.warped(crop_to_frame.tolist(), size_px, (0, 0, 0))

    def warped_gray(self, crop_to_frame: Floats, size_px: int) -> Pixels:
        return cv2.cvtColor(self.warped(crop_to_frame, size_px), cv2.COLOR_RGB2GRAY)

    def region(self, box: Box) -> Floats:
        return self.pixels[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)

    def pasted(self, patches: Sequence[Patch]) -> ArrayPicture:
        pixels = self.pixels.copy()
        for patch in patches:
            paste(pixels, patch)
        return ArrayPicture(pixels)


@dataclass(frozen=True, slots=True, eq=False)
class ScratchPicture(ArrayPicture):
    """One whose pixels nobody needs afterwards: patches are pasted where it lies, and the picture
    before is gone. A picture of a hundred megapixels need not fit into memory twice."""

    def pasted(self, patches: Sequence[Patch]) -> ScratchPicture:
        for patch in patches:
            paste(self.pixels, patch)
        return ScratchPicture(self.pixels)


def paste(pixels: Pixels, patch: Patch) -> None:
    """Blend a patch into (H, W, 3) uint8 RGB."""
    box = patch.box
    whole = pixels[box.y0 : box.y1, box.x0 : box.x1]
    for rows in strips_of(whole):
        part, alpha = whole[rows], patch.alpha[rows][..., None]
        mixed = part + alpha * (patch.pixels[rows] - part)
        covered = patch.alpha[rows] > 0
        part[covered] = np.clip(np.rint(mixed[covered]), 0, 255).astype(np.uint8)


def strips_of(pixels: Array) -> Iterator[slice]:
    """The rows of (h, w, ...), a few at a time: what is worked out on the way stays small."""
    height, width = pixels.shape[:2]
    step = max(1, STRIP_PIXELS // max(1, width))
    for start in range(0, height, step):
        yield slice(start, min(height, start + step))
