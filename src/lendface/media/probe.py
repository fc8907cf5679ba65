"""What is in a file, without decoding more than its first picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import av.stream

from ..errors import NoVideoError, UnknownCodecError, UnreadableMediaError
from .audio_config import AudioChanges
from .clock import Timeline, stores_all_times, survey
from .failures import check_readable, reading
from .images import is_image, read_image
from .placement import STRAIGHT, Placement, Turn, get_turn

# FFmpeg's names of the formats that are read. All others stay closed, for among them are those
# that open more than the one file: playlists (hls, dash, concat), descriptions of streams (sdp),
# numbered pictures (image2), subtitles with a second file (vobsub), filters and devices.
CONTAINERS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "flv", "ogg", "asf", "mxf", "nut"),
    *("rm", "wtv", "dv", "gxf", "ivf", "gif", "apng", "yuv4mpegpipe"),
    *("h264", "hevc", "vvc", "av1", "obu", "m4v", "mpegvideo", "vc1", "mjpeg"),
    *("mp3", "aac", "ac3", "eac3", "flac", "wav", "aiff", "caf"),  # to say that it is only sound
)
OPENING = {"protocol_whitelist": "file", "format_whitelist": ",".join(CONTAINERS)}
STILL_DURATION = Fraction(1, 25)
UNKNOWN_FORMAT = "its format is not one of those that are read"


@dataclass(frozen=True)
class StreamInfo:
    """A stream that is not the picture."""

    index: int
    type: str  # audio, subtitle, attachment, data, video (a second one or cover art)
    codec: str
    language: str | None
    title: str | None


@dataclass(frozen=True)
class ColourTags:
    """Numbers of ITU-T H.273; 2 (0 for the range) is unspecified."""

    primaries: int
    transfer: int
    matrix: int
    range: int  # 1 limited, 2 full


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds; sizes in pixels, times in seconds."""

    path: Path
    kind: Literal["video", "image"]
    container: str
    codec: str
    pix_fmt: str
    bit_depth: int
    colour: ColourTags
    placement: Placement
    display_matrix: tuple[int, ...] | None
    time_base: Fraction
    frame_rate: Fraction  # a guess for estimates, never a clock
    start: Fraction | None  # time of the first frame where the container says
    duration: Fraction | None
    frame_count: int | None  # where the container says, else an estimate
    is_frame_count_exact: bool
    is_interlaced: bool
    video_index: int
    other_streams: tuple[StreamInfo, ...]
    audio_rates: tuple[int, ...] = ()  # Hz
    tags: tuple[tuple[str, str], ...] = ()  # of the file
    video_tags: tuple[tuple[str, str], ...] = ()  # of the picture's stream
    video_disposition: int = 1  # FFmpeg's marks: default, forced, ...

    @property
    def size_wh(self) -> tuple[int, int]:
        """As shown: upright, square pixels."""
        return self.placement.display_wh

    @property
    def coded_wh(self) -> tuple[int, int]:
        return self.placement.coded_wh

    @property
    def sample_aspect(self) -> Fraction:
        return self.placement.sample_aspect

    @property
    def rotation(self) -> int:
        """Degrees clockwise that a player turns the picture, after mirroring it if it does."""
        _, _, c, d = self.placement.turn
        return round(math.degrees(math.atan2(-c, d))) % 360

    @property
    def is_mirrored(self) -> bool:
        a, b, c, d = self.placement.turn
        return a * d - b * c < 0

    @property
    def has_alpha(self) -> bool:
        return self.pix_fmt.startswith(("yuva", "gbrap", "ya8", "ya16", "rgba", "argb", "abgr"))

    @property
    def has_audio(self) -> bool:
        return any(stream.type == "audio" for stream in self.other_streams)


def probe(path: Path) -> MediaInfo:
    """What is in the file.

    Raises FileMissingError, EmptyFileError, UnreadableMediaError, UnknownCodecError, NoVideoError.
    """
    path = Path(path)
    check_readable(path)
    if is_image(path):
        return probe_image(path)
    with open_container(path) as container:
        return describe(path, container, get_video_stream(path.name, container))


def probe_image(path: Path) -> MediaInfo:
    picture, info = read_image(path)
    return MediaInfo(
        path=path,
        kind="image",
        container=info.format,
        codec=info.format,
        pix_fmt="rgb24",
        bit_depth=info.bit_depth,
        colour=ColourTags(2, 2, 2, 2),
        placement=Placement(picture.size_wh),
        display_matrix=None,
        time_base=STILL_DURATION,
        frame_rate=1 / STILL_DURATION,
        start=Fraction(0),
        duration=STILL_DURATION,
        frame_count=1,
        is_frame_count_exact=True,
        is_interlaced=False,
        video_index=0,
        other_streams=(),
    )


@contextmanager
def open_container(path: Path) -> Iterator[Any]:
    """The opened file; it can only read itself: no addresses, no playlists."""
    check_readable(path)
    with reading(path.name):
        try:
            container = av.open(
                os.path.abspath(path), "r", container_options=OPENING, metadata_errors="replace"
            )
        except av.error.ArgumentError as fault:  # what FFmpeg says of a format not in the list
            raise UnreadableMediaError(path.name, UNKNOWN_FORMAT) from fault
    try:
        yield container
    finally:
        container.close()


def get_video_stream(name: str, container: Any) -> Any:
    """The picture to swap in: the default or else the largest stream, never cover art."""
    streams = [stream for stream in container.streams.video if not is_cover(stream)]
    if not streams:
        raise NoVideoError(name)
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise UnknownCodecError(name, codec_name(streams[0]))
    default = av.stream.Disposition.default
    best = max(known, key=lambda s: (bool(s.disposition & default), s.width * s.height, -s.index))
    if not best.width or not best.height or best.codec_context.pix_fmt is None:
        raise UnreadableMediaError(name, "nothing in its video stream decodes")
    return best


def read_timeline(path: Path) -> Timeline:
    """Where the film's clock jumps. All packets are read, once for a file that does not change;
    not where a table in the file's head tells. Raises what ``probe`` raises."""
    facts = path.stat()
    return _read_timeline(path, (facts.st_ino, facts.st_size, facts.st_mtime_ns))


@lru_cache(maxsize=64)
def _read_timeline(path: Path, _version: tuple[int, int, int]) -> Timeline:
    with open_container(path) as container:
        picture = get_video_stream(path.name, container).index
        if stores_all_times(container):
            return Timeline(picture)
        sounds = AudioChanges(container)
        timeline = survey(container, picture, sounds.watch)
        return replace(timeline, changing_audio=frozenset(sounds.streams))


def is_cover(stream: Any) -> bool:
    still = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails
    return bool(stream.disposition & still)


def codec_name(stream: Any) -> str:
    """The codec, or the name of an attachment; ``unknown`` where FFmpeg has no decoder."""
    if stream.codec_context is not None:
        return stream.codec_context.codec.canonical_name
    return (stream.name if stream.type in ("attachment", "data") else None) or "unknown"


def describe(path: Path, container: Any, stream: Any) -> MediaInfo:
    """The information of an opened file."""
    context, frame_format = stream.codec_context, stream.codec_context.format
    matrix = find_display_matrix(path, stream.index)
    duration, rate = get_duration(container, stream), get_rate(stream)
    return MediaInfo(
        path=path,
        kind="video",
        container=container.format.name,
        codec=context.codec.canonical_name,
        pix_fmt=frame_format.name,
        bit_depth=max(component.bits for component in frame_format.components),
        colour=ColourTags(
            context.color_primaries, context.color_trc, context.colorspace, context.color_range
        ),
        placement=Placement((context.width, context.height), turn_of(matrix), aspect_of(stream)),
        display_matrix=matrix,
        time_base=stream.time_base,
        frame_rate=rate,
        start=None if stream.start_time is None else stream.start_time * stream.time_base,
        duration=duration,
        frame_count=stream.frames or (round(duration * rate) if duration else None),
        is_frame_count_exact=bool(stream.frames),
        is_interlaced=context.field_order not in (0, 1),
        video_index=stream.index,
        other_streams=tuple(
            describe_other(other) for other in container.streams if other.index != stream.index
        ),
        audio_rates=tuple(s.rate for s in container.streams.audio if s.codec_context and s.rate),
        tags=tuple(container.metadata.items()),
        video_tags=tuple(stream.metadata.items()),
        video_disposition=int(stream.disposition),
    )


def describe_other(stream: Any) -> StreamInfo:
    tags = stream.metadata
    return StreamInfo(
        stream.index, stream.type, codec_name(stream), tags.get("language"), tags.get("title")
    )


def find_display_matrix(path: Path, index: int) -> tuple[int, ...] | None:
    """The matrix is only visible on decoded frames, so the first one is decoded."""
    with open_container(path) as container:
        stream = container.streams[index]
        try:
            for packet in container.demux(stream):
                for frame in packet.decode():
                    return matrix_of(frame)
        except (av.error.FFmpegError, OSError):
            return None
    return None


def matrix_of(frame: av.VideoFrame) -> tuple[int, ...] | None:
    """The nine numbers of a frame's display matrix; None when it is shown as it is coded."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    matrix = tuple(memoryview(data).cast("B").cast("i").tolist())
    return None if get_turn(matrix) == STRAIGHT else matrix


def turn_of(matrix: tuple[int, ...] | None) -> Turn:
    return STRAIGHT if matrix is None else get_turn(matrix)


def aspect_of(stream: Any) -> Fraction:
    """Width to height of a sample; nonsense counts as square."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and Fraction(1, 8) <= aspect <= 8 else Fraction(1)


def get_rate(stream: Any) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= 1000:
            return Fraction(rate)
    return Fraction(25)


def get_duration(container: Any, stream: Any) -> Fraction | None:
    if stream.duration is not None and stream.duration > 0:
        return stream.duration * stream.time_base
    if container.duration is not None and container.duration > 0:
        return Fraction(container.duration, av.time_base)
    return None
