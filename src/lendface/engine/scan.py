"""Frames in, tracks out: who is where in a film, in one pass over its frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .cuts import CutFinder
from .link import Person, link
from .looks import describe
from .mesh.complexion import skin_level
from .mesh.expression import NeutralShapes
from .mesh.pixelwise import smoothstep
from .mesh.shape import pose_of
from .mesh.topology import POINTS, Topology
from .roles import FilmDetector, HandFinder, Landmarker, Recognizer
from .rows import MemoryLog, RowLog, landmarks_of, pack_row
from .tracker import Steadied, Tracker, Tracklet, box_of
from .tracks import Place, Tracks
from .types import Floats, Frame, Track

BRIDGED_FRAMES = 6  # a gap this short within a shot is filled
SMALL_PX = (22.0, 32.0)  # face heights between which a swap fades in
UNSURE = (0.50, 0.80)  # scores
TURNED_DEG = (58.0, 65.0)  # yaw; beyond it the far side is a guess
FADE_FRAMES = 4
SHAPE_FACES = 40
CALM_YAW_DEG = 30.0
LEAST_FRAMES = 5  # of a film; who is seen for less is noise, not a member of the cast ...
LEAST_S, SURE_SCORE, SURE_CLARITY = 0.4, 0.9, 1.2  # ... unless for so long, and as surely: a score,
# and times the recognizer's least clarity. A slideshow has a frame for each person.
STILL_S = 0.4  # a frame shown for so long is a shot of its own: nothing is followed out of it
FADE_S = 0.36
BRIDGED_S = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """The few numbers of a row that stay in memory."""

    frame: int
    row: int
    height_px: float
    yaw_deg: float
    score: float
    has_hands: bool = False


@dataclass(frozen=True, eq=False)
class Clock:
    """When each frame is shown."""

    times_s: Sequence[float]

    @property
    def frames(self) -> int:
        return len(self.times_s)

    def shown_s(self, frames: Iterable[int]) -> float:
        """How long some frames are shown together; the last of all as long as the one before."""
        steps = np.diff(self.times_s)
        ends = np.append(steps, steps[-1:] if len(steps) else [0.0])
        return float(sum(ends[frame] for frame in frames))

    def between_s(self, frame: int, later: int) -> float:
        return self.times_s[later] - self.times_s[frame]

    @cached_property
    def fade_frames(self) -> int:
        """Frames over which a swap fades, fewer where each of them is shown for long."""
        step = float(np.median(np.diff(self.times_s))) if self.frames > 1 else 0.0
        return min(FADE_FRAMES, round(FADE_S / step)) if step > 0 else FADE_FRAMES


@dataclass(frozen=True, eq=False)
class Scanner:
    """Scans films with a set of models. ``hand_finder`` may be None: then no hands are found."""

    detector: FilmDetector
    landmarker: Landmarker
    recognizer: Recognizer
    hand_finder: HandFinder | None
    topology: Topology
    shapes: NeutralShapes | None = None  # None: by the median over a person's faces

    def scan(
        self,
        frames: Iterable[Frame],
        log: RowLog | None = None,
        on_frame: Callable[[Frame], None] = lambda frame: None,
    ) -> Tracks:
        """Every face of every frame. ``log`` keeps the rows, in memory unless one is given.

        ``on_frame`` is called after each frame; what it raises stops the scan.
        """
        log = MemoryLog() if log is None else log
        cuts = CutFinder()
        marks: dict[int, list[Mark]] = defaultdict(list)
        times_s: list[float] = []
        with closing(self._tracker()) as tracker:
            for frame in frames:
                is_cut = cuts.is_cut(frame.picture)
                times_s.append(float(frame.time))
                was_still = len(times_s) > 1 and times_s[-1] - times_s[-2] >= STILL_S
                for face in tracker.feed(frame, is_cut or was_still):
                    self._keep(face, log, marks)
                on_frame(frame)
            for face in tracker.end_shot():
                self._keep(face, log, marks)
        return self._sum_up(tracker.tracklets, marks, log, Clock(times_s))

    def _tracker(self) -> Tracker:
        return Tracker(
            self.detector, self.landmarker, self.recognizer, self.hand_finder, self.topology
        )

    def _keep(self, face: Steadied, log: RowLog, marks: dict[int, list[Mark]]) -> None:
        yaw, _, _ = pose_of(self.topology, face.landmarks_xyz).yaw_pitch_roll_deg
        height = float(np.ptp(face.landmarks_xyz[:POINTS, 1]))
        mark = Mark(face.frame, len(log), height, yaw, face.score, bool(face.hands))
        marks[face.tracklet].append(mark)
        log.append(
            pack_row(
                face.frame, face.tracklet, face.score, face.landmarks_xyz, face.light, face.hands
            )
        )

    def _sum_up(
        self, tracklets: Sequence[Tracklet], marks: dict[int, list[Mark]], log: RowLog, clock: Clock
    ) -> Tracks:
        seen = [t for t in tracklets if marks[t.id]]
        ends = {t.id: _end_boxes(marks[t.id], log) for t in seen}
        named = [
            person
            for person in link(seen, ends)
            if person.embedding is not None
            and person.clarity >= self.recognizer.least_clarity
            and self._is_seen_enough(person, marks, clock)
        ]
        named.sort(key=lambda p: -sum(m.height_px for t in p.tracklets for m in marks[t.id]))
        people, places = [], defaultdict(list)
        for number, person in enumerate(named, start=1):
            own = _places(number, person, marks, clock)
            people.append(self._track(number, person, own, marks, log))
            for place in own:
                places[place.frame].append(place)
        return Tracks(tuple(people), clock.frames, dict(places), log)

    def _is_seen_enough(self, person: Person, marks: dict[int, list[Mark]], clock: Clock) -> bool:
        """Seconds count where frames are few, if it is surely a face."""
        if person.face_count >= min(LEAST_FRAMES, clock.frames):
            return True
        every = [mark for t in person.tracklets for mark in marks[t.id]]
        return (
            clock.shown_s(mark.frame for mark in every) >= LEAST_S
            and max(mark.score for mark in every) >= SURE_SCORE
            and person.clarity >= SURE_CLARITY * self.recognizer.least_clarity
        )

    def _track(
        self,
        number: int,
        person: Person,
        places: Sequence[Place],
        marks: dict[int, list[Mark]],
        log: RowLog,
    ) -> Track:
        rows = [marks[t.id] for t in person.tracklets]
        every = [mark for part in rows for mark in part]
        calm = [m for m in every if abs(m.yaw_deg) <= CALM_YAW_DEG] or every
        chosen = calm[:: max(1, len(calm) // SHAPE_FACES)]
        views = [view for t in person.tracklets for view in t.views]
        embedding = person.embedding
        assert embedding is not None
        heights_px = [mark.height_px for mark in every]
        levels = [skin_level(log.read(m.row)["light"].astype(np.float32)) for m in chosen]
        shapes = self.shapes or NeutralShapes(self.topology)
        books = [t.book for t in person.tracklets]
        appearance, glasses, forehead, beard = describe(books, self.topology)
        return Track(
            id=number,
            embedding=embedding,
            shape=shapes.of(landmarks_of(log.read(mark.row)) for mark in chosen),
            face_count=len(places),
            size_px=float(np.median(heights_px)),
            largest_px=float(max(heights_px)),
            turned_share=float(np.mean([abs(m.yaw_deg) > TURNED_DEG[0] for m in every])),
            usable_share=float(np.mean([place.strength for place in places])),
            spans=tuple(sorted((part[0].frame, part[-1].frame + 1) for part in rows)),
            best_index=max(views, key=lambda view: view.worth).frame,
            appearance=appearance,
            glasses=glasses,
            forehead=forehead,
            beard=beard,
            level=np.median(levels, axis=0).astype(np.float32),
        )


def _end_boxes(marks: Sequence[Mark], log: RowLog) -> tuple[Floats, Floats]:
    first, last = (landmarks_of(log.read(marks[k].row)) for k in (0, -1))
    return box_of(first), box_of(last)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Marks of one person without a break that a viewer would see."""

    marks: list[Mark]
    fades_in: bool  # False where the shot itself begins: then the swap is there at once
    fades_out: bool


def _places(
    track_id: int, person: Person, marks: dict[int, list[Mark]], clock: Clock
) -> list[Place]:
    """All faces of a person, short gaps bridged, each with the strength it can bear."""
    places: list[Place] = []
    for run in _runs(person.tracklets, marks, clock):
        filled = _filled(run.marks)
        bears = np.float32([bearable_between(*each) for each in filled])
        strengths = faded(bears, run.fades_in, run.fades_out, clock.fade_frames)
        places += [
            Place(
                frame=mark.frame + round(share * (later.frame - mark.frame)),
                track_id=track_id,
                row=mark.row,
                next_row=later.row,
                share=share,
                strength=float(strength),
            )
            for (mark, later, share), strength in zip(filled, strengths, strict=True)
        ]
    return places


def _runs(tracklets: Sequence[Tracklet], marks: dict[int, list[Mark]], clock: Clock) -> list[Run]:
    runs: list[Run] = []
    last: Tracklet | None = None
    for tracklet in sorted(tracklets, key=lambda t: t.first_frame):
        own = marks[tracklet.id]
        is_near = (
            last is not None
            and tracklet.first_frame - last.last_frame <= BRIDGED_FRAMES + 1
            and clock.between_s(last.last_frame, tracklet.first_frame) <= BRIDGED_S
        )
        if last is not None and is_near and not last.ends_shot and not tracklet.starts_shot:
            joined = runs.pop()
            run = Run([*joined.marks, *own], joined.fades_in, not tracklet.ends_shot)
        else:
            run = Run(list(own), not tracklet.starts_shot, not tracklet.ends_shot)
        runs.append(run)
        last = tracklet
    return runs


def _filled(marks: Sequence[Mark]) -> list[tuple[Mark, Mark, float]]:
    """Each mark as (mark, mark, 0), and for every frame missing between two, (a, b, share)."""
    filled = [(marks[0], marks[0], 0.0)]
    for a, b in pairwise(marks):
        gap = b.frame - a.frame
        filled += [(a, b, step / gap) for step in range(1, gap)]
        filled.append((b, b, 0.0))
    return filled


def bearable(mark: Mark) -> float:
    """0..1: a face too small, too doubtful or turned too far is better left alone."""
    size = smoothstep(mark.height_px, *SMALL_PX)
    sure = smoothstep(mark.score, *UNSURE)
    facing = smoothstep(-abs(mark.yaw_deg), -TURNED_DEG[1], -TURNED_DEG[0])
    return float(size * sure * facing)


def bearable_between(mark: Mark, later: Mark, share: float) -> float:
    """A face that is lost beside a hand lies behind it: painted, it would lie before it."""
    is_hidden = share > 0 and (mark.has_hands or later.has_hands)
    return 0.0 if is_hidden else bearable(mark)


def faded(bears: Floats, fades_in: bool, fades_out: bool, fade_frames: int = FADE_FRAMES) -> Floats:
    """The strength frame by frame: it sinks before a bad frame and rises after it, not at once."""
    width = fade_frames + 1
    padded = np.pad(bears, width, mode="edge")
    lowest = sliding_window_view(padded, width).min(1)
    soft = sliding_window_view(lowest, width).mean(1)
    start = (len(soft) - len(bears)) // 2
    strengths = soft[start : start + len(bears)].astype(np.float32)
    ramp = np.minimum(1, np.arange(1, len(bears) + 1) / (fade_frames + 1))
    if fades_in:
        strengths = strengths * ramp
    return np.minimum(strengths, bears) * (ramp[::-1] if fades_out else 1)
