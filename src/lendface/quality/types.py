"""What a measurement says: one row of figures per swapped face, and some of the whole film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lendface.engine.types import Pixels

LEAST_FACE_PX = 40.0  # brow to chin; smaller faces are listed and do not count
MOST_TURN_DEG = 50.0  # from the camera; beyond it half of the face is out of sight


@dataclass(frozen=True, slots=True)
class FaceSample:
    """One face of one frame that was to be swapped.

    ``figures`` is by name of ``figures.FIGURES``; what could not be measured is absent, never NaN.
    A share's figure is 0 or 1. Size and turn are the target's, so that they are the same for every
    tool; ``strength`` is what the product's own scan says of the target's face.
    """

    index: int  # of the target's frame
    time_s: float
    track_id: int
    eye_px: float  # distance of the eyes, pixels; a turned head keeps it
    face_px: float  # hair line to chin, pixels
    turn_deg: float  # angle between the way the face looks and the camera
    strength: float  # 0..1
    figures: Mapping[str, float]

    @property
    def fits(self) -> bool:
        """Large enough and turned little enough to be judged; only these count in a table."""
        return self.face_px >= LEAST_FACE_PX and self.turn_deg <= MOST_TURN_DEG


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A face to look at: the same square of both pictures."""

    index: int
    track_id: int
    target: Pixels  # (n, n, 3) RGB
    output: Pixels  # (n, n, 3) RGB
    figures: Mapping[str, float]
    why: str = ""  # what it shows the worst of; empty for one of the even choice


@dataclass(frozen=True, eq=False)
class Measured:
    """One output, measured against its target and its source. Names are of files or tools."""

    source: str
    target: str
    output: str
    samples: tuple[FaceSample, ...]  # by frame, then by person
    film: Mapping[str, float]  # figures of the whole film, by name
    notes: tuple[str, ...] = ()  # sentences: what could not be measured, and why
    pictures: tuple[Shot, ...] = field(default=(), repr=False)
