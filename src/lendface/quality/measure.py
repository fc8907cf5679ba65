"""Measures one output of a case: the film goes by once, a few numbers of each face remain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.topology import OVAL
from lendface.engine.types import Face, Floats, Frame, Picture
from lendface.errors import BadOptionError
from lendface.media import is_image
from lendface.pipeline.parts import Watch
from lendface.pipeline.scans import Scan, scan_target
from lendface.pipeline.targets import Target, Trim, open_target

from .background import outside_faces, squared_error, to_psnr
from .case import Case, Judge, Lender, open_case, pair_of
from .covered import (
    DrawnMasks,
    Polygons,
    before_face,
    covered_change,
    drawn_mask,
    hands_mask,
)
from .expression import expression_error, mouth_errors, size_errors
from .faces import (
    face_height_px,
    gaze_error,
    landmark_error,
    pose_errors_deg,
    rotation_between,
    turn_deg,
)
from .flicker import Flicker
from .gallery import Somebody
from .grain import grain_ratio, sharpness_ratio
from .identity import cosine, is_wrong, transfer, who_is_it
from .motion import Motion
from .pairing import Cut, cut_out, is_changed, side_by_side
from .reading import FaceReading
from .rim import edge_visibility, tone_step
from .shots import Album
from .timing import Timing, compare_times
from .types import FaceSample, Measured

CHANGE_LOOKS = 24  # frames that are looked at to find out who was swapped
MOSTLY = 0.5  # of them in which a person must have changed


@dataclass(frozen=True, slots=True)
class Options:
    """How closely to look."""

    stride: int = 1  # faces are judged in every how many-th frame
    shots: int = 4  # to be kept at even distances
    drawn: DrawnMasks | None = None  # what covers faces; where a clip has some, only they count

    def __post_init__(self) -> None:
        if self.stride < 1 or self.shots < 0:
            raise BadOptionError("stride must be 1 or more, shots 0 or more")


def measure_files(
    target: Path,
    output: Path,
    sources: Sequence[Path],
    judge: Judge,
    *,
    faces: Sequence[int] = (),
    people: Mapping[str, Somebody] | None = None,
    options: Options | None = None,
    watch: Watch | None = None,
) -> Measured:
    """What ``sources`` (photos of one person) became in ``output``, whatever tool made it.

    ``faces`` are the numbers of the cast who were to be swapped; without any those whose faces
    differ in the output, and where nobody's does, the most present person. ``people`` are those
    of ``read_gallery``. Raises the errors of ``open_case`` and ``measure``.
    """
    opened = open_target(target, Trim()).as_target()
    scan = scan_target(opened, judge.parts, watch)
    timing = timing_of(target, output)
    chosen = faces or changed_people(opened, target, scan, output, timing)
    case = open_case(target, [pair_of(sources, chosen)], judge, people=people, scan=scan)
    return measure(case, output, judge, options, watch, timing)


def measure(
    case: Case,
    output: Path | Target,
    judge: Judge,
    options: Options | None = None,
    watch: Watch | None = None,
    timing: Timing | None = None,
) -> Measured:
    """One output against its case; frames in memory must be those of the target, one for one.

    ``timing`` is worked out where the output is a file and it is not given. Raises the errors of
    reading the output, and CancelledError.
    """
    options, watch = options or Options(), watch or Watch()
    if isinstance(output, Path):
        timing = timing or (timing_of(case.path, output) if case.path else None)
        output = open_target(output, Trim()).as_target()
    looks = _Looks(case, judge, options)
    with side_by_side(case.target, output, indexes_of(timing)) as pairs:
        for done, (frame, picture) in enumerate(pairs, start=1):
            looks.see(frame, picture)
            watch.step("measure", done, case.target.frame_count)
    return looks.sum_up(output.name, timing)


def changed_people(
    target: Target, path: Path, scan: Scan, output: Path, timing: Timing | None = None
) -> tuple[int, ...]:
    """Whose faces differ in most of a few frames; nobody where the output is the target.

    ``path`` is the target's file; ``timing`` is worked out where it is not given.
    """
    timing = timing or timing_of(path, output)
    frames = sorted(scan.tracks.places)
    places = np.linspace(0, len(frames) - 1, min(CHANGE_LOOKS, len(frames))).astype(int)
    wanted = {frames[place] for place in places}
    verdicts: dict[int, list[bool]] = defaultdict(list)
    other = open_target(output, Trim()).as_target()
    with side_by_side(target, other, indexes_of(timing)) as pairs:
        for frame, picture in pairs:
            for face in scan.tracks.faces_at(frame.index) if frame.index in wanted else ():
                cut = cut_out(frame.picture, picture, face.landmarks_xyz)
                if cut is not None:
                    verdicts[face.track_id].append(is_changed(cut, cut.moved(face.landmarks_xyz)))
    return tuple(sorted(who for who, said in verdicts.items() if np.mean(said) >= MOSTLY))


def timing_of(target: Path, output: Path) -> Timing | None:
    """How two films compare in time; None where one of the files is a picture."""
    return None if is_image(target) or is_image(output) else compare_times(target, output)


def indexes_of(timing: Timing | None) -> dict[int, int] | None:
    return dict(timing.matched) if timing else None


@dataclass(frozen=True, eq=False)
class _Seen:
    """One face of one frame in both pictures."""

    face: Face
    cut: Cut
    changed: bool
    target: FaceReading
    output: FaceReading | None  # None where the output shows no face


class _Looks:
    """What remains of the frames that went by."""

    def __init__(self, case: Case, judge: Judge, options: Options) -> None:
        self._case, self._judge, self._options = case, judge, options
        self._people = {person.id: person.embedding for person in case.scan.people}
        self._samples: list[FaceSample] = []
        self._motion = Motion(options.stride)
        self._flickers = {number: Flicker() for number in case.lender_by_track}
        self._background: list[float] = []  # mean squared errors
        self._wrong: set[int] = set()
        self._turns: dict[int, dict[int, Floats]] = defaultdict(dict)  # by person and frame
        self._album = Album(self._frames_with_faces(), options.shots)
        self._drawn = drawn_for(case, options.drawn)

    def see(self, frame: Frame, output: Picture) -> None:
        stride = self._options.stride
        is_looked_at = frame.index % stride == 0
        if not is_looked_at and (frame.index + 1) % stride:
            return  # of the other frames only those before are needed, for the flicker
        faces = self._case.scan.tracks.faces_at(frame.index)
        for face in faces:
            self._see_face(frame, output, face, is_looked_at)
        if is_looked_at:
            self._see_background(frame.picture, output, faces)

    def _see_background(self, target: Picture, output: Picture, faces: Sequence[Face]) -> None:
        outlines = [
            (face.landmarks_xyz[list(OVAL), :2], eye_distance_px(face.landmarks_xyz))
            for face in faces
            if face.track_id in self._case.lender_by_track
        ]
        before, after = (picture.reduced(max(picture.size_wh)) for picture in (target, output))
        error = squared_error(before, after, outside_faces(before.shape, outlines))
        if error is not None:
            self._background.append(error)

    def _see_face(self, frame: Frame, output: Picture, face: Face, is_looked_at: bool) -> None:
        cut = cut_out(frame.picture, output, face.landmarks_xyz)
        if cut is None:
            return
        points = cut.moved(face.landmarks_xyz)
        lender = self._case.lender_by_track.get(face.track_id)
        flicker = None
        if lender is not None:
            follower = self._flickers[face.track_id]
            flicker = follower.feed(frame.index, cut.target, cut.output, points)
        changed = is_looked_at and is_changed(cut, points)
        if not is_looked_at or (lender is None and not changed):
            return
        target = self._read_target(frame, face)
        if target is None:
            return
        there = self._judge.reader.read(output, face.landmarks_xyz)
        seen = _Seen(face, cut, changed, target, there)
        if self._is_wrong(seen):
            self._wrong.add(frame.index)
        if lender is not None:
            figures = self._figures(frame.index, seen, lender) | _known({"flicker": flicker})
            self._keep(frame, output, seen, figures)

    def _figures(self, index: int, seen: _Seen, lender: Lender) -> dict[str, float]:
        figures = {"changed": float(seen.changed), "found": float(seen.output is not None)}
        figures |= belonging(seen.cut, seen.target)
        figures |= _known({"hand_change": self._hand_change(index, seen)})
        if seen.output is not None:
            figures |= likeness(lender, seen.target, seen.output)
            figures |= behaviour(seen.target, seen.output)
        return figures

    def _hand_change(self, index: int, seen: _Seen) -> float | None:
        """By drawn masks where the clip has some, or else by the hands that the scan found."""
        cut, shape = seen.cut, seen.cut.target.shape
        if self._drawn is None:
            mask = hands_mask(seen.face.hands, shape, cut.origin[:2])
        else:
            mask = drawn_mask(self._drawn.get(index, ()), shape, cut.origin[:2])
        oval_xy = cut.moved(seen.target.landmarks_xyz)[list(OVAL), :2]
        return covered_change(cut.target, cut.output, before_face(mask, oval_xy))

    def _keep(
        self, frame: Frame, output: Picture, seen: _Seen, figures: Mapping[str, float]
    ) -> None:
        target, face = seen.target, seen.face
        sample = FaceSample(
            index=frame.index,
            time_s=float(frame.time),
            track_id=face.track_id,
            eye_px=target.eye_px,
            face_px=face_height_px(target.landmarks_xyz),
            turn_deg=turn_deg(target.pose),
            strength=face.strength,
            figures=figures,
        )
        self._samples.append(sample)
        if sample.fits and seen.output is not None:
            self._motion.see(frame.index, face.track_id, target, seen.output)
            turn = rotation_between(target.pose, seen.output.pose)
            self._turns[face.track_id][frame.index] = turn
        pictures = frame.picture, output
        self._album.offer(sample, pictures, target.landmarks_xyz)

    def _frames_with_faces(self) -> list[int]:
        places = self._case.scan.tracks.places
        return [
            frame
            for frame in sorted(places)
            if frame % self._options.stride == 0
            and any(place.track_id in self._case.lender_by_track for place in places[frame])
        ]

    def _read_target(self, frame: Frame, face: Face) -> FaceReading | None:
        key = frame.index, face.track_id
        if key not in self._case.readings:
            reading = self._judge.reader.read(frame.picture, face.landmarks_xyz)
            self._case.keep(*key, reading)
            return reading
        return self._case.readings[key]

    def _is_wrong(self, seen: _Seen) -> bool:
        """By whom the target's frame shows, which need not be whom its track says."""
        if not seen.changed or seen.output is None:
            return False
        lenders = self._case.lender_by_track
        who = who_is_it(seen.target.embedding, self._people, seen.face.track_id)
        own = lenders[who].face if who in lenders else None
        others = [each.face.embedding for each in lenders.values() if each.face is not own]
        return is_wrong(
            seen.target.embedding,
            seen.output.embedding,
            None if own is None else own.embedding,
            others,
        )

    def sum_up(self, name: str, timing: Timing | None) -> Measured:
        pose_errors, offsets = self._pose_errors()
        film = {
            **self._motion.figures(),
            **offsets,
            **self._background_figures(),
            "wrong_frames": float(len(self._wrong)),
            **(times_of(timing) if timing else {}),
        }
        samples = [
            replace(s, figures={**s.figures, **pose_errors.get((s.index, s.track_id), {})})
            for s in self._samples
        ]
        return Measured(
            source=self._case.source_name,
            target=self._case.target.name,
            output=name,
            samples=tuple(samples),
            film=film,
            notes=tuple(self._notes(timing)),
            pictures=self._album.shots(),
        )

    def _pose_errors(self) -> tuple[dict[tuple[int, int], dict[str, float]], dict[str, float]]:
        """For each face that fits, and the largest constant of a person."""
        errors: dict[tuple[int, int], dict[str, float]] = {}
        offsets = []
        for track_id, turns in self._turns.items():
            of_frames, offset = pose_errors_deg(list(turns.values()))
            offsets.append(offset)
            for frame, error in zip(turns, of_frames, strict=True):
                errors[frame, track_id] = {"pose_error": error}
        return errors, {"pose_offset": max(offsets)} if offsets else {}

    def _background_figures(self) -> dict[str, float]:
        errors = self._background
        return {"background_psnr": to_psnr(float(np.mean(errors)))} if errors else {}

    def _notes(self, timing: Timing | None) -> list[str]:
        stride = self._options.stride
        notes = []
        if stride > 1:
            notes.append(f"one frame in {stride} was judged; lags need all of them")
        if not any(sample.fits for sample in self._samples):
            notes.append("no face is large enough and turned to the camera enough to be judged")
        if timing is None:
            notes.append("times and sound were not compared: that needs two films")
        return notes


def likeness(lender: Lender, target: FaceReading, output: FaceReading) -> dict[str, float]:
    """Who the output's face is."""
    to_source = cosine(output.embedding, lender.face.embedding)
    to_target = cosine(output.embedding, target.embedding)
    return _known(
        {
            "to_source": to_source,
            "to_target": to_target,
            "nearer_to_source": float(to_source > to_target),
            "retrieval": float(lender.gallery.finds_source(output.embedding))
            if lender.gallery
            else None,
            "transfer": transfer(lender.descriptors, target.descriptor, output.descriptor),
        }
    )


def behaviour(target: FaceReading, output: FaceReading) -> dict[str, float]:
    """What the output's face does beside what the target's does in the same frame."""
    before, after = target.landmarks_xyz, output.landmarks_xyz
    sizes = size_errors(target.blendshapes, output.blendshapes) | mouth_errors(before, after)
    return _known(
        {f"{name}_error": error for name, error in sizes.items()}
        | {
            "expression_error": expression_error(target.blendshapes, output.blendshapes),
            "gaze_error": gaze_error(before, after),
            "landmark_error": landmark_error(before, after),
        }
    )


def belonging(cut: Cut, target: FaceReading) -> dict[str, float]:
    """How the face sits in its picture."""
    points, eye_px = cut.moved(target.landmarks_xyz), target.eye_px
    both, oval_xy = (cut.target, cut.output), points[list(OVAL), :2]
    return _known(
        {
            "edge_visibility": edge_visibility(*both, oval_xy, eye_px),
            "tone_step": tone_step(*both, oval_xy, eye_px),
            "sharpness": sharpness_ratio(*both, points, eye_px),
            "grain": grain_ratio(*both, points, eye_px),
        }
    )


def times_of(timing: Timing) -> dict[str, float]:
    """When things happen in the output."""
    return _known(
        {
            "dropped_frames": float(timing.dropped),
            "duplicated_frames": float(timing.duplicated),
            "time_error": timing.time_error_s,
            "audio_drift": None if timing.audio_drift_s is None else abs(timing.audio_drift_s),
        }
    )


def drawn_for(case: Case, drawn: DrawnMasks | None) -> dict[int, Polygons] | None:
    """The masks of this target by frame; None where nobody has drawn any for it."""
    own = {
        frame: polygons
        for (clip, frame), polygons in (drawn or {}).items()
        if clip == Path(case.target.name).stem
    }
    return own or None


def _known(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if value is not None}
