"""How likely a picture shows nudity: open_nsfw (Yahoo, 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from lendface.engine.types import Floats, Picture, Pixels

from .catalog import get_spec
from .session import RuntimeOptions, Session, open_session

MEAN_BGR = np.float32([104, 117, 123])
WHOLE_PX = 256  # the net was trained on the middle 224 of pictures squeezed to this square


@dataclass(frozen=True, slots=True)
class OpenNsfw:
    """One number for a whole picture."""

    session: Session
    size_px: ClassVar[int] = 224

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> OpenNsfw:
        return cls(open_session(get_spec("open_nsfw"), runtime))

    def score(self, picture: Picture) -> float:
        """0..1; its publisher calls 0.8 and more very likely, 0.2 and less very unlikely."""
        return self.score_of(picture.reduced(2 * WHOLE_PX))

    def score_of(self, pixels: Pixels) -> float:
        """The same for (H, W, 3) RGB."""
        batch = _prepared(pixels, self.size_px)[None]
        (rows,) = self.session.run({get_spec("open_nsfw").inputs[0]: batch})
        return float(rows[0, 1])


def _prepared(pixels: Pixels, size_px: int) -> Floats:
    """Squeezed to a square as in training, whatever its shape; the outermost sixteenths go."""
    square = cv2.resize(pixels, (WHOLE_PX, WHOLE_PX), interpolation=cv2.INTER_AREA)
    edge = (WHOLE_PX - size_px) // 2
    middle = square[edge : edge + size_px, edge : edge + size_px, ::-1]
    return middle.astype(np.float32) - MEAN_BGR
