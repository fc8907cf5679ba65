"""Palms and the 21 points of each hand (MediaPipe Hands)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lendface.engine.geometry import Roi, crop_of, move_points, roi_from_points
from lendface.engine.types import Floats, Hand, Picture

from .boxes import anchor_centres, keep_best, sigmoid
from .catalog import get_spec
from .crops import to_unit
from .session import RuntimeOptions, Session, open_session

PALM_PX = 192
HAND_PX = 224
ANCHORS = anchor_centres(PALM_PX, ((8, 2), (16, 6)))
PALM_WRIST, PALM_MIDDLE = 0, 2  # of the palm's seven points
WRIST, INDEX, MIDDLE, RING = 0, 6, 10, 14  # of the hand's 21: wrist and middle joints
STEADY_POINTS = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)  # all but the finger tips
SAME_HAND_OVERLAP = 0.5


@dataclass(frozen=True, slots=True)
class Hands:
    """A hand finder. ``size_px`` is the side of the square that ``find`` looks at.

    Three to four times the face is a good square: in a tighter one hands before the face are cut.
    A palm needs little certainty, because the hand net's own score decides after it.
    """

    palms: Session
    points: Session
    min_palm_score: float = 0.2
    min_score: float = 0.5
    size_px: ClassVar[int] = PALM_PX

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> Hands:
        specs = get_spec("palm_detection"), get_spec("hand_landmarks")
        return cls(*(open_session(spec, runtime) for spec in specs))

    def find(
        self, picture: Picture, crop_to_frame: Floats, min_score: float | None = None
    ) -> list[Hand]:
        crop = picture.warped(crop_to_frame, PALM_PX)
        rois = [_roi_of_palm(move_points(palm, crop_to_frame)) for palm in self._palms(crop)]
        return self._read(picture, rois, self.min_score if min_score is None else min_score)

    def follow(self, picture: Picture, hands: Sequence[Hand]) -> list[Hand]:
        rois = [_roi_of_hand(hand.points_xy) for hand in hands]
        return self._read(picture, rois, self.min_score)

    def _palms(self, crop: Floats) -> list[Floats]:
        """Box corners and palm points, (9, 2) in crop pixels, the most certain first."""
        regressors, logits = self.palms.run({"input_1": to_unit(crop)})
        scores = sigmoid(logits[0, :, 0])
        likely = scores > self.min_palm_score
        boxes, points = _decode(regressors[0][likely], ANCHORS[likely])
        kept = keep_best(boxes, scores[likely])
        return [np.concatenate([boxes[each].reshape(2, 2), points[each]]) for each in kept]

    def _read(self, picture: Picture, rois: Iterable[Roi], min_score: float) -> list[Hand]:
        hands = [self._read_one(picture, crop_of(roi, HAND_PX)) for roi in rois]
        return _without_twins([hand for hand in hands if hand.score >= min_score])

    def _read_one(self, picture: Picture, crop_to_frame: Floats) -> Hand:
        crop = picture.warped(crop_to_frame, HAND_PX)
        points, presence, _, _ = self.points.run({"input_1": to_unit(crop)})
        crop_xy = points.reshape(21, 3)[:, :2] - np.float32(0.5)  # to centres of pixels
        return Hand(move_points(crop_xy, crop_to_frame), float(presence.reshape(-1)[0]))


def _decode(regressors: Floats, anchors: Floats) -> tuple[Floats, Floats]:
    """Boxes (n, 4) and seven points (n, 7, 2), in pixels of the square."""
    origin = anchors * PALM_PX - np.float32(0.5)  # to centres of pixels
    middles = regressors[:, :2] + origin
    halves = regressors[:, 2:4] / 2
    points = regressors[:, 4:].reshape(-1, 7, 2) + origin[:, None]
    return np.concatenate([middles - halves, middles + halves], axis=1), points


def _roi_of_palm(palm_xy: Floats) -> Roi:
    """The whole hand's square, 2.6 x the palm's box and half a box nearer to the fingers."""
    (x0, y0), (x1, y1) = palm_xy[:2]
    angle = _up_angle(palm_xy[2 + PALM_WRIST], palm_xy[2 + PALM_MIDDLE])
    box = Roi(float(x0 + x1) / 2, float(y0 + y1) / 2, float(max(x1 - x0, y1 - y0)), angle)
    return _grown(box, scale=2.6, up=0.5)


def _roi_of_hand(points_xy: Floats) -> Roi:
    """Where to look a frame later for a hand with these points, (21, 2)."""
    knuckles = (points_xy[INDEX] + 2 * points_xy[MIDDLE] + points_xy[RING]) / 4
    angle = _up_angle(points_xy[WRIST], knuckles)
    return _grown(roi_from_points(points_xy[list(STEADY_POINTS)], angle), scale=2.0, up=0.1)


def _up_angle(wrist_xy: Floats, fingers_xy: Floats) -> float:
    """How far a square is turned, clockwise, whose top is where the fingers point."""
    x, y = (float(v) for v in fingers_xy - wrist_xy)
    return math.atan2(x, -y)


def _grown(roi: Roi, scale: float, up: float) -> Roi:
    """``roi`` moved up its own axis by ``up`` of its side, then scaled."""
    step = roi.side * up
    x, y = roi.x + math.sin(roi.angle) * step, roi.y - math.cos(roi.angle) * step
    return Roi(x, y, roi.side * scale, roi.angle)


def _without_twins(hands: list[Hand]) -> list[Hand]:
    """One entry for each hand, the most certain first: two palms may lead to the same hand."""
    if not hands:
        return []
    corners = [(h.points_xy.min(axis=0), h.points_xy.max(axis=0)) for h in hands]
    boxes = np.array([np.concatenate(each) for each in corners], np.float32)
    scores = np.array([hand.score for hand in hands], np.float32)
    return [hands[index] for index in keep_best(boxes, scores, SAME_HAND_OVERLAP)]
