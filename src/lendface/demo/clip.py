"""The demo's target clip as a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from lendface.engine.enrol import Enroller, Photo
from lendface.engine.types import Box, Floats, Frame
from lendface.media import read_image
from lendface.media.failures import writing
from lendface.media.output import atomic_output
from lendface.models import load_kit, load_topology

from .animate import Truth, animate
from .people import demo_target_photo
from .script import LONGEST_OPENING_CM, TIME_BASE, Script, frame_ticks, moves_at

AUDIO_RATE = 48_000
AUDIO_BLOCK = 1024
TONE_HZ = (196.0, 392.0, 588.0)  # a tone with two overtones ...
TONE_PARTS = (0.6, 0.25, 0.15)
LOUDNESS = (0.015, 0.35)  # ... as loud as the mouth is open
BT709, LIMITED = 1, 1  # ITU-T H.273
# Phones, too, record without B-frames.
VIDEO_OPTIONS = {"preset": "veryfast", "crf": "16", "g": "60", "bf": "0"}


def write_demo_clip(
    path: Path,
    enroller: Enroller | None = None,
    script: Script | None = None,
    on_frame: Callable[[int, int], None] = lambda done, total: None,
) -> list[Truth]:
    """Write the clip, H.264 and AAC in MP4, and say what each of its frames shows.

    ``on_frame`` is called with how many of how many frames are done; what it raises stops the
    work and leaves no file. Raises DemoPeopleMissingError and the errors of writing.
    """
    path, script = Path(path), script or Script()
    photo = demo_target_photo()
    portrait = (enroller or _load_enroller()).portrait(Photo(photo.name, read_image(photo)[0]))
    total = len(frame_ticks(script))
    truths = []
    with atomic_output(path) as part, writing(), _Clip(part, script) as clip:
        for frame, truth in animate(portrait, load_topology(), script):
            clip.add(frame)
            truths.append(truth)
            on_frame(len(truths), total)
    return truths


class _Clip:
    """The file under way.

    PyAV at first hand: ``media.open_writer`` takes clock, colours and streams from the file that
    is swapped, and here there is none.
    """

    def __init__(self, path: Path, script: Script) -> None:
        scale = str(TIME_BASE.denominator)
        options = {"video_track_timescale": scale, "movflags": "+faststart"}
        self._file = av.open(os.path.abspath(path), "w", container_options=options)
        self._video: Any = self._file.add_stream("libx264", options=VIDEO_OPTIONS)
        self._audio: Any = self._file.add_stream("aac", rate=AUDIO_RATE, layout="stereo")
        self._blocks = _sound_blocks(script)
        ticks = [*frame_ticks(script), round(script.seconds / TIME_BASE)]
        self._durations = dict(zip(ticks, np.diff(ticks).tolist(), strict=False))
        self._sound_until = Fraction(0)

    def __enter__(self) -> _Clip:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._add_sound_until(None)
            self._file.mux(self._audio.encode(None))
            self._mux(self._video.encode(None))
        self._file.close()

    def add(self, frame: Frame) -> None:
        """One picture at its exact time, and the sound up to it."""
        width, height = frame.picture.size_wh
        if not self._video.codec_context.is_open:
            self._open_video(width, height)
        pixels = frame.picture.region(Box(0, 0, width, height)).astype(np.uint8)
        picture: Any = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=BT709, dst_color_range=LIMITED)
        picture.pts, picture.time_base = int(frame.time / TIME_BASE), TIME_BASE
        self._mux(self._video.encode(picture))
        self._add_sound_until(frame.time)

    def _open_video(self, width: int, height: int) -> None:
        context = self._video.codec_context
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base = self._video.time_base = TIME_BASE
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = LIMITED

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations[packet.pts]  # else the last one would have none
            self._file.mux(packet)

    def _add_sound_until(self, time: Fraction | None) -> None:
        while time is None or self._sound_until <= time:
            block = next(self._blocks, None)
            if block is None:
                return
            self._file.mux(self._audio.encode(block))
            self._sound_until = (block.pts + block.samples) * Fraction(1, AUDIO_RATE)


def sound_of(script: Script) -> Floats:
    """(2, n) -1..1 at ``AUDIO_RATE``: a tone as loud as the mouth is open, on the head's side."""
    times = np.arange(round(script.seconds * AUDIO_RATE)) / AUDIO_RATE
    coarse = np.arange(0, script.seconds + 0.01, 0.01)
    moves = moves_at(script, coarse.astype(np.float32))
    shares = np.interp(times, coarse, [m.jaw_cm / LONGEST_OPENING_CM for m in moves])
    side = np.interp(times, coarse, [m.yaw_deg / max(script.yaw_deg, 1e-6) for m in moves])
    loudness = LOUDNESS[0] + (LOUDNESS[1] - LOUDNESS[0]) * shares
    overtones = zip(TONE_HZ, TONE_PARTS, strict=True)
    tone = loudness * sum(part * np.sin(2 * np.pi * hz * times) for hz, part in overtones)
    return np.stack([tone * (1 - 0.3 * side), tone * (1 + 0.3 * side)]).astype(np.float32)


def _sound_blocks(script: Script) -> Iterator[Any]:
    sound = sound_of(script)
    for start in range(0, sound.shape[1], AUDIO_BLOCK):
        part = np.ascontiguousarray(sound[:, start : start + AUDIO_BLOCK])
        block: Any = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        block.sample_rate, block.pts = AUDIO_RATE, start
        block.time_base = Fraction(1, AUDIO_RATE)
        yield block


def _load_enroller() -> Enroller:
    kit = load_kit()
    return Enroller(kit.detector, kit.landmarker, kit.recognizer)
