"""YuNet, the face detector (Shiqi Yu; OpenCV zoo 2023mar)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from lendface.engine.types import Detection, Floats, Picture, Pixels

from .boxes import keep_best
from .catalog import get_spec
from .session import RuntimeOptions, Session, open_session

STRIDES = (8, 16, 32)
CELL = 32  # the input's sides are multiples of it
LONG_SIDE_PX = 640
RETRY_PX = 320  # sees faces that are too near for the first look
HUGE_SHARE = 0.6  # of the shorter side; scores fall from there on


@dataclass(frozen=True, slots=True)
class YuNet:
    """Faces from about 10 px in 640 up to whole pictures, upright within about 30 degrees."""

    session: Session
    min_score: float = 0.6

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> YuNet:
        return cls(open_session(get_spec("yunet"), runtime))

    def detect(self, picture: Picture) -> list[Detection]:
        first = picture.reduced(LONG_SIDE_PX)
        found = rescaled(self.detect_pixels(first), first, picture.size_wh)
        if len(found) > 1 or (found and not _is_huge(found[0], picture.size_wh)):
            return found
        second = picture.reduced(RETRY_PX)
        if second.shape == first.shape:
            return found
        return best_of(found + rescaled(self.detect_pixels(second), second, picture.size_wh))

    def detect_pixels(self, pixels: Pixels) -> list[Detection]:
        """The faces of ``pixels`` (h, w, 3) RGB as they are, the most certain first."""
        batch = _padded_bgr(pixels)
        names = get_spec("yunet").outputs
        outputs = dict(zip(names, self.session.run({"input": batch}), strict=True))
        width = batch.shape[3]
        rows = np.concatenate(
            [_decode(outputs, stride, width // stride, self.min_score) for stride in STRIDES]
        )
        kept = rows[keep_best(rows[:, :4], rows[:, 4])]
        return [Detection(row[:4], row[5:].reshape(5, 2), float(row[4])) for row in kept]


def _padded_bgr(pixels: Pixels) -> Floats:
    """(1, 3, H, W) with black to the right and below."""
    height, width = (-(-side // CELL) * CELL for side in pixels.shape[:2])
    batch = np.zeros((1, 3, height, width), np.float32)
    for place, plane in zip(batch[0, ::-1], cv2.split(pixels), strict=True):
        place[: pixels.shape[0], : pixels.shape[1]] = plane
    return batch


def _decode(outputs: dict[str, Floats], stride: int, columns: int, above: float) -> Floats:
    """(n, 15) box, score, five points, in pixels of the input, of the cells that score more."""
    heads = (outputs[f"{head}_{stride}"][0] for head in ("cls", "obj", "bbox", "kps"))
    classes, objects, boxes, points = heads
    scores = np.sqrt(np.clip(classes, 0, 1) * np.clip(objects, 0, 1))
    likely = np.flatnonzero(scores[:, 0] > above)
    y, x = np.divmod(likely, columns)
    cells = np.stack([x, y], axis=1).astype(np.float32)
    middles = (boxes[likely, :2] + cells) * stride
    halves = np.exp(boxes[likely, 2:]) * (stride / 2)
    points_xy = points[likely] * stride + np.tile(cells * stride, 5)
    return np.concatenate([middles - halves, middles + halves, scores[likely], points_xy], axis=1)


def rescaled(found: list[Detection], pixels: Pixels, size_wh: tuple[int, int]) -> list[Detection]:
    """Detections of a reduced picture ``pixels``, in pixels of the whole one."""
    scale = np.array(size_wh, np.float32) / (pixels.shape[1], pixels.shape[0])
    return [
        replace(
            each,
            box_xyxy=(each.box_xyxy * np.tile(scale, 2)).astype(np.float32),
            points_xy=(each.points_xy * scale).astype(np.float32),
        )
        for each in found
    ]


def best_of(found: list[Detection]) -> list[Detection]:
    """One detection for each face, the most certain first."""
    if not found:
        return []
    boxes = np.stack([each.box_xyxy for each in found])
    kept = keep_best(boxes, np.array([each.score for each in found], np.float32))
    return [found[index] for index in kept]


def _is_huge(found: Detection, size_wh: tuple[int, int]) -> bool:
    x0, y0, x1, y1 = found.box_xyxy
    return bool(max(x1 - x0, y1 - y0) > HUGE_SHARE * min(size_wh))
