"""From the coded picture to the upright one with square pixels, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import cv2
import numpy as np

from ..engine.types import Array, Box, Floats, Patch

Turn = tuple[int, int, int, int]  # a b c d: shown x = a x + c y, shown y = b x + d y
STRAIGHT: Turn = (1, 0, 0, 1)


def get_turn(display_matrix: Sequence[int]) -> Turn:
    """The nearest of the eight upright ways to show a picture, as players do.

    ``display_matrix`` is FFmpeg's: nine numbers, the first, second, fourth and fifth of them turn.
    """
    a, b, _, c, d = display_matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (1 if a >= 0 else -1, 0, 0, 1 if d >= 0 else -1)
    return (0, 1 if b >= 0 else -1, 1 if c >= 0 else -1, 0)


@dataclass(frozen=True)
class Placement:
    """Where coded samples lie in the upright picture."""

    coded_wh: tuple[int, int]
    turn: Turn = STRAIGHT
    sample_aspect: Fraction = Fraction(1)  # width : height of a coded sample

    @cached_property
    def square_wh(self) -> tuple[int, int]:
        """The coded size with square pixels, before the turn; a side is only ever stretched."""
        width, height = self.coded_wh
        if self.sample_aspect >= 1:
            return max(1, round(width * self.sample_aspect)), height
        return width, max(1, round(height / self.sample_aspect))

    @property
    def is_sideways(self) -> bool:
        return self.turn[0] == 0

    @cached_property
    def display_wh(self) -> tuple[int, int]:
        width, height = self.square_wh
        return (height, width) if self.is_sideways else (width, height)

    @property
    def has_square_samples(self) -> bool:
        return self.square_wh == self.coded_wh

    @cached_property
    def coded_to_display(self) -> Array:
        """(3, 3), pixel centres."""
        a, b, c, d = self.turn
        width, height = self.coded_wh
        across, down = self.square_wh[0] / width, self.square_wh[1] / height
        linear = np.array([[a * across, c * down], [b * across, d * down]])
        corners = linear @ np.array([[0, width, 0, width], [0, 0, height, height]])
        full = np.eye(3)
        full[:2, :2] = linear
        full[:2, 2] = linear @ [0.5, 0.5] - corners.min(axis=1) - 0.5
        return full

    @cached_property
    def display_to_coded(self) -> Array:
        """(3, 3), pixel centres."""
        return np.linalg.inv(self.coded_to_display)

    def upright(self, image: Array) -> Array:
        """A coded (h, w, ...) array turned as it is shown; samples are only moved."""
        code = self._flip_code()
        if not self.is_sideways:
            return image if code is None else cv2.flip(image, code)
        turned = cv2.transpose(image)
        return turned if code is None else cv2.flip(turned, code, dst=turned)

    def laid_down(self, image: Array) -> Array:
        """The inverse of ``upright``."""
        if (code := self._flip_code()) is not None:
            image = cv2.flip(image, code)
        return cv2.transpose(image) if self.is_sideways else image

    def coded_box(self, box: Box) -> Box:
        """The smallest box of coded samples that covers a display box, inside the picture."""
        edges = np.array([[box.x0, box.x1], [box.y0, box.y1]]) - 0.5
        ends = self.display_to_coded[:2, :2] @ edges + self.display_to_coded[:2, 2:] + 0.5
        low, high = np.floor(ends.min(axis=1) + 1e-6), np.ceil(ends.max(axis=1) - 1e-6)
        return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])).clipped(self.coded_wh)

    def display_part(self, coded: Floats, coded_box: Box, box: Box) -> Floats:
        """What a display box shows, from the coded samples of ``coded_box(box)``."""
        if self.has_square_samples:
            return self.upright(coded)
        to_coded = shifted(self.display_to_coded, box, coded_box)
        size = (box.width, box.height)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(coded, to_coded, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def coded_patch(self, patch: Patch) -> Patch:
        """The patch on the coded samples."""
        box = self.coded_box(patch.box)
        if self.has_square_samples:
            return Patch(box, self.laid_down(patch.pixels), self.laid_down(patch.alpha))
        to_display = shifted(self.coded_to_display, box, patch.box)
        size, flags = (box.width, box.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpAffine(
            patch.pixels, to_display, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return Patch(box, pixels, cv2.warpAffine(patch.alpha, to_display, size, flags=flags))

    def _flip_code(self) -> int | None:
        a, b, c, d = self.turn
        code_by_signs = {(1, 1): None, (-1, 1): 1, (1, -1): 0, (-1, -1): -1}
        return code_by_signs[a + c, b + d]


def shifted(source_to_target: Array, source_box: Box, target_box: Box) -> Array:
    """(2, 3): the same map between pixels counted from the corners of two boxes."""
    to_source, to_target = np.eye(3), np.eye(3)
    to_source[:2, 2] = source_box.x0, source_box.y0
    to_target[:2, 2] = -target_box.x0, -target_box.y0
    return (to_target @ source_to_target @ to_source)[:2]
