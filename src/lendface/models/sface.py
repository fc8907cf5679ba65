"""SFace, the face recognizer (Yaoyao Zhong; OpenCV zoo 2021dec)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lendface.engine.geometry import fit_similarity, invert
from lendface.engine.types import Floats, Picture

from .catalog import get_spec
from .session import RuntimeOptions, Session, open_session

SIZE_PX = 112
SAME_PERSON_COSINE = 0.34  # above it two embeddings are of one person
# Where the five points lie in the crop: the template of ArcFace (arcface_112_v2).
TEMPLATE_XY = np.float32(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)


@dataclass(frozen=True, slots=True)
class SFace:
    """A recognizer with 128 numbers a face."""

    session: Session
    # Lengths measured, the longest of each person: in the test clips 8.56 to 14.8, in 160 portraits
    # 10.1 and more; of the back of a head, which passes detector and mesh, 6.31 or 6.47, by the
    # processor.
    least_clarity: ClassVar[float] = 7.0

    @classmethod
    def load(cls, runtime: RuntimeOptions | None = None) -> SFace:
        return cls(open_session(get_spec("sface"), runtime))

    def embed(self, picture: Picture, points_xy: Floats) -> Floats:
        return self.describe(picture, points_xy)[0]

    def describe(self, picture: Picture, points_xy: Floats) -> tuple[Floats, float]:
        crop_to_frame = invert(fit_similarity(points_xy, TEMPLATE_XY))
        crop = picture.warped(crop_to_frame, SIZE_PX)
        batch = crop.transpose(2, 0, 1)[None].astype(np.float32)
        (rows,) = self.session.run({"data": np.ascontiguousarray(batch)})
        embedding = rows[0].astype(np.float64)
        length = float(np.linalg.norm(embedding))
        return (embedding / length).astype(np.float32), length
