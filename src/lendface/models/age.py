"""How old a face looks: two nets that know nothing of each other.

Both read apparent age, not age; single readings of one person scatter by 5 to 8 years.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from lendface.engine.geometry import fit_similarity, invert
from lendface.engine.types import Floats, Picture

from .catalog import get_spec
from .faceres import MEAN_BGR as FACERES_MEAN_BGR
from .faceres import face_crop
from .session import RuntimeOptions, Session, open_session

# dlib's mean face: the eye corners from left to right and the base of the nose, in a unit square.
CHIP_POINTS = (33, 133, 362, 263, 2)  # of the mesh
CHIP_XY = np.float32(
    [
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.6460604764104, 0.2289674387677],
        [0.8595674595992, 0.2134981538014],
        [0.4901123135679, 0.6277975316475],
    ]
)
CHIP_PADDING = 0.2
CHIP_SCALES, CHIP_SHIFTS_PX = (0.9, 1.0, 1.1), (-2, 2)
CHIP_MEAN_RGB = np.float32([122.782, 117.001, 104.298])
CYDRAL_YEARS = np.float32([0.25, *range(1, 81)])
FACERES_LOWEST = 1  # the year of its first class


class AgeReader(Protocol):
    """Reads from a face how old the person looks."""

    def years(self, picture: Picture, landmarks_xyz: Floats) -> float:
        """From landmarks (478, 3) in pixels of the picture."""
        ...


@dataclass(frozen=True, slots=True)
class CydralAge:
    """ResNet of Cydral Technology on dlib's face chips; the mean of its 81 classes of age.

    One chip is not enough: shifted by two pixels, a face may look ten years older to this net. So
    several chips of each face are read, and their mean counts.
    """

    session: Session
    size_px: ClassVar[int] = 64

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> CydralAge:
        return cls(open_session(get_spec("age_cydral"), runtime))

    def years(self, picture: Picture, landmarks_xyz: Floats) -> float:
        places = chip_places(landmarks_xyz, self.size_px)
        chips = np.stack([picture.warped(place, self.size_px) for place in places])
        both = np.concatenate([chips, chips[:, :, ::-1]])
        batch = ((both.astype(np.float32) - CHIP_MEAN_RGB) / 256).transpose(0, 3, 1, 2)
        (rows,) = self.session.run({get_spec("age_cydral").inputs[0]: np.ascontiguousarray(batch)})
        return float(rows.mean(0) @ CYDRAL_YEARS)


@dataclass(frozen=True, slots=True)
class FaceresAge:
    """The age head of HSE-FaceRes: 100 classes; as its author has it, the two likeliest count."""

    session: Session
    size_px: ClassVar[int] = 224

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> FaceresAge:
        return cls(open_session(get_spec("faceres"), runtime))

    def years(self, picture: Picture, landmarks_xyz: Floats) -> float:
        crop = face_crop(picture, landmarks_xyz, self.size_px)
        batch = (crop[..., ::-1].astype(np.float32) - FACERES_MEAN_BGR)[None]
        _, _, rows = self.session.run({get_spec("faceres").inputs[0]: batch})
        likely = np.argsort(rows[0])[-2:]
        weights = rows[0][likely]
        return FACERES_LOWEST + float(likely @ weights / weights.sum())


def chip_places(landmarks_xyz: Floats, size_px: int) -> list[Floats]:
    """``crop_to_frame`` of dlib's face chip, padding 0.2, and of some a little beside it.

    From landmarks (478, 3).
    """
    chip_xy = (CHIP_PADDING + CHIP_XY) / (2 * CHIP_PADDING + 1) - 0.5  # from the chip's middle
    points_xy = landmarks_xyz[list(CHIP_POINTS), :2]
    return [
        invert(fit_similarity(points_xy, ((chip_xy * scale + 0.5) * size_px + [0, down])))
        for scale in CHIP_SCALES
        for down in CHIP_SHIFTS_PX
    ]
