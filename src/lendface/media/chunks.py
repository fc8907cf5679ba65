"""A film cut into parts that are rendered alone, and joined again without another encoding.

The parts are cut at the source's keyframes where there are enough, keep the source's times, and
are encoded from a fresh start each. So the same frames, written in one go with the same fresh
starts (``fresh_starts``), give the same packets as the joined parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av

from ..engine.types import Frame
from ..errors import BadOptionError, OutputError
from .animation import AnimationWriter
from .boxes import copy_of, mp4_head, open_with_boxes
from .encode import EncodeOptions
from .failures import reading, writing
from .output import atomic_output
from .probe import MediaInfo, get_video_stream, open_container, read_timeline
from .reader import THREADS, VideoReader, open_video
from .reorder import Reorder
from .streams import SideStreams
from .thinning import kept_frames
from .tracks import Span
from .writer import (
    MILLISECOND,
    ROUNDS_TIMES,
    VideoWriter,
    abandon_unfinished,
    get_container,
    keep_boxes,
    keeps_as_elements,
    lost_views,
    muxer_options,
    open_writer,
    picture_tags,
)

PATIENCE = 2.0  # lengths of a chunk to wait for a keyframe


@dataclass(frozen=True)
class Chunk:
    """Frames from one cut to before another; ``pts`` in ticks of the source's time base."""

    number: int
    start_pts: int | None  # None: from the first frame
    end_pts: int | None  # exclusive; None: to the last frame
    first_index: int  # of the frame at start_pts, counted from the first frame of the trim
    frame_count: int  # of the source; ``max_fps`` may leave some of them out


def plan_chunks(
    path: Path,
    target_s: float,
    *,
    start_s: Fraction | None = None,
    end_s: Fraction | None = None,
    max_fps: float | None = None,
) -> list[Chunk]:
    """Cut at the first keyframe that is at least ``target_s`` after the last cut.

    Where none comes for twice as long it is cut at any frame: whoever reads that part decodes from
    the keyframe before. The trim is that of ``open_video``. With ``max_fps`` only frames that stay
    begin a part. Looks at packets only. A file whose packets do not all have times is
    one chunk. Raises BadOptionError, also for a trim that leaves no frame.
    """
    packets, base = list_packets(Path(path), to_seek=True)
    return chunks_of(packets, base, target_s, start_s=start_s, end_s=end_s, max_fps=max_fps)


def chunks_of(
    packets: Sequence[tuple[int | None, bool]],
    base: Fraction,
    target_s: float,
    *,
    start_s: Fraction | None = None,
    end_s: Fraction | None = None,
    max_fps: float | None = None,
    patience: float = PATIENCE,
) -> list[Chunk]:
    """``plan_chunks`` for what ``list_packets`` found, with another patience for keyframes."""
    if target_s <= 0:
        raise BadOptionError("the chunk length must be greater than 0 s")
    frames = timed(packets, base, start_s, end_s)
    if frames is None:
        return [only_chunk(base, start_s, end_s, len(packets))]
    if not frames:
        raise BadOptionError("the trim leaves no frame; choose another --start or --end")
    chunks = cut(where_to_cut(frames, base, max_fps, patience), Fraction(target_s) / base)
    whole = only_chunk(base, start_s, end_s, len(frames))
    chunks[0] = replace(chunks[0], start_pts=whole.start_pts)
    chunks[-1] = replace(chunks[-1], end_pts=whole.end_pts)
    return chunks


def only_chunk(
    base: Fraction, start_s: Fraction | None, end_s: Fraction | None, frame_count: int
) -> Chunk:
    """All of a trim in one chunk."""
    first = None if start_s is None else ceil(start_s / base)
    return Chunk(0, first, None if end_s is None else ceil(end_s / base), 0, frame_count)


def timed(
    packets: Sequence[tuple[int | None, bool]],
    base: Fraction,
    start_s: Fraction | None,
    end_s: Fraction | None,
) -> list[tuple[int, bool]] | None:
    """(pts, is_keyframe) inside of a trim, in the order in which they are shown.

    None where there are no packets or some have no time.
    """
    frames = sorted((pts, is_key) for pts, is_key in packets if pts is not None)
    if len(frames) < len(packets) or not packets:
        return None
    return [
        frame
        for frame in frames
        if (start_s is None or frame[0] * base >= start_s)
        and (end_s is None or frame[0] * base < end_s)
    ]


def list_packets(
    path: Path, *, to_seek: bool = False
) -> tuple[list[tuple[int | None, bool]], Fraction]:
    """(pts, is_keyframe) of every packet of the picture in the file's order, and its time base.

    The times are those of the reader. ``to_seek``: they are None where the film's clock jumps, for
    there no seek finds them.
    """
    with open_container(path) as container:
        stream = get_video_stream(path.name, container)
        timeline = read_timeline(path)
        has_times = not (to_seek and timeline.has_jumps(stream.index))
        with reading(path.name):
            packets = [
                (packet.pts if has_times else None, packet.is_keyframe)
                for packet in timeline.mended(container.demux(stream))
                if (packet.size or packet.pts is not None) and not packet.is_discard
            ]
        return packets, stream.time_base


def where_to_cut(
    frames: Sequence[tuple[int, bool]],
    base: Fraction,
    max_fps: float | None,
    patience: float = PATIENCE,
) -> list[tuple[int, float | None]]:
    """(pts, how many lengths to wait before a cut here) for frames (pts, is_keyframe).

    Only a frame that stays starts a chunk, best the first one from a keyframe on.
    """
    kept = [True] * len(frames)
    if max_fps is not None:
        kept = kept_frames([pts * base for pts, _ in frames], max_fps)
    places, was_keyframe = list[tuple[int, float | None]](), False
    for (pts, is_keyframe), stays in zip(frames, kept, strict=True):
        was_keyframe |= is_keyframe
        places.append((pts, (1.0 if was_keyframe else patience) if stays else None))
        was_keyframe &= not stays
    return places


def cut(frames: Sequence[tuple[int, float | None]], target_ticks: Fraction) -> list[Chunk]:
    """Chunks of the frames of ``where_to_cut``."""
    starts = [0]
    for index, (pts, wait) in enumerate(frames):
        if wait is not None and pts - frames[starts[-1]][0] >= Fraction(wait) * target_ticks:
            starts.append(index)
    ends = [*starts[1:], len(frames)]
    return [
        Chunk(
            number,
            frames[start][0] if number else None,
            frames[end][0] if end < len(frames) else None,
            start,
            end - start,
        )
        for number, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def fresh_starts(chunks: Iterable[Chunk]) -> tuple[int, ...]:
    """For ``EncodeOptions.fresh_start_pts``: one pass then gives what the joined chunks give."""
    later = (chunk.start_pts for chunk in chunks if chunk.number)
    return tuple(pts for pts in later if pts is not None)


@contextmanager
def open_chunk_reader(path: Path, chunk: Chunk, *, threads: int = THREADS) -> Iterator[VideoReader]:
    """Frames of one chunk, with their index in the trimmed film and their time in the file."""
    with open_video(path, threads=threads) as reader:
        base = reader.info.time_base
        reader.start_s = None if chunk.start_pts is None else chunk.start_pts * base
        reader.end_s = None if chunk.end_pts is None else chunk.end_pts * base
        reader.first_index = chunk.first_index
        reader.damage.frames_expected, reader.damage.has_exact_count = chunk.frame_count, False
        reader.damage.seconds_expected = None
        yield reader


def open_chunk_writer(
    path: Path, info: MediaInfo, options: EncodeOptions, like: Frame | None = None
) -> AbstractContextManager[VideoWriter | AnimationWriter]:
    """A writer of one part: a plain MP4 with the picture only, at the source's times.

    ``options`` as ``options_for`` gives them, and ``like``, the first frame of the film, the same
    for all parts: a film that changes its size or tags on the way is encoded as it begins.
    """
    return open_writer(path, info, options, with_other_streams=False, like=like)


def options_for(out_path: Path, options: EncodeOptions) -> EncodeOptions:
    """The options of parts that will be joined into ``out_path``."""
    is_webm = get_container(Path(out_path)) == "webm"
    return replace(options, codec=options.codec or ("av1" if is_webm else "h264"))


def join_chunks(
    parts: Sequence[Path],
    info: MediaInfo,
    out_path: Path,
    *,
    start_s: Fraction | None = None,
    end_s: Fraction | None = None,
    copies_audio: bool = False,
    on_packet: Callable[[], None] = lambda: None,
) -> list[str]:
    """Join parts, in order, and everything else of the source into one file; nothing is decoded.

    ``info`` is of the source file, the trim that of ``plan_chunks``; with one the first frame is
    at 0. ``copies_audio`` is that of ``EncodeOptions``. ``on_packet`` is called for each packet of
    the picture. Returns warnings. Raises OutputError for parts that do not fit together, and what
    ``open_writer`` raises.
    """
    out_path = Path(out_path)
    container = get_container(out_path)
    is_trimmed = start_s is not None or end_s is not None
    with atomic_output(out_path) as made, ExitStack() as closing, writing():
        options = muxer_options(container, info)
        target = av.open(os.path.abspath(made), "w", format=container, container_options=options)
        closing.callback(abandon_unfinished, target)
        first = closing.enter_context(open_container(Path(parts[0]))).streams.video[0]
        origin = first_time(Path(parts[0])) if is_trimmed else Fraction(0)
        span = Span(origin, end_s) if is_trimmed else Span()
        side = SideStreams(info.path, info.video_index, target, span, copies_audio=copies_audio)
        closing.callback(side.close)
        copied: list[Any] = []
        template = first
        if keeps_as_elements(container, info.boxes):
            size_wh = first.codec_context.width, first.codec_context.height
            boxes = info.boxes.resized(info.coded_wh, size_wh)
            film = closing.enter_context(open_with_boxes(mp4_head(copy_of(first)), boxes))
            (template,) = film.streams.video
        side.declare(lambda: copied.append(add_copy(target, template, info)))
        reorder = Reorder(first.codec_context.reorder_depth)
        for packet in packets_of(parts, first.codec_context.extradata):
            on_packet()
            packet.pts -= round(origin / packet.time_base)
            reorder.place(packet)
            side.advance(packet.dts * packet.time_base + origin)
            packet.stream = copied[0]
            target.mux(packet)
        side.finish()
        target.close()
        keep_boxes(made, container, info, copied[0])
    is_rounded = container in ("matroska", "webm") and info.time_base < MILLISECOND
    rounded = [ROUNDS_TIMES] if is_rounded else []
    return [*rounded, *lost_views(info), *side.warnings]


def first_time(part: Path) -> Fraction:
    """When a part begins, in seconds of the source: encoding starts with the first frame shown."""
    with open_container(part) as container:
        packet = next(iter(container.demux(container.streams.video[0])))
        return packet.pts * packet.time_base


def add_copy(target: Any, template: Any, info: MediaInfo) -> Any:
    """The output's picture stream, made like that of a part."""
    stream = target.add_stream_from_template(template, opaque=True)
    stream.time_base = Fraction(1, info.time_base.denominator)
    stream.metadata.update(picture_tags(target.format.name, info, keeps_alpha=False))
    stream.disposition = info.video_disposition
    if info.display_matrix is not None:
        stream.set_display_matrix(info.display_matrix)
    return stream


def packets_of(parts: Sequence[Path], extradata: bytes | None) -> Iterator[Any]:
    """All packets of all parts, in decoding order, none shown beyond the end of the film.

    A demuxer says how long it is until the next packet is decoded, which is another time where
    frames are uneven and come out of order.
    """
    end = end_of(Path(parts[-1]))
    for part in parts:
        with open_container(Path(part)) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != extradata:
                raise OutputError("the parts were encoded with different settings; render again")
            for packet in container.demux(stream):
                if packet.size:
                    if end is not None and packet.pts < end:
                        packet.duration = min(packet.duration, end - packet.pts)
                    yield packet


def end_of(part: Path) -> int | None:
    """When the last frame of a part ends, in its ticks; the later of what file and packet say."""
    with open_container(part) as container:
        stream = container.streams.video[0]
        shown = [(p.pts, p.duration or 0) for p in container.demux(stream) if p.size]
        if not shown:
            return None
        return max(sum(max(shown)), min(shown)[0] + (stream.duration or 0))
