"""One plane and its halves, so that small looks at a large picture cost little."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from .types import Array

FINER = 0.3  # of a halving: how much rather a crop is taken from a level a little too fine


class Pyramid:
    """A plane (h, w) or an RGB picture (h, w, 3), and each half of it when it is first asked for.

    Halving the whole plane takes less time than averaging the pixels of one crop, and a frame is
    looked at many times. The arrays are never written to.
    """

    def __init__(self, plane: Array) -> None:
        self._levels = {0: plane}  # two threads may make the same level; the later one stays

    def warped(
        self, crop_to_plane: Sequence[Sequence[float]], size_px: int, outside: Sequence[float]
    ) -> Array:
        """A square crop; its pixel ``p`` shows ``crop_to_plane @ (p, 1)``, a (2, 3) map.

        A strong reduction averages pixels instead of skipping them. ``outside`` is the colour of
        what lies beyond the plane.
        """
        (a, b, x), (c, d, y) = crop_to_plane
        level = max(0, math.floor(math.log2(max(abs(a * d - b * c), 1e-9)) / 2 + FINER))
        full, plane = self._levels[0], self._level(level)
        across, down = plane.shape[1] / full.shape[1], plane.shape[0] / full.shape[0]
        crop_to_level = [
            [a * across, b * across, (x + 0.5) * across - 0.5],
            [c * down, d * down, (y + 0.5) * down - 0.5],
        ]
        return cv2.warpAffine(
            plane,
            np.array(crop_to_level),
            (size_px, size_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )

    def resized(self, size_wh: tuple[int, ...]) -> Array:
        """All of it at another size; the array itself where it has that size."""
        height, width = self._levels[0].shape[:2]
        shrunk = min(width / size_wh[0], height / size_wh[1])
        level = max(0, math.floor(math.log2(shrunk)))
        plane = self._level(level)
        if plane.shape[1::-1] == tuple(size_wh):
            return plane
        is_finest = level == 0 and shrunk > 1  # of a level's pixels hardly one is skipped
        return cv2.resize(
            plane, size_wh, interpolation=cv2.INTER_AREA if is_finest else cv2.INTER_LINEAR
        )

    def _level(self, number: int) -> Array:
        """The plane halved this many times, or until a side would vanish."""
        last = self._levels[0]
        for each in range(1, number + 1):
            if each not in self._levels:
                height, width = last.shape[:2]
                if min(height, width) < 2:
                    break
                half_wh = (-(-width // 2), -(-height // 2))
                self._levels[each] = cv2.resize(last, half_wh, interpolation=cv2.INTER_AREA)
            last = self._levels[each]
        return last
