"""Small films whose content and clock are known exactly; for any test that needs one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

SHARED_CLIPS = Path(__file__).resolve().parents[1].parent / "shared" / "media" / "clips"


@dataclass(frozen=True)
class Sound:
    """One audio track, a tone."""

    codec: str = "aac"
    rate: int = 44_100
    layout: str = "stereo"
    language: str = "eng"
    seconds: float = 1.0


@dataclass(frozen=True)
class Line:
    """One subtitle."""

    start_ms: int
    end_ms: int
    text: str


def picture(index: int, size_wh: tuple[int, int]) -> np.ndarray:
    """(h, w, 3) uint8 RGB: soft blobs that move, with hard bars that say the index."""
    width, height = size_wh
    small = np.random.default_rng(7).integers(30, 220, (9, 12, 3), dtype=np.uint8)
    rgb = cv2.resize(np.roll(small, index, axis=1), size_wh, interpolation=cv2.INTER_LINEAR)
    for bit in range(8):
        if index >> bit & 1:
            left = bit * width // 8
            rgb[: height // 6, left : left + max(1, width // 10)] = 235
    return rgb


def make_video(
    path: Path,
    count: int = 12,
    size_wh: tuple[int, int] = (64, 48),
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    rotation: int = 0,
    hflip: bool = False,
    vflip: bool = False,
    sample_aspect: Fraction = Fraction(1),
    pix_fmt: str = "yuv420p",
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    gop: int = 250,
    colour: tuple[int, int, int, int] = (2, 2, 2, 0),
    sounds: Sequence[Sound] = (),
    subtitles: dict[str, Sequence[Line]] | None = None,
    attachments: Sequence[tuple[str, str, bytes]] = (),
    tags: dict[str, str] | None = None,
    chapters: Sequence[tuple[int, int, str]] = (),
    muxer_options: dict[str, str] | None = None,
    container: str | None = None,
) -> Path:
    """Write a film. ``pts`` in ticks of ``time_base``; else 25 a second. ``rotation`` is
    counter-clockwise degrees, as ``set_display_rotation`` has it; ``colour`` is primaries,
    transfer, matrix, range; ``subtitles`` maps a codec to its lines; chapters are in ms.
    """
    step = int(Fraction(1, 25) / time_base) or 1
    times = list(pts) if pts is not None else [i * step for i in range(count)]
    scale = {"video_track_timescale": str(time_base.denominator)}
    is_mov = (container or path.suffix) in (".mp4", ".mov", ".m4v", "mp4", "mov")
    with av.open(
        str(path),
        "w",
        format=container,
        container_options={**(scale if is_mov else {}), **(muxer_options or {})},
    ) as target:
        target.metadata.update(tags or {})
        video = add_video(target, codec, size_wh, time_base, pix_fmt, gop, colour, options)
        video.codec_context.sample_aspect_ratio = sample_aspect
        if rotation or hflip or vflip:
            video.set_display_rotation(rotation, hflip, vflip)
        audio = [add_sound(target, sound) for sound in sounds]
        texts = [add_text(target, kind) for kind in subtitles or {}]
        for name, mime, data in attachments:
            target.add_attachment(name, mime, data)
        if chapters:
            target.set_chapters([chapter(*entry) for entry in chapters])
        for stream, (kind, entries) in zip(texts, (subtitles or {}).items(), strict=True):
            for line in entries:
                target.mux(text_packet(stream, kind, line))
        write_sound(target, audio, sounds)
        write_frames(target, video, times, size_wh, time_base)
    return path


def add_video(
    target: Any,
    codec: str,
    size_wh: tuple[int, int],
    time_base: Fraction,
    pix_fmt: str,
    gop: int,
    colour: tuple[int, int, int, int],
    options: dict[str, str] | None,
) -> Any:
    if options is None:
        options = {"libx264": {"preset": "ultrafast", "qp": "0"}}.get(codec, {})
    stream = target.add_stream(codec, rate=25, options=options)
    stream.width, stream.height = size_wh
    stream.pix_fmt, stream.time_base = pix_fmt, time_base
    context = stream.codec_context
    context.time_base, context.gop_size = time_base, gop
    context.color_primaries, context.color_trc, context.colorspace, context.color_range = colour
    return stream


def write_frames(
    target: Any,
    stream: Any,
    times: Sequence[int],
    size_wh: tuple[int, int],
    time_base: Fraction,
) -> None:
    context = stream.codec_context
    for index, pts in enumerate(times):
        frame = av.VideoFrame.from_ndarray(picture(index, size_wh), format="rgb24")
        frame = frame.reformat(format=context.pix_fmt)
        frame.pts, frame.time_base = pts, time_base
        frame.duration = times[index + 1] - pts if index + 1 < len(times) else 0
        frame.color_primaries, frame.color_trc = context.color_primaries, context.color_trc
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))


def add_sound(target: Any, sound: Sound) -> Any:
    stream = target.add_stream(sound.codec, rate=sound.rate)
    stream.codec_context.layout = sound.layout
    stream.metadata["language"] = sound.language
    return stream


def write_sound(target: Any, streams: Sequence[Any], sounds: Sequence[Sound]) -> None:
    for stream, sound in zip(streams, sounds, strict=True):
        for frame in tone(stream, sound):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def tone(stream: Any, sound: Sound) -> Iterator[Any]:
    context = stream.codec_context
    context.open(strict=False)
    channels = context.layout.nb_channels
    total = round(sound.seconds * sound.rate)
    wave = np.float32(0.2 * np.sin(np.arange(total) * 2 * np.pi * 440 / sound.rate))
    whole = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(np.tile(wave, (channels, 1))), format="fltp", layout=sound.layout
    )
    whole.sample_rate, whole.pts, whole.time_base = sound.rate, 0, Fraction(1, sound.rate)
    shape = av.AudioResampler(
        context.format, context.layout, sound.rate, context.frame_size or 1024
    )
    yield from shape.resample(whole)
    yield from shape.resample(None)


def add_text(target: Any, codec: str) -> Any:
    stream = target.add_stream(codec)
    stream.codec_context.subtitle_header = ASS_HEADER
    stream.codec_context.time_base = Fraction(1, 1000)
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = "fra"
    return stream


def text_packet(stream: Any, codec: str, line: Line) -> Any:
    data = line.text.encode()
    if codec == "mov_text":
        data = len(data).to_bytes(2, "big") + data
    if codec == "ass":
        data = b"0,0,Default,,0,0,0,," + data
    packet = av.Packet(data)
    packet.pts = packet.dts = line.start_ms
    packet.duration = line.end_ms - line.start_ms
    packet.time_base, packet.stream = Fraction(1, 1000), stream
    return packet


def chapter(start_ms: int, end_ms: int, title: str) -> Any:
    return {
        "id": start_ms,
        "start": start_ms,
        "end": end_ms,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }


ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


# Looking at a film without our own reader


@dataclass(frozen=True)
class Parcel:
    """What one packet carries, with exact times in seconds."""

    pts: Fraction
    dts: Fraction
    duration: Fraction
    data: bytes


def packets_by_stream(path: Path) -> dict[int, list[Parcel]]:
    """All packets of a file; what the demuxer says, not our reader."""
    found: dict[int, list[Parcel]] = {}
    with av.open(str(path)) as source:
        for packet in source.demux():
            if packet.pts is None and packet.size == 0:  # the flush packet at the end
                continue
            base, pts = packet.time_base, packet.pts or 0  # a cover has no time
            dts = pts if packet.dts is None else packet.dts  # Matroska has no dts
            parcel = Parcel(pts * base, dts * base, (packet.duration or 0) * base, bytes(packet))
            found.setdefault(packet.stream.index, []).append(parcel)
    return found


def decoded_planes(path: Path) -> list[tuple[Fraction, list[np.ndarray]]]:
    """Time and planes of every frame of the first video stream."""
    with av.open(str(path)) as source:
        return [
            (frame.pts * frame.time_base, [plane_array(plane) for plane in frame.planes])
            for frame in source.decode(video=0)
        ]


def plane_array(plane: Any) -> np.ndarray:
    try:
        return np.from_dlpack(plane).copy()
    except NotImplementedError:  # packed formats, as they lie in memory
        return np.frombuffer(plane, np.uint8).copy()


def video_times(path: Path) -> list[Fraction]:
    return [time for time, _ in decoded_planes(path)]
