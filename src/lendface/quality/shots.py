"""Which faces are kept to be looked at: a few at even distances, and the worst of each kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lendface.engine.geometry import crop_of, next_face_roi
from lendface.engine.types import Floats, Picture, Pixels

from .figures import get_figure
from .types import FaceSample, Shot

SIDE_PX = 256
WORST_OF = ("transfer", "edge_visibility", "tone_step", "expression_error", "gaze_error", "flicker")


class Album:
    """Collects shots while a film goes by; holds at most ``even`` and one for each kind of worst.

    ``frames`` are those in which there may be a face to keep.
    """

    def __init__(self, frames: Sequence[int], even: int) -> None:
        places = np.linspace(0, len(frames) - 1, min(even, len(frames))).round().astype(int)
        self._wanted = {frames[place] for place in places} if frames else set()
        self._even: dict[int, Shot] = {}
        self._worst: dict[str, tuple[float, Shot]] = {}

    def offer(
        self, sample: FaceSample, pictures: tuple[Picture, Picture], landmarks_xyz: Floats
    ) -> None:
        """A face of target and output; only one that fits can be the worst of something."""
        index, figures = sample.index, sample.figures
        is_wanted = index in self._wanted and index not in self._even
        worse = list(self._worse(figures)) if sample.fits else []
        if not is_wanted and not worse:
            return
        target, output = (close_up(picture, landmarks_xyz) for picture in pictures)
        shot = Shot(index, sample.track_id, target, output, figures)
        if is_wanted:
            self._even[index] = shot
        for name, toll in worse:
            self._worst[name] = toll, replace(shot, why=get_figure(name).title)

    def shots(self) -> tuple[Shot, ...]:
        """The even choice in order of time, then the worst, in the order of ``WORST_OF``."""
        even = [self._even[index] for index in sorted(self._even)]
        return (*even, *(self._worst[name][1] for name in WORST_OF if name in self._worst))

    def _worse(self, figures: Mapping[str, float]) -> Iterable[tuple[str, float]]:
        for name in WORST_OF:
            if name not in figures:
                continue
            toll = badness(name, figures[name])
            if name not in self._worst or toll > self._worst[name][0]:
                yield name, toll


def badness(name: str, value: float) -> float:
    """More is worse, whichever way a figure counts.

    >>> badness("transfer", 0.2) > badness("transfer", 0.6)
    True
    >>> badness("edge_visibility", 0.5) == badness("edge_visibility", 2.0)
    True
    """
    match get_figure(name).better:
        case "higher":
            return -value
        case "lower":
            return value
        case "one":
            return abs(float(np.log2(max(value, 1e-6))))


def close_up(picture: Picture, landmarks_xyz: Floats) -> Pixels:
    """(SIDE_PX, SIDE_PX, 3) uint8 RGB, upright, half again as large as the face."""
    roi = next_face_roi(landmarks_xyz)._replace(angle=0.0)
    return picture.warped(crop_of(roi, SIDE_PX), SIDE_PX)
