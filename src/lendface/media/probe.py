"""What is in a file, without decoding more than its first picture."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import av.stream

from ..errors import NoVideoError, UnknownCodecError, UnreadableMediaError
from .alpha import ALPHA_BESIDE, alpha_of_frame, has_alpha
from .audio_config import AudioChanges
from .boxes import NO_BOXES, PictureBoxes, Stereo, boxes_for, read_boxes, read_stereo
from .clock import Timeline, stores_all_times, survey
from .failures import check_readable, reading
from .images import is_image, read_image
from .picture_size import find_animation
from .placement import STRAIGHT, Placement, Turn, get_turn
from .webp import open_webp

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
SEEN_PACKETS = 3000  # of all pictures together, to find out which of several is the film
FEW = 8  # a stream with so many times fewer frames than another is its thumbnails, not the film
ALPHA_MODE = "alpha_mode"  # Matroska's element of that name, as FFmpeg tells it
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
    has_alpha: bool = False  # whether something shines through; see ``decodes_alpha``
    decodes_alpha: bool = False  # frames carry what the file has of it
    stereo: Stereo | None = None  # how the views of both eyes lie in the picture
    boxes: PictureBoxes = NO_BOXES  # of a file of the MP4 family, or what says the same

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
        animation = find_animation(path)
        try:
            container = (
                open_webp(path)
                if animation == "webp"
                else av.open(
                    os.path.abspath(path),
                    "r",
                    format=animation,  # FFmpeg looks for what says so at the start only
                    container_options=OPENING,
                    metadata_errors="replace",
                )
            )
        except av.error.ArgumentError as fault:  # what FFmpeg says of a format not in the list
            raise UnreadableMediaError(path.name, UNKNOWN_FORMAT) from fault
    try:
        yield container
    finally:
        container.close()


def get_video_stream(name: str, container: Any) -> Any:
    """The picture to swap in: of those that move the default or else the largest stream, never
    cover art; a single picture only where there is nothing else."""
    streams = [stream for stream in container.streams.video if not is_cover(stream)]
    if not streams:
        raise NoVideoError(name)
    known = [stream for stream in streams if stream.codec_context is not None]
    if not known:
        raise UnknownCodecError(name, codec_name(streams[0]))
    default = av.stream.Disposition.default
    films = known if len(known) == 1 else moving(Path(container.name), known)
    best = max(films, key=lambda s: (bool(s.disposition & default), s.width * s.height, -s.index))
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


def moving(path: Path, streams: Sequence[Any]) -> list[Any]:
    """Those with the most frames, or not so many fewer that they are its covers or thumbnails.

    Nothing in a file need say which those are: a cover may be marked as the default.
    """
    count = count_frames(path, [stream.index for stream in streams])
    most = max(count.values(), default=0)
    return [s for s in streams if count[s.index] * FEW > most and (count[s.index] > 1 or most < 2)]


def count_frames(path: Path, indices: Sequence[int]) -> Counter[int]:
    """Packets by stream: all of an MP4, whose index says so; else those of the beginning.

    AVI counts pauses as frames, so what it says is not asked.
    """
    count: Counter[int] = Counter(dict.fromkeys(indices, 0))
    with open_container(path) as container:
        streams = [container.streams[index] for index in indices]
        if "mov" in container.format.name and all(stream.frames for stream in streams):
            return Counter({stream.index: stream.frames for stream in streams})
        try:
            for packet in islice(container.demux(streams), SEEN_PACKETS):
                count[packet.stream.index] += packet.size > 0
        except (av.error.FFmpegError, OSError):
            return count
    return count


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
    first = look_at_first(path, stream.index)
    matrix, alpha = first.display_matrix, alpha_of(container, stream, first)
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
        has_alpha=alpha != "none",
        decodes_alpha=alpha == "decodes",
        stereo=first.stereo,
        boxes=find_boxes(path, container, stream),
    )


def describe_other(stream: Any) -> StreamInfo:
    tags = stream.metadata
    return StreamInfo(
        stream.index, stream.type, codec_name(stream), tags.get("language"), tags.get("title")
    )


@dataclass(frozen=True)
class FirstFrame:
    """What is only visible on decoded frames."""

    display_matrix: tuple[int, ...] | None = None
    stereo: Stereo | None = None
    is_see_through: bool = False


def look_at_first(path: Path, index: int) -> FirstFrame:
    """The first frame that decodes; nothing is known where none does."""
    with open_container(path) as container:
        stream = container.streams[index]
        try:
            for packet in container.demux(stream):
                for frame in packet.decode():
                    return first_frame(frame)
        except (av.error.FFmpegError, OSError):
            return FirstFrame()
    return FirstFrame()


def first_frame(frame: av.VideoFrame) -> FirstFrame:
    stereo, alpha = frame.side_data.get("STEREO3D"), alpha_of_frame(frame)
    return FirstFrame(
        matrix_of(frame),
        read_stereo(None if stereo is None else bytes(stereo)),
        alpha is not None and int(alpha.min()) < 255,
    )


def alpha_of(container: Any, stream: Any, first: FirstFrame) -> Literal["none", "decodes", "lost"]:
    """Whether something shines through, and whether that comes out of the decoder.

    Every GIF decodes to a format with alpha, every palette too, and encoders of WebP claim it as a
    rule: there the first frame says.
    """
    context = stream.codec_context
    if says_alpha(stream.metadata.items()):
        return "decodes" if context.codec.canonical_name in ALPHA_BESIDE else "lost"
    is_said = has_alpha(context.format) and context.format.name != "pal8"
    is_said &= container.format.name not in ("gif", "webp")
    return "decodes" if is_said or first.is_see_through else "none"


def says_alpha(tags: Iterable[tuple[str, str]]) -> bool:
    """Whether Matroska's AlphaMode is set; FFmpeg also writes it as a tag, in capitals."""
    return any(name.lower() == ALPHA_MODE and value == "1" for name, value in tags)


def find_boxes(path: Path, container: Any, stream: Any) -> PictureBoxes:
    """What the file says of stereo, projection and clean aperture, as boxes of an MP4."""
    if "mov" in container.format.name.split(","):
        with path.open("rb") as file:
            return read_boxes(file, stream.id)
    return boxes_for(stream) if "matroska" in container.format.name else NO_BOXES


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
