"""Scene cuts: where one shot ends and the next begins."""

from __future__ import annotations

import cv2
import numpy as np

from .types import Floats, Picture

THUMB_PX = 96
JUMP = 18.0  # mean difference of brightness, 0..255, that a shot seldom shows from frame to frame
UNLIKE = 0.75  # correlation of the thumbnails below which they show different scenes
STRANGE = 0.30  # ... and below which they do, however fast the shot has been moving


class CutFinder:
    """Compares each frame with the one before. A doubtful cut is called a cut: that only makes
    the tracker look afresh, while a missed one would carry a face into another scene."""

    def __init__(self) -> None:
        self._last: Floats | None = None
        self._usual = 0.0

    def is_cut(self, picture: Picture) -> bool:
        """Whether a new shot starts with this picture; the first one starts none."""
        thumb = picture.reduced_gray(THUMB_PX).astype(np.float32)
        thumb = cv2.blur(thumb, (5, 5))
        last, self._last = self._last, thumb
        if last is None or last.shape != thumb.shape:
            return False
        jump = float(np.abs(thumb - last).mean())
        usual, self._usual = self._usual, 0.8 * self._usual + 0.2 * min(jump, 2 * JUMP)
        if jump <= JUMP:
            return False
        return _likeness(last, thumb) < (UNLIKE if jump > JUMP + usual else STRANGE)


def _likeness(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-6))
