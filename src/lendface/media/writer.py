"""Frames into a file: the source's clock, size and colours, and everything else it holds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import Any

import av
import av.error
from av.video.frame import PictureType

from ..engine.types import Frame
from ..errors import EncoderError, OutputError, OutputFormatError
from .animation import AnimationWriter
from .boxes import PictureBoxes, insert_boxes, mp4_head, open_with_boxes
from .colour import resolved_matrix
from .encode import (
    ANIMATIONS,
    THREADS,
    WITH_ALPHA,
    EncodeOptions,
    Encoding,
    FrameShaper,
    choose_encoder,
    choose_pix_fmt,
    codec_options,
    describe_fault,
    fitted_size,
    parse_format,
    rare_profile,
    to_frame,
)
from .failures import writing
from .output import atomic_output
from .planes import PlanesPicture
from .probe import ALPHA_MODE, ColourTags, MediaInfo
from .reader import VideoReader
from .reorder import Reorder
from .streams import SideStreams, kept_tags, needs_own_keys
from .tracks import Span

CONTAINER_BY_SUFFIX = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".gif": "gif",
    ".apng": "apng",
}
ANIMATION_BY_SUFFIX = {".png": "apng", ".webp": "webp"}  # of a target that is an animation itself
STEREO_MODE = {"side_by_side": "left_right", "top_bottom": "top_bottom"}  # Matroska's, in FFmpeg
MILLISECOND = Fraction(1, 1000)
ROUNDS_TIMES = "Matroska and WebM round times to milliseconds"
LARGEST_TIMESCALE = (1 << 31) - 1
SEE_THROUGH_LOST = "the video's transparency is lost"


@dataclass(frozen=True)
class Plan:
    """What is fixed before the first frame comes."""

    container: str
    encoder: str
    info: MediaInfo
    span_start: Fraction | None  # None: times stay as they are
    span_end: Fraction | None
    has_side_streams: bool
    like: Frame | None = None  # whose size and tags decide; None: the first frame


class VideoWriter:
    """Takes frames in order; see ``open_writer``."""

    def __init__(self, path: Path, plan: Plan, options: EncodeOptions) -> None:
        self.warnings: list[str] = []
        self.frame_count = 0
        self._path, self._plan, self._options = path, plan, options
        self._closing = ExitStack()
        self._fresh_starts = frozenset(options.fresh_start_pts)
        self._durations: dict[int, int] = {}
        self._target: Any = None
        self._stream: Any = None
        self._encoder: Any = None
        self._side: SideStreams | None = None
        self._origin = Fraction(0)

    def write(self, frame: Frame, until: Fraction | None = None) -> None:
        """Encode one frame; its ``time`` must lie on the source's clock.

        ``until``, on the same clock: when it ends, where that is not as in the source.
        Raises DiskFullError, EncoderError, OutputError.
        """
        with writing():
            if self._target is None:
                self._open(frame)
            self._encode(frame, until)
        self.frame_count += 1

    def finish(self) -> None:
        """Write what is still under way and the end of the file."""
        if self._target is None:
            raise OutputError("no frame was written, so there is no video")
        with writing():
            self._drain()
            if self._side:
                self._side.finish()
                self.warnings += self._side.warnings
            self._target.close()
            if self._plan.has_side_streams:
                keep_boxes(self._path, self._plan.container, self._plan.info, self._stream)

    def close(self) -> None:
        """Let go of everything; what was not finished is lost."""
        if self._side:
            self._side.close()
        self._closing.close()

    # Opening, once the first frame shows what the encoder has to take

    def _open(self, frame: Frame) -> None:
        plan = self._plan
        if plan.span_start is not None:
            self._origin = frame.time
        like = plan.like or frame
        self._encoding = self._choose_encoding(like, to_frame(like.picture))
        self._shaper = FrameShaper(self._encoding.pix_fmt, self._encoding.colour)
        self._is_native = isinstance(like.picture, PlanesPicture)
        self._target = av.open(
            os.path.abspath(self._path),  # a:b.mp4 alone would be a protocol
            "w",
            format=plan.container,
            container_options=muxer_options(plan.container, plan.info),
        )
        self._closing.callback(abandon_unfinished, self._target)
        if not plan.has_side_streams:
            return self._add_video()
        span = Span(self._origin, plan.span_end) if plan.span_start is not None else Span()
        self._side = SideStreams(
            plan.info.path,
            plan.info.video_index,
            self._target,
            span,
            copies_audio=self._options.copies_audio,
        )
        self._side.declare(self._add_video)
        return None

    def _choose_encoding(self, frame: Frame, first: av.VideoFrame) -> Encoding:
        plan, info, picture = self._plan, self._plan.info, frame.picture
        is_native = isinstance(picture, PlanesPicture)
        name = first.format.name if is_native else "gbrp"
        aspect = info.sample_aspect if is_native else Fraction(1)
        size = fitted_size((first.width, first.height), aspect, self._options.max_long_side)
        self._is_shrunk = size != (first.width, first.height)
        if self._options.is_compatible and not self._is_shrunk:
            size = self._even(size)
        pix_fmt = choose_pix_fmt(plan.encoder, name, size, self._options)
        self._tell_conversion(name, pix_fmt)
        rate, max_fps = info.frame_rate, self._options.max_fps
        return Encoding(
            encoder=plan.encoder,
            pix_fmt=pix_fmt,
            size_wh=size,
            sample_aspect=aspect,
            time_base=info.time_base,
            frame_rate=rate if max_fps is None else min(rate, Fraction(max_fps)),
            colour=output_colour(info.colour, first, name),
            options=codec_options(plan.encoder, self._options, first),
            threads=self._options.threads or THREADS,
        )

    def _even(self, size_wh: tuple[int, int]) -> tuple[int, int]:
        width, height = (max(2, side // 2 * 2) for side in size_wh)
        if (width, height) != size_wh:
            odd = "{}x{}".format(*size_wh)
            self.warnings.append(f"the size {odd} became {width}x{height}: 4:2:0 needs even sides")
        return width, height

    def _tell_conversion(self, source: str, target: str) -> None:
        target = target.replace("yuva", "yuv")
        (base, bits), (new_base, new_bits) = parse_format(source), parse_format(target)
        if base != new_base and base != "gbrp":
            self.warnings.append(f"the picture is converted from {source} to {target}")
        elif new_base == "yuv444p" and base != new_base:
            self.warnings.append("the odd size needs 4:4:4 colour, which some players do not show")
        if new_bits < bits:
            self.warnings.append(f"{bits} bits per sample become {new_bits}")
        if self._plan.info.has_alpha and self._plan.encoder != WITH_ALPHA:
            self.warnings.append(SEE_THROUGH_LOST)
        rare = rare_profile(self._plan.encoder, target)
        if rare and not self._options.is_lossless:  # who asks for that asks for its profile
            self.warnings.append(
                f"the result is {rare}, which many players cannot show; "
                "the option compatible gives 8-bit 4:2:0"
            )
        if self._plan.info.is_interlaced:
            self.warnings.append("the interlaced picture is encoded as if it were progressive")
        if self._plan.container in ("matroska", "webm") and self._plan.info.time_base < MILLISECOND:
            self.warnings.append(ROUNDS_TIMES)
        if self._plan.has_side_streams:
            self.warnings += lost_views(self._plan.info)

    def _add_video(self) -> None:
        encoding, info = self._encoding, self._plan.info
        try:
            self._stream, self._encoder = self._open_encoder()
        except (av.error.FFmpegError, ValueError) as fault:
            raise describe_fault(encoding.encoder, fault) from fault
        self._stream.time_base = encoding.time_base
        self._stream.disposition = info.video_disposition
        self._stream.metadata.update(
            picture_tags(self._plan.container, info, keeps_alpha=encoding.encoder == WITH_ALPHA)
        )
        if info.display_matrix is not None and self._is_native:
            self._stream.set_display_matrix(info.display_matrix)
        said = self._encoder.reorder_depth
        is_sure = encoding.encoder in (
            "libx264",
            "libsvtav1",
            WITH_ALPHA,
        )  # x265 and drivers do not say it
        self._reorder = Reorder(said if is_sure else max(2, said))

    def _open_encoder(self) -> tuple[Any, Any]:
        """The output's picture stream and what encodes for it."""
        plan, encoding = self._plan, self._encoding
        boxes = plan.info.boxes.resized(plan.info.coded_wh, encoding.size_wh)
        if plan.has_side_streams and keeps_as_elements(plan.container, boxes):
            template = open_with_boxes(mp4_head(encoding.add_to), boxes)
            self._closing.callback(template.close)
            (like,) = template.streams.video
            stream = self._target.add_stream_from_template(like, opaque=True)
            encoder = encoding.open_again()
            stream.codec_context.extradata = encoder.extradata  # as its packets are, not MP4's
            return stream, encoder
        stream = encoding.add_to(self._target)
        return stream, stream.codec_context

    # One frame

    def _encode(self, frame: Frame, until: Fraction | None) -> None:
        pts = self._pts(frame.time)
        if pts in self._fresh_starts and self.frame_count:
            self._drain()
            self._encoder = self._encoding.open_again()
        shaped = self._shaper.shape(frame.picture)
        if self._is_shrunk:
            shaped = self._shaper.shrink(shaped, self._encoding.size_wh)
        elif is_larger((shaped.width, shaped.height), self._encoding.size_wh):
            shaped = self._shaper.cut(shaped, self._encoding.size_wh)
        elif (shaped.width, shaped.height) != self._encoding.size_wh:
            shaped = shaped.reformat(*self._encoding.size_wh)
        if until is not None:
            shaped.duration = self._pts(until) - pts
        shaped.pts, shaped.time_base = pts - self._pts(self._origin), self._encoding.time_base
        shaped.pict_type = PictureType.NONE
        self._durations[shaped.pts] = shaped.duration
        self._mux(self._encoder.encode(shaped))

    def _pts(self, time: Fraction) -> int:
        ticks = time / self._encoding.time_base
        if ticks.denominator != 1:
            raise EncoderError(f"the frame time {float(time):.6f} s is not on the source's clock")
        return ticks.numerator

    def _drain(self) -> None:
        self._mux(self._encoder.encode(None))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            packet.duration = self._durations.pop(packet.pts, 0) or packet.duration or 0
            self._reorder.place(packet)
            packet.stream = self._stream
            if self._side:
                self._side.advance(packet.dts * packet.time_base + self._origin)
            self._target.mux(packet)


@contextmanager
def open_writer(
    path: Path,
    source: VideoReader | MediaInfo,
    options: EncodeOptions | None = None,
    *,
    with_other_streams: bool = True,
    like: Frame | None = None,
) -> Iterator[VideoWriter | AnimationWriter]:
    """Write a video that has the source's clock, size, rotation, colours and other streams.

    Frames keep their exact times; those of a trimmed reader are moved so that the first is at 0.
    ``like`` decides instead of the first frame how all are encoded.
    When the block ends well the file appears under its name, at once; on any exception nothing
    does. After that ``warnings`` says what could not be kept.

    Raises OutputFormatError, OutputFolderMissingError, OutputError, EncoderError, DiskFullError.
    """
    path = Path(path)
    options = options or EncodeOptions()
    plan = replace(plan_output(path, source, options, with_other_streams), like=like)
    with atomic_output(path) as part:
        is_animation = plan.container in ANIMATIONS
        writer = (
            AnimationWriter(part, plan.container, plan.info, options)
            if is_animation
            else (VideoWriter(part, plan, options))
        )
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def plan_output(
    path: Path, source: VideoReader | MediaInfo, options: EncodeOptions, has_side_streams: bool
) -> Plan:
    info, start, end = source, None, None
    if isinstance(source, VideoReader):
        info, end = source.info, source.end_s
        start = (source.start_s or Fraction(0)) if source.is_trimmed else None
    assert isinstance(info, MediaInfo)
    container = get_container(path, info)
    encoder = encoder_for(container, info, options)
    return Plan(container, encoder, info, start, end, has_side_streams)


def get_container(path: Path, source: MediaInfo | None = None) -> str:
    """The output format that the name's ending asks for.

    ``.png`` and ``.webp`` are endings of pictures; only an animated ``source`` is written so, too.
    Raises OutputFormatError.
    """
    ending = path.suffix.lower()
    if source is not None and source.container in ANIMATIONS and ending in ANIMATION_BY_SUFFIX:
        return ANIMATION_BY_SUFFIX[ending]
    if (container := CONTAINER_BY_SUFFIX.get(ending)) is not None:
        return container
    endings = ", ".join(CONTAINER_BY_SUFFIX)
    raise OutputFormatError(f"{path.name}: videos are written as {endings}")


def encoder_for(container: str, source: MediaInfo, options: EncodeOptions) -> str:
    """Raises what ``choose_encoder`` raises."""
    return choose_encoder(options, container, has_alpha=source.decodes_alpha)


def is_larger(size_wh: tuple[int, int], wanted_wh: tuple[int, int]) -> bool:
    """Whether a side is one too long, of a picture that had an odd size; not of another film's."""
    more = [side - wanted for side, wanted in zip(size_wh, wanted_wh, strict=True)]
    return more != [0, 0] and all(0 <= one <= 1 for one in more)


def picture_tags(container: str, info: MediaInfo, *, keeps_alpha: bool) -> dict[str, str]:
    """The tags of the picture's stream; what Matroska keeps as its elements is true of it."""
    tags = kept_tags({n: v for n, v in info.video_tags if n.lower() != ALPHA_MODE})
    if keeps_alpha:
        tags[ALPHA_MODE] = "1"
    if container in ("matroska", "webm") and info.stereo is not None:
        is_said = any(name.lower() == "stereo_mode" for name in tags)
        tags |= {} if is_said else {"stereo_mode": STEREO_MODE[info.stereo]}
    return tags


def keep_boxes(path: Path, container: str, info: MediaInfo, stream: Any) -> None:
    """Give a finished MP4 or MOV the boxes of its source that FFmpeg does not write."""
    if container in ("mp4", "mov") and not info.boxes.is_empty:
        size_wh = stream.codec_context.width, stream.codec_context.height
        with path.open("r+b") as file:
            insert_boxes(file, stream.index, info.boxes.resized(info.coded_wh, size_wh))


def keeps_as_elements(container: str, boxes: PictureBoxes) -> bool:
    """Whether Matroska has elements for what they say, which FFmpeg writes."""
    return container in ("matroska", "webm") and not boxes.is_empty


def lost_views(info: MediaInfo) -> list[str]:
    """A warning where the other eye's view lies in a layer that is not decoded."""
    told = "only one eye's view of the spatial video is kept, as a flat film"
    return [told] if info.boxes.is_multiview else []


def output_colour(source: ColourTags, frame: av.VideoFrame, pix_fmt: str) -> ColourTags:
    """The tags to write: the source's, but a picture that was RGB says which matrix it got."""
    if parse_format(pix_fmt)[0] == "gbrp":
        return ColourTags(source.primaries, source.transfer, resolved_matrix(2, frame.height), 1)
    return ColourTags(
        frame.color_primaries,
        frame.color_trc,
        frame.colorspace,
        2 if "j" in pix_fmt else frame.color_range,
    )


def muxer_options(container: str, info: MediaInfo) -> dict[str, str]:
    """The source's clock; for MP4 and MOV also that of the edit list, which holds late starts."""
    if container not in ("mp4", "mov"):
        return {"avoid_negative_ts": "disabled"}
    scale = info.time_base.denominator
    movie = lcm(scale, *info.audio_rates)
    flags = "+faststart" + ("+use_metadata_tags" if needs_own_keys(dict(info.tags)) else "")
    return {
        "video_track_timescale": str(scale),
        "movie_timescale": str(movie if movie <= LARGEST_TIMESCALE else scale),
        "movflags": flags,
    }


def abandon_unfinished(target: Any) -> None:
    """Close a container whose file is thrown away; a finished one does not mind."""
    try:
        target.close()
    except (av.error.FFmpegError, ValueError, OSError):
        return
