"""Frames of a file, one after the other, with exact times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.error

from ..engine.types import Array, Frame
from ..errors import BadOptionError, NoVideoError, UnreadableMediaError
from .alpha import ALPHA_BESIDE, AlphaBeside, alpha_of_frame
from .clock import Timeline
from .colour import FULL_RANGE, UNTAGGED, Colour, resolved_matrix
from .cores import count_cores
from .failures import check_readable
from .images import is_image
from .planes import Carrier, Layout, PlanesPicture, planes_of
from .probe import (
    MediaInfo,
    describe,
    get_video_stream,
    open_container,
    read_timeline,
    says_alpha,
)

# Decoding takes a tenth of what encoding takes, and every thread keeps frames in memory.
THREADS = max(1, min(count_cores() // 2, 8))
BACK_S = (0, 1, 4, 16)  # how far before a wanted start to look for a keyframe
KNOWS_DURATION = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
CENTRED_CHROMA = frozenset({"mjpeg", "mpeg1video", "webp"})
NATIVE_BASES = ("yuv420p", "yuv422p", "yuv444p", "gbrp", "gray")


@dataclass(slots=True)
class Damage:
    """What did not come out of the file; complete once the frames are read."""

    frames_decoded: int = 0
    seconds_decoded: Fraction = Fraction(0)
    frames_expected: int | None = None
    has_exact_count: bool = False  # MP4 and MOV know; others may be off by some
    packets_read: int = 0
    seconds_expected: Fraction | None = None
    bad_packets: int = 0
    corrupt_frames: int = 0
    repaired_times: int = 0
    stopped_by: str | None = None  # what ended the reading early

    @property
    def is_truncated(self) -> bool:
        """The file says that it holds more than it gave."""
        if self.frames_expected is not None and self.has_exact_count:
            return self.packets_read < self.frames_expected
        if self.seconds_expected is None:
            return False
        missing = self.seconds_expected - self.seconds_decoded
        return missing > max(Fraction(1, 5), self.seconds_expected / 50)

    @property
    def is_damaged(self) -> bool:
        return bool(self.bad_packets or self.corrupt_frames or self.stopped_by or self.is_truncated)

    @property
    def reason(self) -> str | None:
        """One sentence for the user; None when everything decoded."""
        if not self.is_damaged:
            return None
        missing = f" of {self.frames_expected}" if self.frames_expected else ""
        parts = [f"{self.frames_decoded}{missing} frames ({float(self.seconds_decoded):.2f} s)"]
        if self.bad_packets:
            parts.append(f"{self.bad_packets} packets did not decode")
        if self.corrupt_frames:
            parts.append(f"{self.corrupt_frames} frames are visibly broken")
        if self.stopped_by:
            parts.append(f"reading stopped: {self.stopped_by}")
        return "the file is damaged or cut off; decoded " + ", ".join(parts)


class VideoReader:
    """Frames in order of presentation; see ``open_video``."""

    def __init__(
        self,
        container: Any,
        stream: Any,
        info: MediaInfo,
        start_s: Fraction | None,
        end_s: Fraction | None,
        timeline: Timeline,
    ) -> None:
        self.info = info
        self.timeline = timeline
        self.start_s, self.end_s = start_s, end_s
        self.first_index = 0
        self.damage = Damage()
        self._container, self._stream = container, stream
        self._layouts: dict[tuple[object, ...], Layout] = {}
        self._alpha = beside(info)
        if start_s is None and end_s is None:
            self.damage.frames_expected = stream.frames or None
            self.damage.has_exact_count = "mov" in info.container
            if not timeline.has_jumps(stream.index):
                self.damage.seconds_expected = find_own_duration(container, stream)

    @property
    def is_trimmed(self) -> bool:
        return self.start_s is not None or self.end_s is not None

    def frames(self) -> Iterator[Frame]:
        """Every frame from the start to the end, once; then ``damage`` is complete.

        ``time`` is the exact time in the file, moved where its clock jumps (``timeline``);
        ``index`` counts from the first frame given.
        Raises UnreadableMediaError when not one frame decodes.
        """
        first: Fraction | None = None
        for index, decoded in enumerate(self._wanted()):
            time = decoded.pts * self.info.time_base
            first = time if first is None else first
            self.damage.frames_decoded = index + 1
            length = decoded.duration * self.info.time_base or 1 / self.info.frame_rate
            self.damage.seconds_decoded = time - first + length
            yield Frame(self.first_index + index, time, self._picture(decoded))
        if first is None:
            self._explain_nothing()

    def _explain_nothing(self) -> None:
        if self.is_trimmed and not self.damage.is_damaged:
            raise BadOptionError("the trim leaves no frame; choose another --start or --end")
        reason = self.damage.stopped_by or "no frame of its video decodes"
        raise UnreadableMediaError(self.info.path.name, reason)

    def _wanted(self) -> Iterator[av.VideoFrame]:
        base = self.info.time_base
        for frame in self._from_start():
            time = frame.pts * base
            if self.end_s is not None and time >= self.end_s:
                return
            if self.start_s is None or time >= self.start_s:
                yield frame

    def _from_start(self) -> Iterator[av.VideoFrame]:
        """Frames from one that is not after the start; a seek may land behind it.

        Where the clock jumps the same time may stand at several places: then no seek finds it.
        """
        if self.start_s is None or self.timeline.has_jumps(self._stream.index):
            return self._timed(self._decoded())
        wanted = int(self.start_s / self.info.time_base)
        for back_s in BACK_S:
            self._seek(wanted - round(back_s / self.info.time_base))
            frames = self._timed(self._decoded())
            first = next(frames, None)
            if first is not None and first.pts <= wanted:
                return chain([first], frames)
            self.damage.bad_packets = self.damage.corrupt_frames = self.damage.repaired_times = 0
        self._seek(self._stream.start_time or 0)
        return self._timed(self._decoded())

    def _seek(self, pts: int) -> None:
        seek(self._container, self._stream, pts)
        if self._alpha is not None:
            self._alpha.flush()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Whatever decodes; broken packets are counted and left out."""
        packets = self.timeline.mended(self._container.demux(self._stream))
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as fault:
                self.damage.stopped_by = str(getattr(fault, "strerror", fault)).lower()
                packet = None
            frames, is_last = self._decode(packet), packet is None
            self.damage.packets_read += packet is not None and packet.size > 0
            for frame in frames:
                self.damage.corrupt_frames += frame.is_corrupt
                yield frame
            if is_last:
                return

    def _decode(self, packet: Any) -> list[av.VideoFrame]:
        if self._alpha is None:
            return self._decode_colours(packet)
        self._alpha.take(packet)
        frames = self._decode_colours(packet)
        for frame in frames:
            frame.opaque = self._alpha.pop(frame)
        return frames

    def _decode_colours(self, packet: Any) -> list[av.VideoFrame]:
        try:
            return self._stream.codec_context.decode(packet)
        except EOFError:  # already flushed
            return []
        except (av.error.FFmpegError, OSError):
            self.damage.bad_packets += packet is not None
            return []

    def _timed(self, frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """Frames whose times only grow; missing and repeated ones are mended and counted."""
        step = max(1, round(1 / self.info.frame_rate / self.info.time_base))
        last: int | None = None
        due = 0
        for frame in frames:
            pts = due if frame.pts is None else frame.pts
            if last is not None and pts <= last:
                pts = last + 1
            self.damage.repaired_times += pts != frame.pts
            frame.pts = last = pts
            due = pts + (frame.duration or step)
            yield frame

    def _picture(self, frame: av.VideoFrame) -> PlanesPicture:
        alpha = self._alpha_of(frame)
        frame = native(frame)
        key = (frame.format.name, frame.width, frame.height, frame.colorspace, frame.color_range)
        if (layout := self._layouts.get(key)) is None:
            layout = self._layouts[key] = get_layout(frame, self.info)
        planes = planes_of(frame)
        return PlanesPicture(planes, layout, Carrier(frame, planes, alpha))

    def _alpha_of(self, frame: av.VideoFrame) -> Array | None:
        return alpha_of_frame(frame) if self._alpha is None else frame.opaque


@contextmanager
def open_video(
    path: Path,
    *,
    start_s: Fraction | None = None,
    end_s: Fraction | None = None,
    threads: int = THREADS,
) -> Iterator[VideoReader]:
    """Read a video; ``start_s <= time < end_s`` of the file where given.

    Raises FileMissingError, EmptyFileError, UnreadableMediaError, UnknownCodecError, NoVideoError,
    and BadOptionError for a trim that is empty.
    """
    path = Path(path)
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise BadOptionError("--end must be later than --start")
    check_readable(path)
    if is_image(path):
        raise NoVideoError(path.name)
    with open_container(path) as container:
        stream = get_video_stream(path.name, container)
        timeline = read_timeline(path)
        info = on_mended_clock(describe(path, container, stream), timeline)
        for other in container.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        stream.codec_context.options = {"max_pixels": str(most_pixels(info.coded_wh))}
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
        yield VideoReader(container, stream, info, start_s, end_s, timeline)


def on_mended_clock(info: MediaInfo, timeline: Timeline) -> MediaInfo:
    """With the length that the film has where its clock jumps; what the file says is wrong then."""
    if not timeline.has_jumps(info.video_index):
        return info
    first, _, end = timeline.spans[info.video_index]
    return replace(info, start=first, duration=end - first)


def beside(info: MediaInfo) -> AlphaBeside | None:
    """What decodes the alpha where the stream has it apart from its pictures."""
    is_said = says_alpha(info.video_tags) and info.codec in ALPHA_BESIDE
    return AlphaBeside(info.codec, most_pixels(info.coded_wh)) if is_said else None


def most_pixels(coded_wh: tuple[int, int]) -> int:
    """How large a frame may become in a stream that changes its size, against memory bombs."""
    return max(4 * coded_wh[0] * coded_wh[1], 1 << 24)


def find_own_duration(container: Any, stream: Any) -> Fraction | None:
    """How long the picture says it is; None where that is a guess or the sound's length."""
    if not KNOWS_DURATION & set(container.format.name.split(",")):
        return None
    if stream.duration is not None and stream.duration > 0:
        return stream.duration * stream.time_base
    if tag := stream.metadata.get("DURATION"):
        return parsed_duration(tag)
    alone = len(container.streams) == 1 and container.duration
    return Fraction(container.duration, av.time_base) if alone else None


def parsed_duration(tag: str) -> Fraction | None:
    """Matroska's ``00:01:02.500000000``."""
    try:
        hours, minutes, seconds = tag.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        return None


def seek(container: Any, stream: Any, pts: int) -> None:
    """To the keyframe at or before ``pts``; to the start where the file cannot seek."""
    try:
        container.seek(pts, stream=stream, backward=True)
    except (av.error.FFmpegError, OSError):
        container.seek(stream.start_time or 0, stream=stream, backward=True)


def native(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame in the nearest planar format that keeps all of it, itself where it already is."""
    name = native_format(frame.format)
    has_upward_rows = any(plane.line_size < 0 for plane in frame.planes)
    if frame.format.name == name and not has_upward_rows:
        return frame
    pts, duration = frame.pts, frame.duration
    converted = frame.reformat(format=name if not has_upward_rows else "rgb24")
    if has_upward_rows:
        converted = converted.reformat(format=name)
    converted.pts, converted.duration, converted.time_base = pts, duration, frame.time_base
    return converted


def native_format(video_format: Any) -> str:
    """The planar format for any format: same subsampling, no fewer bits."""
    name = video_format.name
    bits = max(component.bits for component in video_format.components)
    for base in NATIVE_BASES:
        if name in (
            base,
            base.replace("yuv", "yuvj"),
            *(f"{base}{n}le" for n in (9, 10, 12, 14, 16)),
        ):
            return name
    suffix = next((f"{n}le" for n in (10, 12, 16) if bits <= n), "16le") if bits > 8 else ""
    if video_format.is_rgb or video_format.has_palette:
        return f"gbrp{suffix}"
    if len(video_format.components) <= 2:  # gray, with or without alpha
        return f"gray{suffix}"
    across, down = 1024 // video_format.chroma_width(1024), 1024 // video_format.chroma_height(1024)
    base_by_ratio = {(2, 2): "yuv420p", (4, 4): "yuv420p", (2, 1): "yuv422p", (4, 1): "yuv422p"}
    return base_by_ratio.get((across, down), "yuv444p") + suffix


def get_layout(frame: av.VideoFrame, info: MediaInfo) -> Layout:
    """What the frame's samples mean."""
    pix_fmt = frame.format.name
    kind = "gray" if pix_fmt.startswith("gray") else "gbr" if pix_fmt.startswith("gbr") else "yuv"
    placement = info.placement
    if (frame.width, frame.height) != placement.coded_wh:  # a stream that changes its size
        placement = replace(placement, coded_wh=(frame.width, frame.height))
    # Without a tag, gray is taken as full range by FFmpeg's own scaler and by players.
    is_full = frame.color_range == FULL_RANGE or pix_fmt.startswith("yuvj") or kind == "gbr"
    is_full |= kind == "gray" and frame.color_range == UNTAGGED
    colour = Colour(
        kind=kind,
        bit_depth=max(component.bits for component in frame.format.components),
        matrix=resolved_matrix(frame.colorspace, placement.display_wh[1]),
        is_full_range=is_full,
        transfer=frame.color_trc,
    )
    shift = {"yuv420": (1, 1), "yuvj42": (1, 1), "yuv422": (1, 0)}.get(pix_fmt[:6], (0, 0))
    shift = (1, 0) if "422" in pix_fmt else shift
    return Layout(pix_fmt, colour, placement, shift, info.codec not in CENTRED_CHROMA)
