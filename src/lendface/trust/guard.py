"""Stands by a swap with the content gate and the list of protected faces."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..engine.plan import SwapPlan
from ..engine.types import Frame, SourceFace
from ..errors import ProtectedFaceError
from ..pipeline.scans import Scan
from ..pipeline.targets import Target
from .gate import Thresholds, Verdict, judge_portrait, judge_reading
from .matching import SAME_FACE, check_plan, check_sources
from .protected import ProtectedFaces
from .readings import FilmReader, GateNets, read_again

GATE_OFF = "the content gate is switched off by LENDFACE_GATE: nobody looks for nudity and minors"
LIST_OFF = "the list of protected faces is switched off by LENDFACE_PROTECTED: it is not looked at"

log = logging.getLogger("lendface.trust")


@dataclass(frozen=True, eq=False)
class Rules:
    """What a server or a machine forbids; None is switched off."""

    nets: GateNets | None
    protected: ProtectedFaces | None
    thresholds: Thresholds = field(default_factory=Thresholds)
    same_face: float = SAME_FACE


class SwapGuard:
    """Plays a ``pipeline.guarding.Guard`` for one swap."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._reader: FilmReader | None = None

    def check_sources(self, sources: Sequence[SourceFace]) -> Sequence[str]:
        """Raises ProtectedFaceError, ProtectedListError and MinorRefusedError."""
        warnings = switched_off(self._rules)
        for warning in warnings:
            log.warning(warning)
        if self._rules.protected is not None:
            with _telling():
                check_sources(sources, self._rules.protected.entries(), self._rules.same_face)
        if self._rules.nets is not None:
            for number, source in enumerate(sources, start=1):
                _heed(judge_portrait(source, self._rules.nets, self._rules.thresholds, number))
        return warnings

    def open_target(self, target: Target) -> None:
        if self._rules.nets is not None:
            self._reader = FilmReader(self._rules.nets, target.frame_count)

    def see(self, frame: Frame) -> None:
        if self._reader is not None:
            self._reader.see(frame)

    def check_plan(self, target: Target, scan: Scan, plan: SwapPlan) -> None:
        """Raises ProtectedFaceError, ContentRefusedError and MinorRefusedError."""
        if self._rules.protected is not None:
            with _telling():
                faces = self._rules.protected.entries()
                check_plan(scan.tracks, plan, faces, self._rules.same_face)
        if self._rules.nets is not None and self._reader is not None:
            people, nets = plan.source_by_track, self._rules.nets
            reading = self._reader.finish(scan.tracks)
            reading = read_again(target, scan.tracks, people, reading, nets)
            _heed(judge_reading(reading, people, self._rules.thresholds))


def switched_off(rules: Rules) -> list[str]:
    """What the operator switched off, in words."""
    off = ((rules.nets, GATE_OFF), (rules.protected, LIST_OFF))
    return [sentence for part, sentence in off if part is None]


def _heed(verdict: Verdict) -> None:
    """The operator is told what was seen and where; whoever asked is not."""
    for finding in verdict.findings:
        told = f"refused by the content gate: {finding.explain()}"  # a rule, a time, scores
        log.warning(told)
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
        log.warning(told)
        raise
