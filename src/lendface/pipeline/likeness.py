"""Whom the people of a result look like, read back from the finished file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.geometry import five_points
from ..engine.types import Floats
from .parts import Parts
from .swaps import SwapReport
from .targets import Trim, open_target

WELL_SHOWN = 0.9  # strength from which a frame counts as swapped


@dataclass(frozen=True)
class Likeness:
    """SFace cosines of swapped faces, by frame: 1 is the same picture, 0.36 the same person."""

    face: int
    to_source: tuple[float, ...]
    to_target: tuple[float, ...]

    @property
    def nearer_to_source(self) -> float:
        """The share of frames that look more like the source than like the target's own face."""
        pairs = zip(self.to_source, self.to_target, strict=True)
        return float(np.mean([mine > theirs for mine, theirs in pairs])) if self.to_source else 0.0


def measure_likeness(report: SwapReport, parts: Parts, every: int = 1) -> list[Likeness]:
    """For each planned person, every ``every``-th of the frames in which the swap is at work."""
    tracks, plan = report.scan.tracks, report.plan
    cosines: dict[int, list[tuple[float, float]]] = {number: [] for number in plan.source_by_track}
    with open_target(report.output, Trim()).as_target().open() as frames:
        for frame in frames:
            if frame.index % every:
                continue
            for face in tracks.faces_at(frame.index):
                source = plan.source_for(face.track_id)
                if source is None or face.strength < WELL_SHOWN:
                    continue
                seen = parts.recognizer.embed(frame.picture, five_points(face.landmarks_xyz))
                own = tracks.get_person(face.track_id).embedding
                cosines[face.track_id].append((_cosine(seen, source.embedding), _cosine(seen, own)))
    return [
        Likeness(number, tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
        for number, pairs in cosines.items()
    ]


def _cosine(a: Floats, b: Floats) -> float:
    return float(a @ b)
