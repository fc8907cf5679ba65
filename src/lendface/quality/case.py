"""What a measurement knows before it looks at an output: the target's people and the sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lendface.engine.plan import SwapPlan
from lendface.engine.types import Floats, SourceFace
from lendface.models import RuntimeOptions
from lendface.pipeline.parts import Parts, Watch
from lendface.pipeline.scans import Scan, scan_target
from lendface.pipeline.swaps import (
    CastNumbers,
    Pair,
    enrol_pairs,
    make_plan,
    read_references,
)
from lendface.pipeline.targets import Target, Trim, open_target

from .gallery import Somebody, gallery_for
from .identity import Gallery
from .reading import FaceReader, FaceReading

MOST_KEPT = 4000  # readings, about 11 kB each


@dataclass(frozen=True, eq=False)
class Judge:
    """The nets that look, joined once for any number of measurements."""

    parts: Parts
    reader: FaceReader

    @classmethod
    def of(cls, parts: Parts, runtime: RuntimeOptions | None = None) -> Judge:
        return cls(parts, FaceReader.of(parts, runtime))


@dataclass(frozen=True, eq=False)
class Lender:
    """A source person as both recognizers see the photos."""

    name: str
    face: SourceFace
    descriptors: tuple[Floats, ...]  # (1024,) each, one for each photo
    gallery: Gallery | None


@dataclass(frozen=True, eq=False)
class Case:
    """A target, scanned, and whose face each of its people was to get.

    Readings of the target's faces are kept, so that several outputs of one case (the tool, the
    reference rows) cost the target's share once.
    """

    target: Target
    path: Path | None  # None for frames in memory
    scan: Scan
    lender_by_track: Mapping[int, Lender]
    readings: dict[tuple[int, int], FaceReading | None] = field(default_factory=dict, repr=False)

    @property
    def plan(self) -> SwapPlan:
        return SwapPlan({number: each.face for number, each in self.lender_by_track.items()})

    @property
    def source_name(self) -> str:
        return ", ".join(dict.fromkeys(each.name for each in self.lender_by_track.values()))

    def keep(self, frame: int, track_id: int, reading: FaceReading | None) -> None:
        if len(self.readings) < MOST_KEPT:
            self.readings[frame, track_id] = reading


def open_case(
    target: Path,
    pairs: Sequence[Pair],
    judge: Judge,
    *,
    people: Mapping[str, Somebody] | None = None,
    scan: Scan | None = None,
    watch: Watch | None = None,
) -> Case:
    """Enrol the sources and, where no ``scan`` of the target is given, scan it.

    ``people`` are those of ``read_gallery``.

    Raises the errors of reading the files and of the faces in them, NoTargetFaceError,
    NoSuchPersonError and CancelledError.
    """
    sources, _ = enrol_pairs(pairs, judge.parts)
    references = read_references((pair.who for pair in pairs), judge.parts)
    opened = open_target(target, Trim()).as_target()
    scan = scan or scan_target(opened, judge.parts, watch)
    lenders = [
        _lender(pair, source, judge, people) for pair, source in zip(pairs, sources, strict=True)
    ]
    plan = make_plan(tuple(pairs), sources, scan.tracks, opened.name, references)
    by_face = {id(lender.face): lender for lender in lenders}
    return Case(
        target=opened,
        path=target,
        scan=scan,
        lender_by_track={
            number: by_face[id(source)] for number, source in plan.source_by_track.items()
        },
    )


def pair_of(photos: Sequence[Path], faces: Sequence[int] = ()) -> Pair:
    """One source for the numbered faces of the cast; for the most present person without any."""
    return Pair(tuple(photos), CastNumbers(tuple(faces))) if faces else Pair(tuple(photos))


def _lender(
    pair: Pair, source: SourceFace, judge: Judge, people: Mapping[str, Somebody] | None
) -> Lender:
    return Lender(
        name=", ".join(path.name for path in pair.photos),
        face=source,
        descriptors=tuple(
            judge.reader.descriptor.describe(portrait.picture, portrait.mesh.landmarks_xyz)
            for portrait in source.portraits
        ),
        gallery=gallery_for(people, pair.photos, source.embedding) if people else None,
    )
