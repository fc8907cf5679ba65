"""How the skin under the landmarks moved from one frame to the next."""

from __future__ import annotations

import cv2
import numpy as np

from .beyond import continued, is_within
from .geometry import crop_of, invert, move_points, next_face_roi
from .types import Floats, Picture

CROP_PX = 144


class FaceFlow:
    """Dense flow (DIS, Kroeger 2016) in a small crop around the face, both ways."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)

    def between(
        self, before: Picture, after: Picture, then_xyz: Floats, now_xyz: Floats
    ) -> tuple[Floats, Floats]:
        """Displacements in pixels, (478, 2) each: ``forth`` of the points ``then_xyz`` (478, 3)
        of ``before`` to ``after``, and ``back`` of the points ``now_xyz`` of ``after``."""
        crop_to_frame = crop_of(next_face_roi(then_xyz), CROP_PX)
        first, second = (picture.warped_gray(crop_to_frame, CROP_PX) for picture in (before, after))
        size_wh = before.size_wh
        if not (is_within(then_xyz[:, :2], size_wh) & is_within(now_xyz[:, :2], size_wh)).all():
            # The picture's edge stands still, and what moves beside it would seem to.
            first, second = (continued(each, crop_to_frame, size_wh) for each in (first, second))
        frame_to_crop = invert(crop_to_frame)
        linear = crop_to_frame[:, :2]
        forth = _at(
            self._dis.calc(first, second, None), move_points(then_xyz[:, :2], frame_to_crop)
        )
        back = _at(self._dis.calc(second, first, None), move_points(now_xyz[:, :2], frame_to_crop))
        return forth @ linear.T, back @ linear.T


def _at(flow: Floats, points_xy: Floats) -> Floats:
    """Flow (h, w, 2) at points (n, 2); beyond the edge, that of the edge."""
    places = points_xy[None].astype(np.float32)
    return cv2.remap(flow, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
