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
FACE_SHARE = 0.30  # of the picture's height: a talking head at a usual distance
PORTRAIT_PER_FACE = 2.55  # how much higher the portrait is than the face in it
FPS = 25


@dataclass(frozen=True)
class Size:
    """A picture size and how many of its frames are worth measuring."""

    name: str
    wh: tuple[int, int]
    frames: int


SIZES = (
    Size("360p", (640, 360), 100),
    Size("720p", (1280, 720), 75),
    Size("1080p", (1920, 1080), 50),
)


def write_clip(path: Path, size: Size, faces: int) -> Path:
    """H.264 as a phone or a web site gives it, crf 20, with 0 to 2 people."""
    stage = Stage(size, faces)
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream("libx264", rate=FPS, options={"crf": "20"})
        video.width, video.height = size.wh
        video.pix_fmt = "yuv420p"
        video.codec_context.color_range, video.codec_context.colorspace = 1, 1
        for index in range(size.frames):
            frame: Any = av.VideoFrame.from_ndarray(stage.frame(index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
    return path


class Stage:
    """Draws one frame after the other."""

    def __init__(self, size: Size, faces: int) -> None:
        self._wh = size.wh
        width, height = size.wh
        self._side = round(FACE_SHARE * PORTRAIT_PER_FACE * height)
        self._people = [portrait(who, self._side) for who in PEOPLE[:faces]]
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
