"""What a server takes, and a look at a file that finds out before any work is done on it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import (
    EmptyFileError,
    FileMissingError,
    MediaBadCodecError,
    MediaBadContainerError,
    MediaFrameRateError,
    MediaTooLargeError,
    MediaTooLongError,
    MediaTooManyFramesError,
    MediaTooManyPixelsError,
    MediaTooManyStreamsError,
    MediaTooMuchWorkError,
    MediaWrongKindError,
    NoVideoError,
    TargetChangedError,
    UnknownCodecError,
    UnreadableMediaError,
)
from ..media import MediaInfo, is_image, probe, read_image
from ..media.containers import ending_of
from ..media.failures import check_readable
from ..media.inspection import Bounds, InspectedVideo, Inspection, inspect_film
from ..media.picture_size import read_picture_size

Kind = Literal["video", "image"]
FORMATS = ("jpeg", "png", "webp", "heic", "avif", "bmp", "tiff")
PHOTOS = ("JPEG", "PNG", "WebP", "HEIC", "AVIF")  # as people call them
KNOWS_LENGTH = frozenset({"mov", "mp4", "matroska", "webm"})
SEQUENCE_BRANDS = frozenset({b"avis", b"msf1", b"hevc", b"hevx"})
CLOCK_TREMBLE = 1.005  # a mean frame rate this little over the limit is the limit


@dataclass(frozen=True)
class Limits:
    """What is taken; None takes anything. ``containers`` by FFmpeg's names, or of a picture."""

    max_bytes: int | None = None
    max_duration_s: float | None = None
    max_frames: int | None = None
    max_fps: float | None = None  # the mean over the film
    max_pixels: int | None = None  # width x height of a picture
    max_long_side: int | None = None
    containers: Collection[str] | None = None
    codecs: Collection[str] | None = None  # of the picture of a video
    audio_codecs: Collection[str] | None = None
    kinds: Collection[Kind] = ("video", "image")
    max_streams: int = 100
    max_gigapixels: float | None = None  # of all frames of a film together


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What a target is, counted and not only claimed; plain values. Sizes as shown, upright."""

    kind: Kind
    container: str
    codec: str
    width: int
    height: int
    bytes: int
    duration_s: float
    frame_count: int
    fps: float
    rotation: int = 0  # degrees clockwise that a player turns the coded picture
    bit_depth: int = 8
    has_audio: bool = False
    audio_codecs: tuple[str, ...] = ()
    cut_off: str | None = None  # why the file ends before it should
    ending: str = ".mp4"  # of a film's name, for the container that it is

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What a photo is. Size upright."""

    format: str
    width: int
    height: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_target(path: Path, limits: Limits, *, name: str | None = None) -> TargetFacts:
    """Look at a file that anybody may have made; ``name`` is what its user calls it.

    A film is first opened by a process of its own with little memory, which decodes nothing
    larger than allowed and counts frames; the demuxers read this one file only. A picture's size
    is read from its header. Memory does not depend on what the file claims.

    Raises MediaTooLargeError, MediaWrongKindError, MediaBadContainerError, MediaBadCodecError,
    MediaTooManyPixelsError, MediaTooManyStreamsError, MediaTooLongError,
    MediaTooManyFramesError, MediaFrameRateError, MediaTooMuchWorkError; and the errors of
    ``probe``.
    """
    path, name = Path(path), name or Path(path).name
    with told_as(name):
        check_size(path, limits, name)
        if is_image(path):
            facts = check_picture(path, limits, name)
            return TargetFacts(
                "image", facts.format, facts.format, facts.width, facts.height, facts.bytes,
                duration_s=0.04, frame_count=1, fps=25.0,
            )  # fmt: skip
        return check_film(path, limits, name)


def check_photo(path: Path, limits: Limits, *, name: str | None = None) -> PhotoFacts:
    """Look at a photo of a face. Raises MediaWrongKindError for a film, else as above."""
    path, name = Path(path), name or Path(path).name
    with told_as(name):
        check_size(path, limits, name)
        if not is_image(path):
            raise MediaWrongKindError(name, "no JPEG, PNG, WebP, HEIC or AVIF picture", "a photo")
        return check_picture(path, limits, name)


def check_size(path: Path, limits: Limits, name: str) -> None:
    check_readable(path)
    size = path.stat().st_size
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise MediaTooLargeError(name, limits.max_bytes, size)


def check_picture(path: Path, limits: Limits, name: str) -> PhotoFacts:
    """The header first; then it is decoded, for it must be whole."""
    if "image" not in limits.kinds:
        raise MediaWrongKindError(name, "a still picture", "a video")
    check_pixels(read_picture_size(path), limits, name)
    picture, info = read_image(path)
    check_container(info.format, limits, name)
    return PhotoFacts(info.format, *picture.size_wh, path.stat().st_size)


def check_film(path: Path, limits: Limits, name: str) -> TargetFacts:
    if "video" not in limits.kinds:
        raise MediaWrongKindError(name, "no still picture", "a photo")
    if (brand := sequence_brand(path)) is not None:
        raise MediaBadContainerError(name, brand, PHOTOS)
    found = inspect_film(path, bounds_of(limits))
    if found.stream_count > limits.max_streams:
        raise MediaTooManyStreamsError(name, limits.max_streams, found.stream_count)
    for video in found.videos.values():
        check_pixels(video.size_wh, limits, name)
    info = probe(path)
    check_kind_of_film(info, limits, name)
    return facts_of(path, info, found, check_counts(info, found, limits, name))


def check_kind_of_film(info: MediaInfo, limits: Limits, name: str) -> None:
    """Container, codecs and, once more, the size: FFmpeg may have found a larger one by now."""
    check_container(info.container, limits, name)
    if limits.codecs is not None and info.codec not in limits.codecs:
        raise MediaBadCodecError(name, info.codec, tuple(sorted(limits.codecs)))
    for codec in audio_codecs_of(info):
        if limits.audio_codecs is not None and codec not in limits.audio_codecs:
            raise MediaBadCodecError(name, codec, tuple(sorted(limits.audio_codecs)), "sound")
    check_pixels(info.coded_wh, limits, name)
    check_pixels(info.size_wh, limits, name)


def check_counts(info: MediaInfo, found: Inspection, limits: Limits, name: str) -> InspectedVideo:
    """How long it is and how many frames it has, by its packets."""
    video = found.videos.get(info.video_index)
    if video is None or not video.decodes or not video.frame_count:
        raise UnreadableMediaError(name, "no frame of its video decodes")
    if limits.max_frames is not None and video.frame_count > limits.max_frames:
        raise MediaTooManyFramesError(name, limits.max_frames, video.frame_count)
    claimed_s = found.claimed_s if KNOWS_LENGTH & names_of(info.container) else 0
    lasts_s = max(duration_of(video, info), claimed_s)  # sound may last longer than the picture
    if limits.max_duration_s is not None and lasts_s > limits.max_duration_s:
        raise MediaTooLongError(name, limits.max_duration_s, lasts_s)
    fps = mean_fps(video, info)
    if limits.max_fps is not None and fps > limits.max_fps * CLOCK_TREMBLE:
        raise MediaFrameRateError(name, limits.max_fps, fps)
    check_work(video, info, limits, name)
    return video


def check_work(video: InspectedVideo, info: MediaInfo, limits: Limits, name: str) -> None:
    """Whether all of its frames are no more than a server does for one file. A decoder makes the
    coded size, whatever is shown of it."""
    size_wh = max(info.coded_wh, video.size_wh, key=lambda wh: wh[0] * wh[1])
    gigapixels = video.frame_count * size_wh[0] * size_wh[1] / 1e9
    if limits.max_gigapixels is not None and gigapixels > limits.max_gigapixels:
        raise MediaTooMuchWorkError(name, limits.max_gigapixels, video.frame_count, size_wh)


def facts_of(path: Path, info: MediaInfo, found: Inspection, video: InspectedVideo) -> TargetFacts:
    codecs = audio_codecs_of(info)
    return TargetFacts(
        kind="video",
        container=info.container,
        codec=info.codec,
        width=info.size_wh[0],
        height=info.size_wh[1],
        bytes=path.stat().st_size,
        duration_s=round(duration_of(video, info), 6),
        frame_count=video.frame_count,
        fps=round(mean_fps(video, info), 6),
        rotation=info.rotation,
        bit_depth=info.bit_depth,
        has_audio=bool(codecs),
        audio_codecs=codecs,
        cut_off=found.cut_off,
        ending=ending_of(path, info.container),
    )


def duration_of(video: InspectedVideo, info: MediaInfo) -> float:
    """Seconds, by the packets' times, and by the frame rate where they have none."""
    if video.duration:
        return float(video.duration)
    return video.frame_count / float(info.frame_rate)


def mean_fps(video: InspectedVideo, info: MediaInfo) -> float:
    """From the first frame to the last; where there is no such time, what the file says."""
    if not video.to_last:
        return float(info.frame_rate)
    return (video.frame_count - 1) / float(video.to_last)


def check_pixels(size_wh: tuple[int, int], limits: Limits, name: str) -> None:
    width, height = size_wh
    if limits.max_long_side is not None and max(size_wh) > limits.max_long_side:
        raise MediaTooManyPixelsError(name, size_wh, limits.max_long_side, of_a_side=True)
    if limits.max_pixels is not None and width * height > limits.max_pixels:
        raise MediaTooManyPixelsError(name, size_wh, limits.max_pixels, of_a_side=False)


def check_container(container: str, limits: Limits, name: str) -> None:
    if limits.containers is not None and not names_of(container) & set(limits.containers):
        raise MediaBadContainerError(name, container, tuple(sorted(limits.containers)))


def names_of(container: str) -> set[str]:
    """FFmpeg lists all names of a format: ``mov,mp4,m4a``."""
    return set(container.split(","))


def audio_codecs_of(info: MediaInfo) -> tuple[str, ...]:
    return tuple(stream.codec for stream in info.other_streams if stream.type == "audio")


def sequence_brand(path: Path) -> str | None:
    """Bursts of HEIC and animated AVIF, of which FFmpeg may show a single picture."""
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp" and head[8:12] in SEQUENCE_BRANDS:
        return "animated AVIF" if head[8:10] == b"av" else "a sequence of HEIC"
    return None


def bounds_of(limits: Limits) -> Bounds:
    default = Bounds()
    return Bounds(
        max_streams=limits.max_streams,
        max_pixels=limits.max_pixels or default.max_pixels,
        max_side=limits.max_long_side or default.max_side,
        max_frames=limits.max_frames or default.max_frames,
        max_seconds=limits.max_duration_s or default.max_seconds,
    )


@contextmanager
def told_as(name: str) -> Iterator[None]:
    """Errors that name the local file name it as its user does."""
    try:
        yield
    except UnreadableMediaError as fault:
        raise UnreadableMediaError(name, fault.reason) from fault
    except MediaTooMuchWorkError as fault:
        raise MediaTooMuchWorkError(name, fault.limit, fault.frames, fault.size_wh) from fault
    except UnknownCodecError as fault:
        raise UnknownCodecError(name, fault.codec) from fault
    except (FileMissingError, EmptyFileError, NoVideoError, TargetChangedError) as fault:
        raise type(fault)(name) from fault
