"""The steps of a job, each from files to files, so that they can be done on different machines.

``limits.check_target`` first, then ``scan_file_to``, ``plan_job``, ``render_part`` for each part
in any order, and ``join_parts``. What one step leaves for another is a file or plain values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.geometry import five_points
from ..engine.plan import SwapPlan
from ..engine.render import render
from ..engine.tracks import Tracks
from ..engine.types import Box, Face, Frame, Picture, Pixels, Track
from ..errors import SeveralPeopleError, UnreadableMediaError
from ..media import (
    Chunk,
    EncodeOptions,
    encode_image,
    join_chunks,
    open_chunk_reader,
    open_chunk_writer,
    options_for,
    plan_chunks,
    prefetch,
    probe,
    write_image,
)
from ..media.thinning import ends_of_kept
from .parts import Parts, Watch
from .scans import Scan, describe_person, scan_target
from .swaps import Pair, enrol_pairs, hard_warning, make_plan, read_references
from .targets import ImageTarget, Trim, VideoTarget, open_target
from .trackfile import load_scan, save_scan

SCAN_VERSION = 1  # raised when the same film would be scanned otherwise
CLEAR_SHARE = 0.1  # of the film, in which a person must be seen to count as clearly seen
CLEAR_USABLE = 0.3  # and how much of a swap those faces could bear
LEAST_CHUNK_S, LEAST_CHUNKS = 2.0, 4
PORTRAIT_MARGIN = 0.6
THUMBNAIL_MARGIN = 0.3
THUMBNAIL_PX = 256

JPEG, PNG = "jpg", "png"
TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


# Scan


def scan_file_to(
    path: Path, trim: Trim, parts: Parts, watch: Watch, tracks_path: Path
) -> dict[str, Any]:
    """Scan a file, leave its tracks in another, and tell the cast as plain values.

    Raises CancelledError, the errors of reading, DiskFullError.
    """
    found = scan_target(open_target(path, trim).as_target(), parts, watch)
    save_scan(found, tracks_path)
    return {
        "frames": found.tracks.frame_count,
        "people": [
            describe_person(found, person) | {"landmarks_xy": _five(found, person)}
            for person in found.people
        ],
    }


@dataclass(frozen=True, eq=False)
class PersonPictures:
    """How one person of the cast looks, at their best: small for a list, whole to be a source."""

    face: int
    thumbnail: bytes  # JPEG
    portrait: bytes  # PNG


def read_pictures(path: Path, trim: Trim, found: Scan) -> Iterator[PersonPictures]:
    """For each person once; the film is read up to the last of them. Raises errors of reading."""
    by_frame: dict[int, list[Track]] = {}
    for person in found.people:
        by_frame.setdefault(person.best_index, []).append(person)
    left = len(by_frame)
    with open_target(path, trim).as_target().open() as frames:
        for index, frame in enumerate(frames):
            for person in by_frame.get(index, ()):
                yield _pictures(frame.picture, person, _best_face(found, person))
            left -= index in by_frame
            if not left:
                return


def _pictures(picture: Picture, person: Track, face: Face) -> PersonPictures:
    small = _around(picture, face, THUMBNAIL_MARGIN)
    side = max(small.shape[:2])
    if side > THUMBNAIL_PX:
        import cv2

        scale = THUMBNAIL_PX / side
        small = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    whole = _around(picture, face, PORTRAIT_MARGIN)
    return PersonPictures(person.id, encode_image(small, JPEG), encode_image(whole, PNG))


def _around(picture: Picture, face: Face, margin: float) -> Pixels:
    x0, y0, x1, y1 = (float(v) for v in face.box_xyxy)
    wide, high = margin * (x1 - x0), margin * (y1 - y0)
    box = Box(round(x0 - wide), round(y0 - high), round(x1 + wide), round(y1 + high))
    return np.rint(picture.region(box.clipped(picture.size_wh))).astype(np.uint8)


def _best_face(found: Scan, person: Track) -> Face:
    faces = found.tracks.faces_at(person.best_index)
    return next(face for face in faces if face.track_id == person.id)


def _five(found: Scan, person: Track) -> list[list[float]]:
    return np.round(five_points(_best_face(found, person).landmarks_xyz), 1).tolist()


# Plan


@dataclass(frozen=True)
class JobPlan:
    """Who gets whose face, in plain values: the number of the pair by track."""

    pair_by_track: dict[int, int]
    warnings: tuple[str, ...]


def plan_job(pairs: Sequence[Pair], found: Scan, parts: Parts, name: str) -> JobPlan:
    """Raises the errors of the photos, NoTargetFaceError, NoSuchPersonError, BadOptionError."""
    references = read_references((pair.who for pair in pairs), parts)
    sources, warnings = enrol_pairs(pairs, parts)
    plan = make_plan(tuple(pairs), sources, found.tracks, name, references)
    warnings += [text for text in (hard_warning(found, plan),) if text]
    number_by_source = {id(source): number for number, source in enumerate(sources)}
    return JobPlan(
        {track: number_by_source[id(source)] for track, source in plan.source_by_track.items()},
        tuple(warnings),
    )


def check_single_person(found: Scan) -> None:
    """Raises SeveralPeopleError where several people are clearly seen."""
    clear = [
        person
        for person in found.people
        if person.face_count >= CLEAR_SHARE * found.tracks.frame_count
        and person.usable_share >= CLEAR_USABLE
    ]
    if len(clear) > 1:
        raise SeveralPeopleError(len(clear))


def plan_parts(
    path: Path, trim: Trim, encode: EncodeOptions, chunk_s: float
) -> list[dict[str, Any] | None]:
    """The parts to render, as plain values; [None] where there is one picture and nothing to join.

    ``chunk_s`` is the longest a part gets, but for where keyframes are; a short film is cut finer,
    so that several workers have something to do.
    """
    target = open_target(path, trim)
    if isinstance(target, ImageTarget):
        return [None]
    seconds = target.frame_count / target.info.frame_rate if target.frame_count else 0
    chunk_s = min(chunk_s, max(LEAST_CHUNK_S, float(seconds) / LEAST_CHUNKS))
    chunks = plan_chunks(
        path, chunk_s, start_s=trim.start_s, end_s=trim.end_s, max_fps=encode.max_fps
    )
    return [asdict(chunk) for chunk in chunks]


# Render


@dataclass(frozen=True)
class Rendition:
    """All that decides how the frames of a job's result look; the same for every part."""

    target: Path
    tracks: Path
    pairs: tuple[Pair, ...]
    pair_by_track: dict[int, int]
    trim: Trim
    encode: EncodeOptions


def render_part(
    job: Rendition, chunk: dict[str, Any] | None, parts: Parts, watch: Watch, out_path: Path
) -> list[str]:
    """Render one part, or the whole picture for None. Returns warnings.

    Raises CancelledError, the errors of reading and writing, TracksDamagedError.
    """
    found = load_scan(job.tracks)
    sources, _ = enrol_pairs(job.pairs, parts)
    plan = SwapPlan({track: sources[k] for track, k in job.pair_by_track.items()})
    work = _Part(job, found, plan, parts, watch)
    target = open_target(job.target, job.trim)
    if isinstance(target, ImageTarget) or chunk is None:
        return work.write_still(target, out_path)
    return work.write_chunk(target, Chunk(**chunk), out_path)


@dataclass(frozen=True, eq=False)
class _Part:
    job: Rendition
    found: Scan
    plan: SwapPlan
    parts: Parts
    watch: Watch

    def write_still(self, target: VideoTarget | ImageTarget, out_path: Path) -> list[str]:
        if not isinstance(target, ImageTarget):
            raise ValueError("a film is rendered in chunks")
        for frame in self._swapped([target.frame], 1):
            write_image(out_path, frame.picture, target.info)
        return []

    def write_chunk(self, target: VideoTarget, chunk: Chunk, out_path: Path) -> list[str]:
        """One part of a film, with the fewer frames a second that are asked for."""
        try:
            return self._write_chunk(target, chunk, out_path)
        except UnreadableMediaError as fault:
            out_path.write_bytes(b"")  # this much of a damaged film is lost, the rest is not
            return [f"{chunk.frame_count} frames are missing: {fault.reason}"]

    def _write_chunk(self, target: VideoTarget, chunk: Chunk, out_path: Path) -> list[str]:
        times = self.found.times[chunk.first_index : chunk.first_index + chunk.frame_count]
        ends = ends_of_kept(times, self.job.encode.max_fps)
        options = options_for(out_path, self.job.encode)
        with (
            open_chunk_reader(target.info.path, chunk) as reader,
            closing(prefetch(reader.frames())) as ahead,
            open_chunk_writer(out_path, target.info, options, self._first(target)) as writer,
        ):
            wanted = (f for f in ahead if f.index - chunk.first_index in ends)
            for frame in self._swapped(wanted, len(ends)):
                writer.write(frame, ends[frame.index - chunk.first_index])
        damage = reader.damage.reason
        return [*writer.warnings, *([damage] if damage else [])]

    def _first(self, target: VideoTarget) -> Frame:
        with target.reader() as reader:
            return next(reader.frames())

    def _swapped(self, frames: Iterator[Frame] | Sequence[Frame], count: int) -> Iterator[Frame]:
        tracks: Tracks = self.found.tracks
        done = render(frames, tracks, self.plan, self.parts.swapper)
        for number, frame in enumerate(done, start=1):
            yield frame
            self.watch.step("render", number, count)


# Join


def join_parts(job: Rendition, parts: Sequence[Path], out_path: Path, watch: Watch) -> list[str]:
    """The finished file of its parts. Returns warnings.

    Raises CancelledError, UnreadableMediaError, OutputError and what ``open_writer`` raises.
    """
    whole = [part for part in parts if part.stat().st_size]
    if not whole:
        raise UnreadableMediaError("the target", "no frame of its video decodes")
    count = 0

    def on_packet() -> None:
        nonlocal count
        count += 1
        watch.step("join", count, None)

    return join_chunks(
        whole,
        probe(job.target),
        out_path,
        start_s=job.trim.start_s,
        end_s=job.trim.end_s,
        on_packet=on_packet,
    )


def describe_result(path: Path) -> dict[str, Any]:
    """A finished file in plain values."""
    facts: dict[str, Any] = {
        "size": path.stat().st_size,
        "sha256": _sha256(path),
        "content_type": TYPES[path.suffix],
    }
    target = open_target(path, Trim())
    if isinstance(target, ImageTarget):
        width, height = target.frame.picture.size_wh
        return facts | {"width": width, "height": height}
    info = target.info
    return facts | {
        "width": info.size_wh[0],
        "height": info.size_wh[1],
        "duration_s": None if info.duration is None else round(float(info.duration), 3),
        "frames": info.frame_count,
        "fps": round(float(info.frame_rate), 3),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
