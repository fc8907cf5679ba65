"""A detector that does not mind how the head or the camera is turned.

YuNet answers for upright faces, but it also reports large faces that are turned further, with a
fair score and points as if they were upright: at 180 degrees 0.90 instead of 0.95. Such faces are
looked at again in a crop, turned by every eighth, and the direction with the best score counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lendface.engine.geometry import Roi, crop_of, move_points
from lendface.engine.types import Detection, Floats, Picture

from .blaze import BlazeFace
from .boxes import overlaps
from .yunet import LONG_SIDE_PX, YuNet, best_of

SURE_SCORE = 0.92  # no face that is turned by 60 degrees or more reaches it
SMALLEST_WRONG_PX = 32  # in YuNet's input; smaller faces are found upright or not at all
EIGHTHS = tuple(eighth * math.pi / 4 for eighth in (0, 1, -1, 2, -2, 3, -3, 4))
QUARTERS = (math.pi / 2, -math.pi / 2, math.pi)
CONFIRMED_SCORE = 0.8  # of a certain face; what BlazeFace or a turn shows has to reach it
UPRIGHT_BONUS = 0.01  # most faces are upright, so another direction has to be clearly better
FACE_CROP_PX = 128
FACE_CROP_SCALE = 2.2  # the face then is about 58 px wide, enough for YuNet's best scores
WHOLE_CROP_PX = 480
SAME_FACE = 0.35  # overlap of boxes


@dataclass(frozen=True, slots=True)
class TurnTolerantDetector:
    """YuNet; if none of its faces is certain BlazeFace too, then YuNet on the turned picture.

    Every score is YuNet's. Where a picture shows a certain face, small ones that are turned by more
    than about 45 degrees stay unfound.
    """

    upright: YuNet
    rolled: BlazeFace

    def detect(self, picture: Picture) -> list[Detection]:
        found = [self._checked(picture, each) for each in self.upright.detect(picture)]
        for guess in (self.rolled.detect, self._detect_turned):
            if any(face.score > CONFIRMED_SCORE for face in found):
                break
            found += self._confirmed(picture, guess(picture))
        return best_of(found)

    def glance(self, picture: Picture, followed: Sequence[Floats]) -> list[Detection]:
        found = self.upright.detect(picture)
        known = np.stack(followed) if followed else np.zeros((0, 4), np.float32)
        return best_of(
            [
                each
                if (overlaps(each.box_xyxy, known) > SAME_FACE).any()
                else self._checked(picture, each)
                for each in found
            ]
        )

    def _confirmed(self, picture: Picture, guesses: list[Detection]) -> list[Detection]:
        looks = [self._find_straight(picture, each, CONFIRMED_SCORE) for each in guesses]
        return [face for face in looks if face is not None]

    def _checked(self, picture: Picture, found: Detection) -> Detection:
        """An upright finding, or the same face in its true direction."""
        scale = min(1, LONG_SIDE_PX / max(picture.size_wh))
        if found.score > SURE_SCORE or _side(found) * scale < SMALLEST_WRONG_PX:
            return found
        above = max(found.score + UPRIGHT_BONUS, CONFIRMED_SCORE)
        return self._find_straight(picture, found, above) or found

    def _find_straight(self, picture: Picture, found: Detection, above: float) -> Detection | None:
        """The same face in the direction with the best score, if one is above ``above``."""
        best, best_score = None, above
        x, y = _middle(found)
        side = _side(found) * FACE_CROP_SCALE
        for angle in EIGHTHS:
            for seen in self._look(picture, Roi(x, y, side, angle), FACE_CROP_PX):
                score = seen.score + (0 if angle else UPRIGHT_BONUS)
                if score > best_score and math.dist(_middle(seen), (x, y)) < side / 4:
                    best, best_score = seen, score
            if best and best.score > SURE_SCORE:
                break
        return best

    def _detect_turned(self, picture: Picture) -> list[Detection]:
        width, height = picture.size_wh
        x, y = (width - 1) / 2, (height - 1) / 2
        looks = (Roi(x, y, max(width, height), angle) for angle in QUARTERS)
        return best_of([each for roi in looks for each in self._look(picture, roi, WHOLE_CROP_PX)])

    def _look(self, picture: Picture, roi: Roi, size_px: int) -> list[Detection]:
        """YuNet's findings in a turned square, in pixels of the picture."""
        crop_to_frame = crop_of(roi, size_px)
        crop = picture.warped(crop_to_frame, size_px)
        return [_moved(each, crop_to_frame) for each in self.upright.detect_pixels(crop)]


def _side(found: Detection) -> float:
    return float((found.box_xyxy[2:] - found.box_xyxy[:2]).max())


def _middle(found: Detection) -> tuple[float, float]:
    x, y = (found.box_xyxy[:2] + found.box_xyxy[2:]) / 2
    return float(x), float(y)


def _moved(found: Detection, a_to_b: Floats) -> Detection:
    """A detection of ``a`` in ``b``; the new box holds the ellipse that filled the old one."""
    middle = move_points((found.box_xyxy[:2] + found.box_xyxy[2:]) / 2, a_to_b)
    half_wh = (found.box_xyxy[2:] - found.box_xyxy[:2]) / 2
    reach = np.hypot(*(a_to_b[:, :2] * half_wh).T)
    box_xyxy = np.concatenate([middle - reach, middle + reach]).astype(np.float32)
    return Detection(box_xyxy, move_points(found.points_xy, a_to_b), found.score)
