"""The 478-point face mesh (MediaPipe Face Landmarker v2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lendface.engine.geometry import move_landmarks
from lendface.engine.types import Array, Floats, Mesh, Picture

from .boxes import sigmoid
from .catalog import get_spec
from .session import RuntimeOptions, Session, open_session

POINTS = 478
HALF_PX = np.float32([0.5, 0.5, 0])  # the net counts from a pixel's corner, we from its centre


@dataclass(frozen=True, slots=True)
class FaceMesh:
    """A landmarker; one call for many faces is cheaper than many calls on a GPU."""

    session: Session
    size_px: ClassVar[int] = 256

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> FaceMesh:
        return cls(open_session(get_spec("face_mesh_478"), runtime))

    def landmarks(self, picture: Picture, crop_to_frame: Floats) -> Mesh:
        return self.landmarks_of([(picture, crop_to_frame)])[0]

    def landmarks_of(self, crops: Sequence[tuple[Picture, Floats]]) -> list[Mesh]:
        """One mesh for each picture and ``crop_to_frame``, in one run of the net."""
        if not crops:
            return []
        batch = np.empty((len(crops), self.size_px, self.size_px, 3), np.float32)
        for place, (picture, crop_to_frame) in zip(batch, crops, strict=True):
            crop = picture.warped(crop_to_frame, self.size_px)
            np.multiply(crop, np.float32(1 / 255), out=place)
        points, presence, _ = self.session.run({"input_12": batch})
        places = [place for _, place in crops]
        return _meshes(points.reshape(-1, POINTS, 3) - HALF_PX, presence.reshape(-1), places)


def _meshes(points_xyz: Array, presence: Array, places: Sequence[Floats]) -> list[Mesh]:
    scores = sigmoid(presence)
    return [
        Mesh(move_landmarks(points, crop_to_frame), float(score))
        for points, score, crop_to_frame in zip(points_xyz, scores, places, strict=True)
    ]
