"""BlazeFace for the back camera (MediaPipe): fewer small faces than YuNet, but rolled ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lendface.engine.types import Detection, Floats, Picture, Pixels

from .boxes import anchor_centres, keep_best, letterbox, sigmoid
from .catalog import get_spec
from .session import RuntimeOptions, Session, open_session
from .yunet import rescaled

SIZE_PX = 256
ANCHORS = anchor_centres(SIZE_PX, ((16, 2), (32, 6)))
MOUTH_TO_EYES = 0.83  # width of the mouth over the distance of the eyes, in the ArcFace template


@dataclass(frozen=True, slots=True)
class BlazeFace:
    """Faces of more than about a tenth of the picture, rolled up to about 60 degrees."""

    session: Session
    min_score: float = 0.5

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> BlazeFace:
        return cls(open_session(get_spec("blazeface_back"), runtime))

    def detect(self, picture: Picture) -> list[Detection]:
        pixels = picture.reduced(2 * SIZE_PX)
        return rescaled(self.detect_pixels(pixels), pixels, picture.size_wh)

    def detect_pixels(self, pixels: Pixels) -> list[Detection]:
        """The faces of ``pixels`` (h, w, 3) RGB, the most certain first."""
        square, scale = letterbox(pixels, SIZE_PX)
        batch = (square.astype(np.float32) / 127.5 - 1)[None]
        regressors, logits = self.session.run({"input": batch})
        scores = sigmoid(logits[0, :, 0])
        likely = scores > self.min_score
        boxes, points = _decode(regressors[0][likely], ANCHORS[likely])
        scores = scores[likely]
        return [
            Detection(boxes[index] / scale, _five(points[index]) / scale, float(scores[index]))
            for index in keep_best(boxes, scores)
        ]


def _decode(regressors: Floats, anchors: Floats) -> tuple[Floats, Floats]:
    """Boxes (n, 4) and six points (n, 6, 2), in pixels of the square."""
    origin = anchors * SIZE_PX
    middles = regressors[:, :2] + origin
    halves = regressors[:, 2:4] / 2
    points = regressors[:, 4:].reshape(-1, 6, 2) + origin[:, None]
    return np.concatenate([middles - halves, middles + halves], axis=1), points


def _five(points_xy: Floats) -> Floats:
    """Eyes, nose and mouth corners from MediaPipe's eyes, nose, mouth middle and ears (6, 2).

    The corners are not seen by the net: they are set beside the middle, along the eyes.
    """
    left, right, nose, mouth = points_xy[:4]
    aside = (right - left) * (MOUTH_TO_EYES / 2)
    return np.stack([left, right, nose, mouth - aside, mouth + aside]).astype(np.float32)
