"""``python -m benchmarks.engine CLIP [FRAMES]``: what the engine costs, on one thread, as JSON.

Decoding and encoding are left out: the frames are decoded before. Milliseconds of processor time
a frame of a clip with one face: the scan, the render (swap, paste and blend), and of it what it
takes to bring a finished patch into the frame that goes to the encoder. *prepare* is once a film.
All is done twice and the second time counts: the first loads what is compiled or read when it is
needed, and takes the memory that a film goes on using.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import cv2

from lendface.app import build
from lendface.engine.enrol import Photo
from lendface.engine.memory import keep_freed_memory
from lendface.engine.mesh.texture import build_texture
from lendface.engine.types import Frame, SourceFace
from lendface.media import open_video, read_image
from lendface.pipeline.parts import Parts

from .clips import SOURCES, get_photo

FRAMES = 90


class Cpu:
    """Adds up the processor time of the process."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    @contextmanager
    def counting(self) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent_s += time.process_time() - began


def measure_engine(path: Path, count: int) -> dict[str, float]:
    cv2.setNumThreads(1)
    keep_freed_memory()  # as a swap does
    parts = build()
    source = enrolled(parts)[0]
    measure(decoded(path, count), parts, source)
    return measure(decoded(path, count), parts, source)


def decoded(path: Path, count: int) -> list[Frame]:
    """Anew each time: a picture keeps what was made of it."""
    with open_video(path) as reader:
        return list(islice(reader.frames(), count))


def enrolled(parts: Parts) -> list[SourceFace]:
    photos = [get_photo(who) for who in SOURCES]
    return [parts.enroller.enrol([Photo(path.name, read_image(path)[0])]).source for path in photos]


def measure(frames: list[Frame], parts: Parts, source: SourceFace) -> dict[str, float]:
    scan, prepare, swap, paste = Cpu(), Cpu(), Cpu(), Cpu()
    with scan.counting():
        tracks = parts.scanner.scan(frames)
    person, swapper = tracks.people[0], parts.swapper
    build_texture.cache_clear()  # as for a film of its own
    with prepare.counting():
        look = swapper.prepare(source, person)
    count = len(frames)
    frames.reverse()
    # Each is let go when it is done, as by the encoder, and the next copy takes its place.
    while frames:
        frame = frames.pop()
        picture: Any = frame.picture
        with swap.counting():
            faces = tracks.faces_at(frame.index)
            patches = [patch for face in faces if (patch := swapper.swap(picture, face, look))]
        with paste.counting():
            picture.pasted(patches).to_video_frame()
    a_frame = 1000 / count
    return {
        "face_px": round(person.size_px),
        "scan_ms": round(scan.spent_s * a_frame, 2),
        "render_ms": round((swap.spent_s + paste.spent_s) * a_frame, 2),
        "paste_ms": round(paste.spent_s * a_frame, 2),
        "engine_ms": round((scan.spent_s + swap.spent_s + paste.spent_s) * a_frame, 2),
        "prepare_ms": round(prepare.spent_s * 1000, 1),
    }


if __name__ == "__main__":
    wanted = int(sys.argv[2]) if len(sys.argv) > 2 else FRAMES
    print(json.dumps(measure_engine(Path(sys.argv[1]), wanted)))
