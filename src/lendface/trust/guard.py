"""Stands by a swap with the content gate and the list of protected faces."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..engine.plan import SwapPlan
from ..engine.tracks import Tracks
from ..engine.types import Frame, SourceFace
from ..errors import ProtectedFaceError
from ..pipeline.scans import Scan
from ..pipeline.targets import Target
from .gate import Verdict, judge_portrait, judge_reading
from .matching import check_plan, check_sources
from .protected import ProtectedFaces
from .readings import FilmReader, FilmReading, GateNets, read_again, read_film
from .thresholds import SAME_FACE, USUAL, Thresholds

GATE_OFF = "the content gate is switched off by LENDFACE_GATE: nobody looks for nudity and minors"
LIST_OFF = "the list of protected faces is switched off by LENDFACE_PROTECTED: it is not looked at"

log = logging.getLogger("lendface.trust")


@dataclass(frozen=True, eq=False)
class Rules:
    """What a server or a machine forbids; None is switched off."""

    nets: GateNets | None
    protected: ProtectedFaces | None
    thresholds: Thresholds = USUAL
    same_face: float = SAME_FACE

    def check_sources(self, sources: Sequence[SourceFace]) -> None:
        """Raises ProtectedFaceError, ProtectedListError, ContentRefusedError, MinorRefusedError."""
        if self.protected is not None:
            with _telling():
                check_sources(sources, self.protected.entries(), self.same_face)
        if self.nets is not None:
            for number, source in enumerate(sources, start=1):
                _heed(judge_portrait(source, self.nets, self.thresholds, number))

    def check_people(self, tracks: Tracks, plan: SwapPlan) -> None:
        """Whether they may be replaced. Raises ProtectedFaceError, ProtectedListError."""
        if self.protected is not None:
            with _telling():
                check_plan(tracks, plan, self.protected.entries(), self.same_face)

    def read(
        self, target: Target, tracks: Tracks, plan: SwapPlan, known: FilmReading | None
    ) -> FilmReading | None:
        """What has to be known of a film and of those who are replaced; None where nobody asks.

        The target is opened where too little is known of them, and where nothing is.
        """
        if self.nets is None:
            return None
        if known is None:
            with target.open() as frames:
                known = read_film(frames, tracks, self.nets)
        return read_again(target, tracks, plan.source_by_track, known, self.nets)

    def check_film(self, reading: FilmReading | None, plan: SwapPlan) -> None:
        """Raises ContentRefusedError, MinorRefusedError."""
        if reading is not None:
            _heed(judge_reading(reading, plan.source_by_track, self.thresholds))


class FilmLook:
    """Plays a ``pipeline.guarding.Onlooker``: reads a film for the gate while it is scanned."""

    def __init__(self, nets: GateNets | None) -> None:
        self._nets = nets
        self._reader: FilmReader | None = None

    def open_target(self, target: Target) -> None:
        if self._nets is not None:
            self._reader = FilmReader(self._nets, target.frame_count)

    def see(self, frame: Frame) -> None:
        if self._reader is not None:
            self._reader.see(frame)

    def finish(self, tracks: Tracks) -> FilmReading | None:
        """None where nobody read."""
        return None if self._reader is None else self._reader.finish(tracks)


class SwapGuard(FilmLook):
    """Plays a ``pipeline.guarding.Guard`` for one swap."""

    def __init__(self, rules: Rules) -> None:
        super().__init__(rules.nets)
        self._rules = rules

    def check_sources(self, sources: Sequence[SourceFace]) -> Sequence[str]:
        """Raises as ``Rules.check_sources``."""
        warnings = switched_off(self._rules)
        for warning in warnings:
            log.warning(warning)
        self._rules.check_sources(sources)
        return warnings

    def check_plan(self, target: Target, scan: Scan, plan: SwapPlan) -> None:
        """Raises as ``Rules.check_people`` and ``Rules.check_film``."""
        rules, tracks = self._rules, scan.tracks
        rules.check_people(tracks, plan)
        rules.check_film(rules.read(target, tracks, plan, self.finish(tracks)), plan)


def switched_off(rules: Rules) -> list[str]:
    """What the operator switched off, in words."""
    off = ((rules.nets, GATE_OFF), (rules.protected, LIST_OFF))
    return [sentence for part, sentence in off if part is None]


def _heed(verdict: Verdict) -> None:
    """The operator is told what was seen and where; whoever asked is not."""
    for finding in verdict.findings:
        told = f"refused by the content gate: {finding.explain()}"  # a rule, a time, scores
        rule, time_s, face = finding.rule, finding.time_s, finding.face
        log.warning(told, extra={"rule": rule, "time_s": time_s, "face": face})
    if verdict.unread:
        told = f"too small to tell an age: face {', '.join(map(str, verdict.unread))}"
        log.info(told)
    verdict.check()


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except ProtectedFaceError as refused:
        told = f"refused by the list of protected faces: entry {refused.entry_id}"
        log.warning(told, extra={"rule": "protected_face", "entry": refused.entry_id})
        raise
