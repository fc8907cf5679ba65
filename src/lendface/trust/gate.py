"""The content gate: from what was read to yes or no.

Two rules. Nudity: at one place of the film or more, most of the frames that were read score as
nudity, or a photo does. Apparent minors: a person whose face is given or replaced looks under age
to one of the two nets, or young to both. The medians of several readings count; one odd frame
decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from ..engine.plan import SwapPlan
from ..engine.tracks import Tracks
from ..engine.types import Frame, SourceFace
from ..errors import ContentRefusedError, MinorRefusedError
from .ages import AgeReading, read_age
from .readings import FilmReading, GateNets, NudityLook, read_film
from .thresholds import USUAL, Thresholds

__all__ = [
    "Finding",
    "Thresholds",
    "Verdict",
    "judge_film",
    "judge_portrait",
    "judge_reading",
    "looks_under_age",
    "medians",
]

Rule = Literal["nudity", "minor_source", "minor_target"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that says no, for the operator: never for the client."""

    rule: Rule
    time_s: float | None  # None for a photo
    scores: tuple[float, ...]  # of the frames of the place; or years, by each net
    face: int | None = None  # number of the cast list, or of the source

    def explain(self) -> str:
        """One line for the log."""
        numbers = ", ".join(f"{score:.2f}" for score in self.scores)
        where = "" if self.time_s is None else f" at {_time_code(self.time_s)}"
        who = "" if self.face is None else f" of face {self.face}"
        return f"rule {self.rule}{who}{where}: {numbers}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says. ``unread`` are those whose faces are too small to tell an age."""

    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()

    @property
    def is_refused(self) -> bool:
        return bool(self.findings)

    def check(self) -> None:
        """Raises ContentRefusedError or MinorRefusedError for the first finding."""
        for finding in self.findings:
            kind = ContentRefusedError if finding.rule == "nudity" else MinorRefusedError
            raise kind(finding.rule, finding.time_s, finding.scores, finding.face)


def judge_film(
    frames: Iterable[Frame],
    tracks: Tracks,
    plan: SwapPlan,
    nets: GateNets,
    thresholds: Thresholds = USUAL,
) -> Verdict:
    """A film that was scanned, in one pass over all of its frames.

    Where it is scanned at the same time, or its reading is kept, take ``FilmReader`` and
    ``judge_reading``, which need no pass of their own.
    """
    return judge_reading(read_film(frames, tracks, nets), plan.source_by_track, thresholds)


def judge_reading(
    reading: FilmReading,
    track_ids: Iterable[int],
    thresholds: Thresholds = USUAL,
) -> Verdict:
    """What was read in a film, for a swap of these people."""
    findings = _nudity_findings(reading.nudity, thresholds)
    unread: list[int] = []
    for track_id in sorted(track_ids):
        readings = reading.ages.get(track_id, ())
        if not readings:
            unread.append(track_id)
        elif looks_under_age(readings, thresholds):
            at_s = min(readings, key=lambda reading: min(reading.years)).time_s
            findings.append(Finding("minor_target", at_s, medians(readings), track_id))
    return Verdict(tuple(findings), tuple(unread))


def judge_portrait(
    source: SourceFace,
    nets: GateNets,
    thresholds: Thresholds = USUAL,
    number: int = 1,
) -> Verdict:
    """The photos of one source; each has to pass by itself, for they are few and chosen."""
    bare = [
        nets.nudity.score(portrait.overview or portrait.picture) for portrait in source.portraits
    ]
    readings = [
        read_age(portrait.picture, portrait.mesh.landmarks_xyz, nets.ages)
        for portrait in source.portraits
    ]
    told = [reading for reading in readings if reading is not None]
    findings = [
        Finding("nudity", None, (score,), number) for score in bare if score >= thresholds.nudity
    ]
    findings += [
        Finding("minor_source", None, reading.years, number)
        for reading in told
        if looks_under_age([reading], thresholds)
    ]
    return Verdict(tuple(findings), () if told else (number,))


def looks_under_age(readings: Sequence[AgeReading], thresholds: Thresholds) -> bool:
    """Too young for one net, or young for both."""
    years = medians(readings)
    return min(years) < thresholds.age_of_either or max(years) < thresholds.age_of_both


def medians(readings: Sequence[AgeReading]) -> tuple[float, float]:
    """Years, by each net."""
    first, second = (median(each) for each in zip(*(r.years for r in readings), strict=True))
    return float(first), float(second)


def _nudity_findings(looks: Sequence[NudityLook], thresholds: Thresholds) -> list[Finding]:
    return [
        Finding("nudity", look.time_s, look.scores)
        for look in looks
        if look.score >= thresholds.nudity
    ]


def _time_code(time_s: float) -> str:
    """``H:MM:SS.fff``"""
    whole, ms = divmod(round(time_s * 1000), 1000)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{ms:03}"
