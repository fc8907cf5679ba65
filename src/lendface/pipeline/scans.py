"""Who is in a target: the cast list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ..engine.later import Later
from ..engine.tracks import Tracks
from ..engine.types import Frame, Track
from .parts import Parts, Watch
from .rowlog import SpooledLog
from .targets import Target

BEHIND = 2  # frames


@dataclass(frozen=True, eq=False)
class Scan:
    """The tracks of a target, and the time of each of its frames."""

    tracks: Tracks
    times: Sequence[Fraction]  # seconds, by frame index

    @property
    def people(self) -> tuple[Track, ...]:
        return self.tracks.people

    def spans_s(self, person: Track) -> list[tuple[float, float]]:
        """When a person is seen: from the first to the last frame of each span, seconds."""
        return [
            (float(self.times[start]), float(self.times[end - 1])) for start, end in person.spans
        ]


def scan_target(
    target: Target,
    parts: Parts,
    watch: Watch | None = None,
    see: Callable[[Frame], None] | None = None,
) -> Scan:
    """Read a target once. Nobody in it is no error here: ``people`` is then empty.

    ``see`` is shown every frame, in order, by a thread of its own that is few frames behind.
    Raises CancelledError, the errors of reading, and what ``see`` raises.
    """
    watch = watch or Watch()
    times: list[Fraction] = []

    with target.open() as frames, closing(Later()) as looks:

        def on_frame(frame: Frame) -> None:
            times.append(frame.time)
            if see is not None:
                looks.do(len(times), see, frame)
                looks.catch_up(len(times) - BEHIND)
            watch.step("scan", len(times), target.frame_count)

        tracks = parts.scanner.scan(frames, SpooledLog(), on_frame)
        looks.catch_up()
    return Scan(tracks, times)


def describe_person(scan: Scan, person: Track) -> dict[str, Any]:
    """A person as the cast list has it."""
    best = next(f for f in scan.tracks.faces_at(person.best_index) if f.track_id == person.id)
    return {
        "face": person.id,
        "frames": person.face_count,
        "spans_s": [[round(a, 3), round(b, 3)] for a, b in scan.spans_s(person)],
        "face_height_px": round(person.size_px, 1),
        "turned_share": round(person.turned_share, 3),
        "usable_share": round(person.usable_share, 3),
        "hardness": hardness(person),
        "best_frame": person.best_index,
        "best_time_s": round(float(scan.times[person.best_index]), 3),
        "best_box_xyxy": [round(float(v), 1) for v in best.box_xyxy],
    }


def hardness(person: Track) -> str:
    """In one word how well a swap can go: easy, fair, hard or too small."""
    if person.usable_share < 0.05:
        return "too small" if person.size_px < 32 else "unusable"
    if person.usable_share > 0.9 and person.size_px >= 80 and person.turned_share < 0.05:
        return "easy"
    return "fair" if person.usable_share > 0.6 else "hard"
