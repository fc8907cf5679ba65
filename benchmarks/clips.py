"""Films to measure with: people who do not exist sway before a moving background."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from lendface.demo.people import get_photo
from lendface.engine.types import Pixels
from lendface.media import read_image

PEOPLE = ("P005", "P007")  # targets, from left to right
SOURCES = ("P003", "P010")
FACE_SHARE = 400 / 1080  # of the picture's height, from brow to chin: a talking head, near
PORTRAIT_PER_FACE = 2.55  # how much higher the portrait is than the face in it
FPS = 30
SIZES = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080)}


@dataclass(frozen=True)
class Clip:
    """What a film to measure with shows."""

    size: str  # one of SIZES
    faces: int  # 0 to 2
    frames: int
    face_share: float = FACE_SHARE

    @property
    def wh(self) -> tuple[int, int]:
        return SIZES[self.size]

    @property
    def name(self) -> str:
        return f"{self.size}_{self.faces}x{round(self.face_share * self.wh[1])}px_{self.frames}.mp4"


def get_clip(folder: Path, clip: Clip) -> Path:
    """The film, made where it is not in ``folder`` yet."""
    path = folder / clip.name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        half = path.with_suffix(".part.mp4")
        write_clip(half, clip)
        half.replace(path)
    return path


def write_clip(path: Path, clip: Clip) -> None:
    """H.264 as a phone or a web site gives it, crf 20, with 0 to 2 people."""
    stage = Stage(clip)
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream("libx264", rate=FPS, options={"crf": "20"})
        video.width, video.height = clip.wh
        video.pix_fmt = "yuv420p"
        video.codec_context.color_range, video.codec_context.colorspace = 1, 1
        for index in range(clip.frames):
            frame: Any = av.VideoFrame.from_ndarray(stage.frame(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))


def get_loop(folder: Path, path: Path, times: int) -> Path:
    """A film that is shown ``times`` times in a row, packets copied."""
    looped = folder / f"{path.stem}_x{times}.mp4"
    if looped.exists():
        return looped
    half = looped.with_suffix(".part.mp4")
    with av.open(str(half), "w") as target:
        copy: Any = None
        shift = 0
        for _ in range(times):
            with av.open(str(path)) as source:
                stream = source.streams.video[0]
                copy = copy or target.add_stream_from_template(stream)
                for packet in source.demux(stream):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = copy
                    target.mux(packet)
                shift += stream.duration or 0
    half.replace(looped)
    return looped


class Stage:
    """Draws one frame after the other."""

    def __init__(self, clip: Clip) -> None:
        self._wh = clip.wh
        width, height = clip.wh
        self._side = round(clip.face_share * PORTRAIT_PER_FACE * height)
        self._people = [portrait(who, self._side) for who in PEOPLE[: clip.faces]]
        random = np.random.default_rng(0)
        coarse = random.integers(30, 190, (24, 60, 3), dtype=np.uint8)
        self._behind = cv2.resize(coarse, (width + 2 * FPS, height), interpolation=cv2.INTER_CUBIC)
        self._grain = random.normal(0, 3, (height, width, 1)).astype(np.float32)
        ys, xs = np.mgrid[-1 : 1 : self._side * 1j, -1 : 1 : self._side * 1j]
        edge = np.clip((1 - np.maximum(np.abs(xs), np.abs(ys))) / 0.15, 0, 1)
        self._soft = edge[..., None].astype(np.float32)

    def frame(self, index: int) -> Pixels:
        phase = 2 * np.pi * index / FPS
        left = round(FPS * (1 + np.sin(phase / 3)))
        pixels = self._behind[:, left : left + self._wh[0]].astype(np.float32)
        for number, person in enumerate(self._people):
            self._add(pixels, person, number, phase + number)
        rolled = np.roll(self._grain, (7 * index, 13 * index), (0, 1))
        return np.uint8(np.clip(pixels + rolled, 0, 255))

    def _add(self, pixels: Any, person: Pixels, number: int, phase: float) -> None:
        side, (width, height) = self._side, self._wh
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), 6 * np.sin(phase), 1.0)
        turned = cv2.warpAffine(person, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
        middle = width * (number + 1) / (len(self._people) + 1) + 0.03 * width * np.sin(phase / 2)
        x, y = round(middle - side / 2), round((height - side) / 2)
        part = pixels[y : y + side, x : x + side]
        part += self._soft * (turned - part)


def portrait(who: str, side_px: int) -> Pixels:
    """A square portrait of somebody of openpeople."""
    picture, _ = read_image(get_photo(who))
    return cv2.resize(picture.pixels, (side_px, side_px), interpolation=cv2.INTER_AREA)
