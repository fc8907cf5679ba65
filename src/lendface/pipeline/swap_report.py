"""A page about a finished swap: for each person what was swapped, and the worst seconds."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.mesh.shape import pose_of
from ..engine.mesh.topology import Topology
from ..engine.scan import SMALL_PX, TURNED_DEG, UNSURE
from ..engine.types import Face, Floats, Pixels
from ..errors import OutputError, OutputExistsError
from ..media.failures import writing
from ..media.images import encode_image
from ..media.output import atomic_output, check_writable
from ..media.thinning import kept_frames
from .beards import STAYS, gone_shares, left_of
from .report_page import page
from .scans import Scan
from .sheets import close_up, fitted, rgb_of
from .swaps import PersonReport, SwapReport, SwapRequest
from .targets import Target, Trim, VideoTarget, open_target

PAGE_ENDINGS = (".html", ".htm")
ODD = "backslashreplace"  # names need not be UTF-8; it is also how JSON writes their bytes
WORST_SECONDS = 6
THUMBNAIL_PX = 200
MOST_BARS = 400
FULLY = 0.99  # strength, as the counts of PersonReport have it


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What the scan knew of one face of one frame."""

    index: int  # of the frame
    time_s: float
    strength: float  # 0..1
    height_px: float
    turn_deg: float  # to the side, either way
    score: float  # 0..1, that it is a face
    has_hands: bool  # near it
    box_xyxy: Floats  # (4,)
    beard_left: float = 0.0  # 0..1: of a beard that should go, see ``beards.left_of``

    @property
    def ease(self) -> tuple[float, float]:
        """Sorts faces: the least swapped first, among equals the hardest."""
        margins = (
            self.height_px / (4 * SMALL_PX[1]),
            1 - self.turn_deg / 90,
            self.score,
            0.5 if self.has_hands else 1,
            1 - 0.8 * self.beard_left,
        )
        return self.strength, min(margins)


@dataclass(frozen=True, slots=True, eq=False)
class Second:
    """One second of one person, and the frame of it that went worst."""

    start_s: int
    strength: float  # 0..1, the mean over its frames
    worst: Seen


@dataclass(frozen=True, eq=False)
class PersonStory:
    """One person whose face was replaced."""

    counts: PersonReport
    seconds: tuple[Second, ...]  # in order of time; those without the person are missing
    bars: tuple[float | None, ...]  # the least strength in even parts of the film; None: not seen

    @property
    def shares(self) -> dict[str, float]:
        """Of the frames that show the person: swapped, faded, left; they add up to 1."""
        counts = self.counts
        total = max(counts.swapped + counts.faded + counts.left, 1)
        return {
            "swapped": counts.swapped / total,
            "faded": counts.faded / total,
            "left": counts.left / total,
        }

    @property
    def worst(self) -> list[Second]:
        """The seconds that went worst, the worst first."""
        return sorted(self.seconds, key=lambda s: (s.strength, s.worst.ease))[:WORST_SECONDS]


def check_report(path: Path, may_overwrite: bool) -> None:
    """Whether a report can be written there, asked before the work and not after it.

    Raises OutputFolderMissingError, OutputExistsError and OutputError.
    """
    if is_page(path):
        check_writable(path)
        if path.exists() and not may_overwrite:
            raise OutputExistsError(path.name)
        return
    if path.exists() and not path.is_dir():
        raise OutputError(f"{path.name} is a file; a report is a folder, or a name ending in .html")
    if not path.exists():
        check_writable(path)
    elif any(path.iterdir()) and not may_overwrite:
        raise OutputExistsError(path.name)


def write_report(path: Path, request: SwapRequest, report: SwapReport, topology: Topology) -> None:
    """Write one page with its pictures inside (.html), or a folder: index.html, report.json, jpg.

    Target and output are read once more, up to the last picture that is shown. Raises OutputError
    and its like, and the errors of reading.
    """
    stories = tell_stories(report, topology, size_of(request))
    pictures = thumbnails(request, report, [s.worst for p in stories for s in p.worst])
    facts = describe(request, report, stories)
    if is_page(path):
        with atomic_output(path) as part, writing():
            part.write_text(page(facts, embedded(pictures)), "utf-8", ODD)
        return
    with writing():
        path.mkdir(exist_ok=True)
        for name, jpeg in pictures.items():
            (path / name).write_bytes(jpeg)
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        (path / "report.json").write_text(text, "utf-8", ODD)
    with atomic_output(path / "index.html") as part, writing():
        part.write_text(page(facts, {name: name for name in pictures}), "utf-8", ODD)


def is_page(path: Path) -> bool:
    return path.suffix.lower() in PAGE_ENDINGS


def size_of(request: SwapRequest) -> tuple[int, int]:
    """Width and height of the target, pixels."""
    opened = open_target(request.target, request.trim)
    return opened.info.size_wh if isinstance(opened, VideoTarget) else opened.size_wh


def tell_stories(
    report: SwapReport, topology: Topology, size_wh: tuple[int, int]
) -> list[PersonStory]:
    """What happened to each planned person, second by second; ``size_wh`` is the target's."""
    seen = all_seen(report.scan, {p.face for p in report.people}, topology)
    gone = gone_shares(report.plan, report.scan.people, topology)
    for number, share in gone.items():
        seen[number] = list(
            with_beards(seen[number], report.scan, number, share, topology, size_wh)
        )
    return [
        PersonStory(p, seconds_of(seen[p.face]), bars_of(seen[p.face], report.frames))
        for p in report.people
    ]


def all_seen(scan: Scan, numbers: set[int], topology: Topology) -> Mapping[int, list[Seen]]:
    """Every face of some people, by person and in order of time."""
    seen: dict[int, list[Seen]] = defaultdict(list)
    for index in sorted(scan.tracks.places):
        if not any(place.track_id in numbers for place in scan.tracks.places[index]):
            continue
        for face in scan.tracks.faces_at(index):
            if face.track_id in numbers:
                time_s = float(scan.times[index] - scan.times[0])
                seen[face.track_id].append(look_at(face, index, time_s, topology))
    return seen


def look_at(face: Face, index: int, time_s: float, topology: Topology) -> Seen:
    yaw, _, _ = pose_of(topology, face.landmarks_xyz).yaw_pitch_roll_deg
    return Seen(
        index=index,
        time_s=time_s,
        strength=face.strength,
        height_px=float(face.box_xyxy[3] - face.box_xyxy[1]),
        turn_deg=abs(yaw),
        score=face.score,
        has_hands=bool(face.hands),
        box_xyxy=face.box_xyxy,
    )


def with_beards(
    seen: Iterable[Seen],
    scan: Scan,
    number: int,
    gone: float,
    topology: Topology,
    size_wh: tuple[int, int],
) -> Iterator[Seen]:
    """All of one person, with what stays of a beard; ``gone`` is that of ``gone_shares``."""
    person = scan.tracks.get_person(number)
    for one in seen:
        face = next(f for f in scan.tracks.faces_at(one.index) if f.track_id == number)
        yield replace(one, beard_left=left_of(person, gone, face, topology, size_wh))


def seconds_of(seen: Sequence[Seen]) -> tuple[Second, ...]:
    by_second: dict[int, list[Seen]] = defaultdict(list)
    for one in seen:
        by_second[int(one.time_s)].append(one)
    return tuple(
        Second(start, float(np.mean([one.strength for one in own])), min(own, key=lambda s: s.ease))
        for start, own in sorted(by_second.items())
    )


def bars_of(seen: Iterable[Seen], frames: int) -> tuple[float | None, ...]:
    """The least strength in each part of a film that is cut into at most ``MOST_BARS``."""
    bars: list[float | None] = [None] * min(frames, MOST_BARS)
    for one in seen:
        part = one.index * len(bars) // frames
        least = bars[part]
        bars[part] = one.strength if least is None else min(least, one.strength)
    return tuple(bars)


def reasons(seen: Seen) -> list[str]:
    """Why a face was not fully swapped, and what else makes it hard.

    >>> face = Seen(0, 0.0, 0.0, 26.0, 62.0, 0.95, True, np.zeros(4, np.float32))
    >>> reasons(face)
    ['26 px high', 'turned by 62 degrees', 'a hand near it']
    """
    told = []
    if seen.height_px < SMALL_PX[1]:
        told.append(f"{seen.height_px:.0f} px high")
    if seen.turn_deg > TURNED_DEG[0]:
        told.append(f"turned by {seen.turn_deg:.0f} degrees")
    if seen.score < UNSURE[1]:
        told.append("hardly to be seen as a face")
    if not told and seen.strength < FULLY:
        told.append("beside such frames, to which it fades")
    if seen.beard_left > STAYS and seen.strength > 0:
        told.append("the beard beyond the face stays")
    return [*told, *(["a hand near it"] if seen.has_hands else [])]


# What is shown


def thumbnails(request: SwapRequest, report: SwapReport, seen: Iterable[Seen]) -> dict[str, bytes]:
    """Two JPEGs for each face, by file name: the target's own and the output's."""
    boxes: dict[int, list[Floats]] = defaultdict(list)
    for one in seen:
        boxes[one.index].append(one.box_xyxy)
    kept = np.flatnonzero(kept_frames(report.scan.times, request.encode.max_fps)).tolist()
    place = {index: position for position, index in enumerate(kept)}
    target = open_target(request.target, request.trim).as_target()
    output = open_target(report.output, Trim()).as_target()
    found = faces_in(target, {index: (index, own) for index, own in boxes.items()}, "target")
    width = next(iter(found.values()))[1] if found else 1
    moved = {place[index]: (index, own) for index, own in boxes.items() if index in place}
    found |= faces_in(output, moved, "output", width)
    return {name: encode_image(picture) for name, (picture, _) in found.items()}


def faces_in(
    film: Target,
    wanted: Mapping[int, tuple[int, Sequence[Floats]]],
    which: str,
    width_of_boxes: int | None = None,
) -> dict[str, tuple[Pixels, int]]:
    """Tiles of faces by file name, each with the width of the picture that it is from.

    ``wanted``: by the film's own frame, the target's frame and boxes (4,) in a picture of
    ``width_of_boxes`` (None: of the film's own). No more than one frame is held.
    """
    found: dict[str, tuple[Pixels, int]] = {}
    if not wanted:
        return found
    with film.open() as frames:
        for position, frame in enumerate(frames):
            if position in wanted:
                index, boxes = wanted[position]
                pixels = rgb_of(frame.picture)
                scale = pixels.shape[1] / (width_of_boxes or pixels.shape[1])
                for box in boxes:
                    tile = fitted(close_up(pixels, box * scale), THUMBNAIL_PX)
                    found[thumbnail_name(index, box, which)] = tile, pixels.shape[1]
            if position >= max(wanted):
                break
    return found


def thumbnail_name(index: int, box_xyxy: Floats, which: str) -> str:
    """One for each face: two faces of a frame begin at different pixels."""
    x, y = (round(float(v)) for v in box_xyxy[:2])
    return f"frame_{index:06d}_at_{x}_{y}_{which}.jpg"


def embedded(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """An address for each picture that holds the picture itself."""
    return {
        name: "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        for name, jpeg in pictures.items()
    }


def describe(
    request: SwapRequest, report: SwapReport, stories: Sequence[PersonStory]
) -> dict[str, Any]:
    """All of the report as plain values; times count from the first frame that was swapped."""
    times = report.scan.times
    return {
        "target": request.target.name,
        "sources": [photo.name for pair in request.pairs for photo in pair.photos],
        "output": report.output.name,
        "frames": report.frames,
        "seconds": round(float(times[-1] - times[0]), 3) if times else 0.0,
        "cast_size": report.cast_size,
        "warnings": list(report.warnings),
        "people": [describe_story(story) for story in stories],
    }


def describe_story(story: PersonStory) -> dict[str, Any]:
    counts = story.counts
    return {
        "face": counts.face,
        "frames": counts.swapped + counts.faded + counts.left,
        "shares": {kind: round(share, 4) for kind, share in story.shares.items()},
        "strength_over_time": [None if bar is None else round(bar, 3) for bar in story.bars],
        "worst_seconds": [describe_second(second) for second in story.worst],
    }


def describe_second(second: Second) -> dict[str, Any]:
    worst = second.worst
    return {
        "second": second.start_s,
        "strength": round(second.strength, 3),
        "frame": worst.index,
        "time_s": round(worst.time_s, 3),
        "frame_strength": round(worst.strength, 3),
        "face_height_px": round(worst.height_px, 1),
        "turned_deg": round(worst.turn_deg, 1),
        "score": round(worst.score, 3),
        "reasons": reasons(worst),
        "pictures": [thumbnail_name(worst.index, worst.box_xyxy, w) for w in ("target", "output")],
    }
