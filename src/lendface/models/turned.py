"""A detector that does not mind how the head or the camera is turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lendface.engine.types import Detection, Picture

from .blaze import BlazeFace
from .yunet import LONG_SIDE_PX, YuNet, rescaled

QUARTERS = (1, 2, 3)  # counter-clockwise


@dataclass(frozen=True, slots=True)
class TurnTolerantDetector:
    """YuNet; where it finds nothing BlazeFace; where that finds nothing too, both on turns.

    Of the three turns the one with the most certain face counts. Scores are those of the net that
    found the face. In a picture with an upright face, faces upside down stay unfound.
    """

    upright: YuNet
    rolled: BlazeFace

    def detect(self, picture: Picture) -> list[Detection]:
        return (
            self.upright.detect(picture)
            or self.rolled.detect(picture)
            or self._detect_turned(picture)
        )

    def _detect_turned(self, picture: Picture) -> list[Detection]:
        pixels = picture.reduced(LONG_SIDE_PX)
        found: list[Detection] = []
        for net in (self.upright, self.rolled):
            for quarters in QUARTERS:
                turned = net.detect_pixels(np.ascontiguousarray(np.rot90(pixels, quarters)))
                back = [turned_back(each, quarters, pixels.shape[:2]) for each in turned]
                found = max(found, back, key=_best_score)
            if found:
                break
        return rescaled(found, pixels, picture.size_wh)


def _best_score(found: list[Detection]) -> float:
    return found[0].score if found else 0.0


def turned_back(found: Detection, quarters: int, shape_hw: tuple[int, ...]) -> Detection:
    """A detection of ``np.rot90(pixels, quarters)``, in pixels of the upright ``pixels``.

    >>> corner = np.float32([0, 0, 10, 10])
    >>> found = Detection(corner, np.zeros((5, 2), np.float32), 0.9)
    >>> turned_back(found, 1, (100, 200)).box_xyxy.tolist()  # was at the top right
    [190.0, 0.0, 200.0, 10.0]
    """
    size = np.array(shape_hw[::-1], np.float32)
    xy = np.concatenate([found.box_xyxy.reshape(2, 2), found.points_xy])
    if quarters == 1:
        xy = np.stack([size[0] - xy[:, 1], xy[:, 0]], axis=1)
    elif quarters == 2:
        xy = size - xy
    elif quarters == 3:
        xy = np.stack([xy[:, 1], size[1] - xy[:, 0]], axis=1)
    corners, points_xy = xy[:2], xy[2:]
    box_xyxy = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return Detection(box_xyxy, points_xy, found.score)
