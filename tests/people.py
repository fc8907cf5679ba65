"""Synthetic people (openpeople, MIT) as pixels, and small films in which they move."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from lendface.engine.types import Pixels

PEOPLE = ("P003", "P005", "P010")  # they differ clearly
SIDE_PX = 480
SHARED_MEDIA = Path(__file__).resolve().parents[2] / "shared" / "media"


@cache
def read_person(person: str, photo: str = "studio_portrait", side_px: int = SIDE_PX) -> Pixels:
    """A square portrait, (side, side, 3) RGB; nobody may write to it."""
    path = files("openpeople") / "data" / "curated" / person / "assets" / f"{photo}.jpg"
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(bgr, (side_px, side_px), interpolation=cv2.INTER_AREA)
    pixels = np.ascontiguousarray(small[..., ::-1])
    pixels.setflags(write=False)
    return pixels


def write_photo(path: Path, pixels: Pixels) -> Path:
    done, data = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]))
    assert done
    path.write_bytes(data.tobytes())
    return path


def swaying(pixels: Pixels, count: int, reach_px: float = 8, turn_deg: float = 4) -> list[Pixels]:
    """``count`` frames in which the whole picture sways, tilts and comes a little nearer."""
    height, width = pixels.shape[:2]
    frames = []
    for index in range(count):
        phase = 2 * np.pi * index / 25
        turn = cv2.getRotationMatrix2D(
            (width / 2, height / 2), turn_deg * np.sin(phase), 1 + 0.04 * np.sin(phase / 2)
        )
        turn[0, 2] += reach_px * np.sin(phase)
        frames.append(cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT))
    return frames


def beside(*films: Sequence[Pixels]) -> list[Pixels]:
    """Several films in one picture, from left to right."""
    return [np.hstack(pixels) for pixels in zip(*films, strict=True)]


def write_film(
    path: Path,
    frames: Sequence[Pixels],
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12_800),
    rotation: int = 0,
    with_tone: bool = False,
    pix_fmt: str = "yuv420p",
) -> Path:
    """Frames as a lossless H.264 film, 25 a second unless ``pts`` says otherwise."""
    times = list(pts) if pts is not None else [512 * index for index in range(len(frames))]
    scale = {"video_track_timescale": str(time_base.denominator)}
    options = scale if path.suffix in (".mp4", ".mov") else {}
    encoder = "libx264rgb" if pix_fmt == "rgb24" else "libx264"
    with av.open(str(path), "w", container_options=options) as target:
        video: Any = target.add_stream(encoder, rate=25)
        video.options = {"preset": "ultrafast", "qp": "0"}
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.time_base = pix_fmt, time_base
        video.codec_context.time_base, video.codec_context.gop_size = time_base, 12
        if rotation:
            video.set_display_rotation(rotation)
        audio = add_tone(target) if with_tone else None
        for pixels, when in zip(frames, times, strict=True):
            frame: Any = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = when, time_base
            target.mux(video.encode(frame))
        target.mux(video.encode(None))
        if audio is not None:
            write_tone(target, audio, times[-1] * time_base + Fraction(1, 25))
    return path


def write_sound(path: Path, seconds: int = 1) -> Path:
    """A file without any picture."""
    with av.open(str(path), "w") as target:
        write_tone(target, add_tone(target), Fraction(seconds))
    return path


def add_tone(target: Any) -> Any:
    audio = target.add_stream("aac", rate=44_100)
    audio.codec_context.layout = "mono"
    return audio


def write_tone(target: Any, audio: Any, seconds: Fraction) -> None:
    wave = np.float32(0.2 * np.sin(np.arange(int(seconds * 44_100)) * 2 * np.pi * 440 / 44_100))
    for start in range(0, len(wave) - 1023, 1024):
        frame: Any = av.AudioFrame.from_ndarray(
            wave[None, start : start + 1024], format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = 44_100, start, Fraction(1, 44_100)
        target.mux(audio.encode(frame))
    target.mux(audio.encode(None))
