"""Measures the content gate and the list of protected faces on real faces.

    python benchmarks/trust_rates.py FOLDER

FOLDER has ``portraits`` (``NAME.jpg``, and ``NAME_alt.jpg`` of the same person) and ``clips``.
Prints what the gate says to each, what it costs, and how often faces are confused. The tables of
docs/trust.md were made with it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from lendface.app import build
from lendface.engine.enrol import Photo
from lendface.engine.types import Floats, Frame, SourceFace
from lendface.media import read_image
from lendface.pipeline.parts import Parts
from lendface.pipeline.scans import scan_target
from lendface.pipeline.targets import Trim, open_target
from lendface.trust.ages import height_px
from lendface.trust.gate import judge_portrait, judge_reading, medians
from lendface.trust.readings import FilmReader, GateNets, read_again

COSINES = (0.30, 0.34, 0.40, 0.45, 0.50, 0.60, 0.70)


@dataclass(frozen=True)
class Person:
    """A face under a name; the same ``who`` is the same person."""

    who: str
    embedding: Floats


class Timed:
    """Shows frames to a reader and adds up what that takes."""

    def __init__(self, reader: FilmReader) -> None:
        self.reader, self.seconds = reader, 0.0

    def see(self, frame: Frame) -> None:
        began = time.perf_counter()
        self.reader.see(frame)
        self.seconds += time.perf_counter() - began


def judge_photos(folder: Path, parts: Parts, nets: GateNets) -> Iterator[Person]:
    for path in sorted(folder.glob("*.jpg")):
        picture, _ = read_image(path)
        portrait = parts.enroller.portrait(Photo(path.name, picture))
        verdict = judge_portrait(SourceFace((portrait,), portrait.embedding), nets)
        landmarks = portrait.mesh.landmarks_xyz
        years = [net.years(picture, landmarks) for net in nets.ages]
        nudity = nets.nudity.score(picture)
        print(
            f"{path.stem:34} {height_px(landmarks):4.0f} px  nudity {nudity:.3f}"
            f"  years {years[0]:.1f} {years[1]:.1f}  {said(verdict.is_refused)}"
        )
        yield Person(path.stem.removesuffix("_alt"), portrait.embedding)


def judge_clips(folder: Path, parts: Parts, nets: GateNets) -> Iterator[Person]:
    for path in sorted(folder.glob("*.mp4")):
        target = open_target(path, Trim()).as_target()
        timed = Timed(FilmReader(nets, target.frame_count))
        began = time.perf_counter()
        scan = scan_target(target, parts, None, timed.see)
        scanned, ids = time.perf_counter(), [person.id for person in scan.people]
        reading = timed.reader.finish(scan.tracks)
        reading = read_again(target, scan.tracks, ids, reading, nets)
        verdict = judge_reading(reading, ids)
        gate_s = timed.seconds + time.perf_counter() - scanned
        top = max(reading.nudity, key=lambda look: look.scores[0])
        print(
            f"{path.stem:34} {len(reading.nudity)} places, most {top.scores[0]:.3f}"
            f" (vote {top.score:.3f})  scan {scanned - began - timed.seconds:.1f} s,"
            f" gate {gate_s:.2f} s  {said(verdict.is_refused)}"
        )
        for person in scan.people:
            readings = reading.ages.get(person.id, ())
            years = "{:.1f} {:.1f}".format(*medians(readings)) if readings else "not told"
            print(
                f"    face {person.id}, {person.size_px:.0f} px: years {years} of {len(readings)}"
            )
            yield Person(f"{path.stem}-{person.id}", person.embedding)


def said(is_refused: bool) -> str:
    return "REFUSED" if is_refused else "passes"


def tell_rates(people: list[Person], same: set[frozenset[str]]) -> None:
    pairs = list(combinations(people, 2))
    alike = np.array([float(a.embedding @ b.embedding) for a, b in pairs])
    is_same = np.array([a.who == b.who or frozenset((a.who, b.who)) in same for a, b in pairs])
    print(f"{is_same.sum()} pairs of one person, {(~is_same).sum()} of two")
    print(
        f"one person: {alike[is_same].min():.3f} and more; two: {alike[~is_same].max():.3f} at most"
    )
    for cosine in COSINES:
        fnm, fm = int((alike[is_same] < cosine).sum()), int((alike[~is_same] >= cosine).sum())
        print(
            f"cosine {cosine:.2f}: false non-match {fnm} of {is_same.sum()} "
            f"({fnm / is_same.sum():.2%}), false match {fm} of {(~is_same).sum()} "
            f"({fm / (~is_same).sum():.2%})"
        )


def main(folder: Path) -> None:
    parts, nets = build(), GateNets.load()
    people = list(judge_photos(folder / "portraits", parts, nets))
    people += judge_clips(folder / "clips", parts, nets)
    woman = frozenset(("s07_two_people_head_roll-2", "s08_head_turn_woman-1"))
    tell_rates(people, {woman})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
