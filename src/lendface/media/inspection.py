"""Looking at a film from outside, safely, before this process opens it itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av

from ..errors import UnreadableMediaError
from .environment import bare
from .failures import check_readable
from .picture_size import find_animation
from .probe import OPENING, UNKNOWN_FORMAT
from .webp import CUT_OFF, decodes, read_header

PROGRAM = Path(__file__).with_name("inspector.py")
PROTECTIONS = ("limits", "no_new_privileges", "landlock", "seccomp")
LEAST_MEMORY = 768 << 20
MEMORY_PER_PIXEL = 48  # of the largest picture allowed: the frames that a decoder keeps
MOST = 1 << 40  # stands for no limit
MOST_PIXELS = (1 << 31) - 1  # what FFmpeg itself allows
HUGE = "it needs more memory or time than such a file should"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an inspection may stop, because the file is refused anyway; and what it may use."""

    max_streams: int = 1000
    max_pixels: int = MOST_PIXELS
    max_side: int = MOST
    max_frames: int = MOST
    max_seconds: float = MOST
    cpu_s: int = 120
    wall_s: float = 600


@dataclass(frozen=True, slots=True)
class InspectedVideo:
    """One picture stream as it really is, up to the first limit that was passed."""

    size_wh: tuple[int, int]  # the largest that the file claims or a first frame has; coded
    decodes: bool  # whether a frame came out of its beginning; True for a cover
    frame_count: int = 0  # packets
    duration: Fraction | None = None  # seconds, to the end of the last; None: without times
    to_last: Fraction | None = None  # from the first frame to when the last one begins


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is in a film. ``videos`` by the index of the stream."""

    stream_count: int
    videos: Mapping[int, InspectedVideo]
    claimed_s: float = 0  # how long the container says that all of it is; 0 where it does not
    cut_off: str | None = None  # why reading ended early


def inspect_film(path: Path, bounds: Bounds = Bounds()) -> Inspection:
    """Open the file in a small process of its own, decode a frame, and count all of them.

    Nothing of the file is believed: sizes are checked before a frame is decoded, frames and times
    are those of the packets. Raises FileMissingError, EmptyFileError, UnreadableMediaError.
    """
    check_readable(path)
    if find_animation(path) == "webp":
        return inspect_webp(path, bounds)
    answer = ask(question_about(path, bounds), bounds.wall_s)
    fault = answer.get("fault") if answer is not None else "memory"
    if answer is None or fault == "memory":
        raise UnreadableMediaError(path.name, HUGE)
    if fault is not None:
        reason = UNKNOWN_FORMAT if fault == "format" else answer["reason"]
        raise UnreadableMediaError(path.name, reason)
    videos = {int(index): read_video(told) for index, told in answer["videos"].items()}
    claimed_s = max(0, answer.get("claimed_us") or 0) / 1e6
    return Inspection(answer["streams"], videos, claimed_s, answer.get("cut_off"))


def inspect_webp(path: Path, bounds: Bounds) -> Inspection:
    """The same for what FFmpeg does not read: a picture of several frames, looked at as pictures
    are. Its chunks say all sizes and times, and only one that is not too large is decoded."""
    header = read_header(path, bounds.max_frames)
    size_wh, total_ms = header.canvas_wh, sum(header.durations_ms)
    is_small = size_wh[0] * size_wh[1] <= bounds.max_pixels and max(size_wh) <= bounds.max_side
    video = InspectedVideo(
        size_wh,
        is_small and decodes(path),
        len(header.durations_ms),
        Fraction(total_ms, 1000),
        Fraction(total_ms - header.durations_ms[-1], 1000),
    )
    cut_off = None if header.is_whole else CUT_OFF
    return Inspection(1, {0: video}, cut_off=cut_off)


@cache
def protection() -> tuple[str, ...]:
    """Which of ``PROTECTIONS`` stand around a process that opens a file from outside, here.

    Such a process is started to find out.
    """
    answer = ask(question_about(Path(os.devnull), Bounds()), Bounds().wall_s)
    found = answer["protection"] if answer else []
    return tuple(name for name in PROTECTIONS if name in found)


def question_about(path: Path, bounds: Bounds) -> dict[str, Any]:
    return {
        "path": os.path.abspath(path),
        "paths": [str(Path(av.__file__).parents[1])],
        "opening": OPENING,
        "format": find_animation(path),
        "max_streams": bounds.max_streams,
        "max_pixels": bounds.max_pixels,
        "max_side": bounds.max_side,
        "max_frames": bounds.max_frames,
        "max_seconds": bounds.max_seconds,
        "memory_bytes": LEAST_MEMORY + MEMORY_PER_PIXEL * min(bounds.max_pixels, 1 << 26),
        "cpu_s": bounds.cpu_s,
    }


def ask(question: dict[str, Any], wall_s: float) -> dict[str, Any] | None:
    """None where the process was ended before it could answer.

    Raises RuntimeError where it could not even begin: that is no fault of the file.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(PROGRAM), json.dumps(question)],
            env=bare(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=wall_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if done.returncode == 0:
        return json.loads(done.stdout)
    if done.returncode < 0 or b"MemoryError" in done.stderr:
        return None
    raise RuntimeError(f"the inspector does not run: {done.stderr[-300:].decode(errors='replace')}")


def read_video(told: Mapping[str, Any]) -> InspectedVideo:
    width, height = told.get("size_wh", (0, 0))
    if "frames" not in told:
        return InspectedVideo((width, height), told["decodes"])
    first, last, end = told["ticks"]
    base = Fraction(*told["time_base"])
    is_timed = first is not None and not told["untimed"]
    return InspectedVideo(
        (width, height),
        told.get("decodes", False),
        told["frames"],
        (end - first) * base if is_timed else None,
        (last - first) * base if is_timed else None,
    )
