"""The steps of a job, each from files to files, so that they can be done on different machines.

``limits.check_target`` first, then ``scan_file_to``, ``plan_job``, ``render_part`` for each part
in any order, and ``join_parts``. What one step leaves for another is a file or plain values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..engine.geometry import five_points
from ..engine.label import Label
from ..engine.plan import SwapPlan
from ..engine.style import Style
from ..engine.types import Box, Face, Picture, Pixels, SourceFace, Track
from ..errors import (
    OutputFormatError,
    SeveralPeopleError,
    TargetChangedError,
    UnreadableMediaError,
)
from ..media import (
    Chunk,
    EncodeOptions,
    MediaInfo,
    encode_image,
    join_chunks,
    list_packets,
    options_for,
    prefetch,
    probe,
)
from ..media.failures import writing
from .beards import beard_warnings
from .both_eyes import with_both_eyes
from .cutting import cut_target, is_written_at_once
from .guarding import LetPass, Onlooker
from .parts import Parts, Watch
from .rendering import Rendering
from .scans import Scan, describe_person, scan_target
from .swaps import Pair, enrol_pairs, make_plan, read_references, told_choices
from .targets import ImageTarget, Target, Trim, VideoTarget, open_target
from .trackfile import load_scan, write_scan
from .warming import compile_once

SCAN_VERSION = 10  # raised when the same film would be scanned or kept otherwise
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
    ".gif": "image/gif",
    ".apng": "image/apng",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
}


# Scan


def scan_file_to(
    path: Path,
    trim: Trim,
    parts: Parts,
    watch: Watch,
    tracks_path: Path,
    onlooker: Onlooker = LetPass(),  # noqa: B008
) -> dict[str, Any]:
    """Scan a file, leave its tracks in another, which may be there, and tell the cast as plain
    values.

    ``onlooker`` is shown every frame. ``warnings`` say what of the file did not decode. Raises
    CancelledError, the errors of reading, DiskFullError.
    """
    opened, damage = open_target(path, trim), None
    if isinstance(opened, VideoTarget):
        with opened.reader() as reader, closing(prefetch(reader.frames())) as ahead:
            target = Target(path.name, lambda: nullcontext(ahead), opened.frame_count)
            found = _scan(target, parts, watch, onlooker)
        damage = reader.damage.reason
    else:
        found = _scan(opened.as_target(), parts, watch, onlooker)
    with writing(), tracks_path.open("wb") as file:
        write_scan(found, file)
    return {
        "frames": found.tracks.frame_count,
        "warnings": [damage] if damage else [],
        "people": [
            describe_person(found, person) | {"landmarks_xy": _five(found, person)}
            for person in found.people
        ],
    }


def _scan(target: Target, parts: Parts, watch: Watch, onlooker: Onlooker) -> Scan:
    onlooker.open_target(target)
    return scan_target(target, parts, watch, onlooker.see)


@dataclass(frozen=True, eq=False)
class PersonPictures:
    """How one person of the cast looks, at their best: small for a list, whole to be a source."""

    face: int
    thumbnail: bytes  # JPEG
    portrait: bytes  # PNG


def read_pictures(path: Path, trim: Trim, found: Scan) -> Iterator[PersonPictures]:
    """For each person once, in the order in which they are at their best.

    The target is opened once, and a film is read only around those frames. Nobody comes twice;
    somebody whose frame a damaged film does not give again does not come at all.
    Raises the errors of reading.
    """
    people = sorted(found.people, key=lambda person: person.best_index)
    opened = open_target(path, trim)
    if isinstance(opened, ImageTarget):
        for person in people:
            yield _pictures(opened.frame.picture, person, _best_face(found, person))
        return
    with opened.reader() as reader:
        frame = None
        for person in people:
            reader.start_s = found.times[person.best_index]
            if frame is None or frame.time != reader.start_s:
                frame = next(iter(reader.frames()), None)
            if frame is not None and frame.time == reader.start_s:
                yield _pictures(frame.picture, person, _best_face(found, person))


def _pictures(picture: Picture, person: Track, face: Face) -> PersonPictures:
    small = _around(picture, face, THUMBNAIL_MARGIN)
    side = max(small.shape[:2])
    if side > THUMBNAIL_PX:
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
    sources: tuple[SourceFace, ...] = ()  # by the number of the pair; not a plain value

    @property
    def swap_plan(self) -> SwapPlan:
        return SwapPlan({track: self.sources[pair] for track, pair in self.pair_by_track.items()})


def plan_job(
    pairs: Sequence[Pair], found: Scan, parts: Parts, name: str, info: MediaInfo | None = None
) -> JobPlan:
    """``info`` is of the target where that is a film.

    Raises the errors of the photos, NoTargetFaceError, NoSuchPersonError, BadOptionError.
    """
    references = read_references((pair.who for pair in pairs), parts)
    sources, warnings = enrol_pairs(pairs, parts)
    plan = make_plan(tuple(pairs), sources, found.tracks, name, references)
    warnings += told_choices(pairs, found, plan, references, name)
    size_wh = None if info is None else info.size_wh
    warnings += beard_warnings(found, plan, parts.scanner.topology, size_wh)
    plan, told = with_both_eyes(plan, found.tracks, info)
    warnings += told
    number_by_source = {id(source): number for number, source in enumerate(sources)}
    return JobPlan(
        {track: number_by_source[id(source)] for track, source in plan.source_by_track.items()},
        tuple(warnings),
        tuple(sources),
    )


def check_single_person(found: Scan, name: str = "the target") -> None:
    """Raises SeveralPeopleError where several people are clearly seen."""
    clear = [
        person
        for person in found.people
        if person.face_count >= CLEAR_SHARE * found.tracks.frame_count
        and person.usable_share >= CLEAR_USABLE
    ]
    if len(clear) > 1:
        raise SeveralPeopleError(len(clear), name)


def plan_parts(
    path: Path,
    trim: Trim,
    encode: EncodeOptions,
    chunk_s: float,
    times: Sequence[Fraction] | None = None,
    suffix: str = ".mp4",
) -> list[dict[str, Any] | None]:
    """The parts to render, as plain values; [None] where the result, whose name ends on ``suffix``,
    is written at once: a picture, an animation, or a film with alpha.

    ``chunk_s`` is the longest a part gets, but for where keyframes are; a short film is cut finer,
    so that several workers have something to do. It stays in one part where parts might not fit
    together: with an encoder of this machine's hardware, and where the packets of a damaged film
    are not the frames (``times``) that came out of it. Raises BadOptionError.
    """
    target = open_target(path, trim)
    if isinstance(target, ImageTarget) or is_written_at_once(
        target.info, Path(f"result{suffix}"), encode
    ):
        return [None]
    seconds = target.frame_count / target.info.frame_rate if target.frame_count else 0
    chunk_s = min(chunk_s, max(LEAST_CHUNK_S, float(seconds) / LEAST_CHUNKS))
    return [asdict(chunk) for chunk in cut_target(target, encode, chunk_s, times)]


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
    style: Style = field(default_factory=Style)
    label: Label | None = None  # drawn into every frame


def render_part(
    job: Rendition, chunk: dict[str, Any] | None, parts: Parts, watch: Watch, out_path: Path
) -> list[str]:
    """Render one part, or the whole result for None. Returns warnings.

    A part is an MP4 of the codec that ``job.encode`` names. Raises CancelledError, the errors of
    reading and writing, ScanFileError, and TargetChangedError where the target is not the one
    that was scanned.
    """
    compile_once(watch, here=True)
    found = load_scan(job.tracks)
    sources, _ = enrol_pairs(job.pairs, parts)
    plan = SwapPlan({track: sources[k] for track, k in job.pair_by_track.items()})
    options = job.encode if chunk is None else options_for(out_path, job.encode)
    rendering = Rendering(found, plan, parts.styled(job.style).swapper, options, watch, job.label)
    if chunk is not None:
        return rendering.write_part(job.target, Chunk(**chunk), out_path)
    target = open_target(job.target, job.trim)
    if isinstance(target, VideoTarget):
        check_written_at_once(target, job.encode, out_path)
        return rendering.write_video(target, out_path)
    rendering.write_still(target, out_path)
    return []


def check_written_at_once(target: VideoTarget, encode: EncodeOptions, out_path: Path) -> None:
    """Raises TargetChangedError for a film that would have been planned in parts."""
    try:
        is_planned_so = is_written_at_once(target.info, out_path, encode)
    except OutputFormatError:  # a film where a picture was
        is_planned_so = False
    if not is_planned_so:
        raise TargetChangedError(target.info.path.name)


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
        copies_audio=job.encode.copies_audio,
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
        width, height = target.size_wh
        return facts | {"width": width, "height": height}
    info = target.info
    is_counted = info.is_frame_count_exact
    return facts | {
        "width": info.size_wh[0],
        "height": info.size_wh[1],
        "duration_s": None if info.duration is None else round(float(info.duration), 3),
        "frames": info.frame_count if is_counted else len(list_packets(path)[0]),
        "fps": round(float(info.frame_rate), 3),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
