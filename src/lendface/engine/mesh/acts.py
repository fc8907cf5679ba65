"""What a face does in the parts where skin folds: how far the mesh has moved off its neutral shape.

Told by the way a few points went and not by a net's weights, because it is asked for every face
that is painted, and weights do not know the person's own neutral face. The ramps were set by 99
people who look calm and smile, and by acted emotions of seven more: nineteen of twenty calm faces
are near the lower end or below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry import eye_distance_px
from ..pose import Pose
from ..types import Floats
from .pixelwise import smoothstep
from .topology import POINTS

# Image-left and image-right: corner of the mouth, wing of the nose, cheek below the eye, lower lid,
# inner and middle brow.
CORNERS, WINGS, CHEEKS, LOWER_LIDS = (61, 291), (129, 358), (50, 280), (145, 374)
INNER_BROWS, BROWS = (55, 285), (107, 336)
# Eye distances between which an act begins and is in full swing.
SMILE, SQUINT, SNEER, RAISED = (0.06, 0.17), (0.025, 0.07), (0.012, 0.035), (0.015, 0.035)
FROWN = (0.003, 0.015)  # brows are half identity, and a deep furrow needs little of a way
WING_COUNTS, LID_COUNTS = 2.0, 2.0  # the way of a wing or a lid is short against a corner's


@dataclass(frozen=True, slots=True)
class Acts:
    """0..1 how much of each act a face shows; pairs are image-left and image-right."""

    smile: tuple[float, float] = (0.0, 0.0)  # mouth drawn aside and up, wings of the nose lifted
    squint: tuple[float, float] = (0.0, 0.0)  # cheek and lower lid pushed up
    frown: float = 0.0  # inner brows drawn down
    sneer: float = 0.0  # wings of the nose lifted
    raised: float = 0.0  # brows lifted

    @property
    def each(self) -> tuple[float, ...]:
        """In the order of ``creases.ZONES``."""
        return (*self.smile, *self.squint, self.frown, self.sneer, self.raised)


def acts_of(pose: Pose, landmarks_xyz: Floats, neutral: Floats) -> Acts:
    """From landmarks (>= 468, 3) in pixels, how they lie, and the person's neutral shape (468, 3)
    in centimetres."""
    posed = pose.to_canonical(landmarks_xyz[:POINTS])
    moved = (posed - neutral) / eye_distance_px(neutral)
    down = moved[:, 1]
    sides = np.sign(neutral[list(CORNERS), 0])
    drawn = sides * moved[list(CORNERS), 0] - down[list(CORNERS)]
    wings = -down[list(WINGS)]
    pushed = -down[list(CHEEKS)] - LID_COUNTS * down[list(LOWER_LIDS)]
    return Acts(
        smile=_pair(smoothstep(drawn + WING_COUNTS * wings, *SMILE)),
        squint=_pair(smoothstep(pushed, *SQUINT)),
        frown=float(smoothstep(down[list(INNER_BROWS)].mean(), *FROWN)),
        sneer=float(smoothstep(wings.max(), *SNEER)),
        raised=float(smoothstep(-down[list(BROWS)].mean(), *RAISED)),
    )


def _pair(values: Floats) -> tuple[float, float]:
    left, right = values.tolist()
    return left, right
