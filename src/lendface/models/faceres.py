"""A face descriptor beside the recognizer: HSE-FaceRes (A. Savchenko), for judging results.

Nothing in a swap looks at it, so it has no part in what it judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lendface.engine.geometry import (
    EYE_CORNERS,
    FACE_POINTS,
    angle_between,
    crop_of,
    roi_from_points,
)
from lendface.engine.types import Floats, Picture, Pixels

from .catalog import get_spec
from .session import RuntimeOptions, Session, open_session

MEAN_BGR = np.float32([103.939, 116.779, 123.68])
CROP_SCALE = 1.1  # of the face; tells the shared portraits apart best among 1.0, 1.1 ... 1.5


@dataclass(frozen=True, slots=True)
class Faceres:
    """1024 numbers a face, compared by the distance of unit vectors."""

    session: Session
    size_px: ClassVar[int] = 224

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> Faceres:
        return cls(open_session(get_spec("faceres"), runtime))

    def describe(self, picture: Picture, landmarks_xyz: Floats) -> Floats:
        """(1024,) unit length, from landmarks (478, 3) in pixels of the picture."""
        crop = face_crop(picture, landmarks_xyz, self.size_px)
        batch = (crop[..., ::-1].astype(np.float32) - MEAN_BGR)[None]
        _, rows, _ = self.session.run({get_spec("faceres").inputs[0]: batch})
        row = rows.reshape(-1).astype(np.float64)
        return (row / max(float(np.linalg.norm(row)), 1e-9)).astype(np.float32)


def face_crop(picture: Picture, landmarks_xyz: Floats, size_px: int) -> Pixels:
    """The face with a little room, upright, (size_px, size_px, 3) RGB."""
    points_xy = landmarks_xyz[:FACE_POINTS, :2]
    angle = angle_between(points_xy[EYE_CORNERS[0][0]], points_xy[EYE_CORNERS[1][1]])
    return picture.warped(crop_of(roi_from_points(points_xy, angle, CROP_SCALE), size_px), size_px)
