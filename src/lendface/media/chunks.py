"""A film cut into parts that are rendered alone, and joined again without another encoding.

The parts are cut at the source's keyframes, keep the source's times, and are encoded from a
fresh start each. So the same frames, written in one go with the same fresh starts
(``fresh_starts``), give the same packets as the joined parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from ..errors import BadOptionError, OutputError
from .encode import EncodeOptions
from .failures import reading, writing
from .output import atomic_output
from .probe import MediaInfo, get_video_stream, open_container
from .reader import THREADS, VideoReader, open_video
from .reorder import Reorder
from .streams import SideStreams, Span, kept_tags
from .writer import (
    VideoWriter,
    abandon_unfinished,
    get_container,
    muxer_options,
    open_writer,
)


@dataclass(frozen=True)
class Chunk:
    """Frames from one keyframe to before another; ``pts`` in ticks of the source's time base."""

    number: int
    start_pts: int | None  # None: from the first frame
    end_pts: int | None  # exclusive; None: to the last frame
    first_index: int  # of the frame at start_pts, counted over the whole file
    frame_count: int


def plan_chunks(path: Path, target_s: float) -> list[Chunk]:
    """Cut at the first keyframe that is at least ``target_s`` after the last cut.

    Looks at packets only. A file whose packets do not all have times is one chunk.
    """
    if target_s <= 0:
        raise BadOptionError("the chunk length must be greater than 0 s")
    with open_container(Path(path)) as container:
        stream = get_video_stream(Path(path).name, container)
        base = stream.time_base
        with reading(Path(path).name):
            packets = [
                (packet.pts, packet.is_keyframe)
                for packet in container.demux(stream)
                if (packet.size or packet.pts is not None) and not packet.is_discard
            ]
    if not packets or any(pts is None for pts, _ in packets):
        return [Chunk(0, None, None, 0, len(packets))]
    return cut(sorted(packets), Fraction(target_s) / base)


def cut(frames: Sequence[tuple[int, bool]], target_ticks: Fraction) -> list[Chunk]:
    """Chunks of frames (pts, is_keyframe) in order of presentation."""
    starts = [0]
    for index, (pts, is_keyframe) in enumerate(frames):
        if is_keyframe and pts - frames[starts[-1]][0] >= target_ticks:
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
    return tuple(chunk.start_pts for chunk in chunks if chunk.start_pts is not None)


@contextmanager
def open_chunk_reader(path: Path, chunk: Chunk, *, threads: int = THREADS) -> Iterator[VideoReader]:
    """Frames of one chunk, with their index and time in the whole file."""
    with open_video(path, threads=threads) as reader:
        base = reader.info.time_base
        reader.start_s = None if chunk.start_pts is None else chunk.start_pts * base
        reader.end_s = None if chunk.end_pts is None else chunk.end_pts * base
        reader.first_index = chunk.first_index
        reader.damage.frames_expected, reader.damage.has_exact_count = chunk.frame_count, False
        reader.damage.seconds_expected = None
        yield reader


def open_chunk_writer(
    path: Path, info: MediaInfo, options: EncodeOptions
) -> AbstractContextManager[VideoWriter]:
    """A writer of one part: a plain MP4 with the picture only, at the source's times.

    ``options`` as ``options_for`` gives them, the same for all parts.
    """
    return open_writer(path, info, options, with_other_streams=False)


def options_for(out_path: Path, options: EncodeOptions) -> EncodeOptions:
    """The options of parts that will be joined into ``out_path``."""
    is_webm = get_container(Path(out_path)) == "webm"
    return replace(options, codec=options.codec or ("av1" if is_webm else "h264"))


def join_chunks(parts: Sequence[Path], info: MediaInfo, out_path: Path) -> list[str]:
    """Join parts, in order, and everything else of the source into one file; nothing is decoded.

    ``info`` is of the source file. Returns warnings.
    Raises OutputError for parts that do not fit together, and what ``open_writer`` raises.
    """
    out_path = Path(out_path)
    container = get_container(out_path)
    with atomic_output(out_path) as made, ExitStack() as closing, writing():
        target = av.open(
            str(made), "w", format=container, container_options=muxer_options(container, info)
        )
        closing.callback(abandon_unfinished, target)
        side = SideStreams(info.path, info.video_index, target, Span())
        closing.callback(side.close)
        first = closing.enter_context(open_container(Path(parts[0]))).streams.video[0]
        copied: list[Any] = []
        side.declare(lambda: copied.append(add_copy(target, first, info)))
        reorder = Reorder(first.codec_context.reorder_depth)
        for packet in packets_of(parts, first.codec_context.extradata):
            reorder.place(packet)
            side.advance(packet.dts * packet.time_base)
            packet.stream = copied[0]
            target.mux(packet)
        side.finish()
        target.close()
    return side.warnings


def add_copy(target: Any, template: Any, info: MediaInfo) -> Any:
    """The output's picture stream, made like that of a part."""
    stream = target.add_stream_from_template(template, opaque=True)
    stream.time_base = Fraction(1, info.time_base.denominator)
    stream.metadata.update(kept_tags(dict(info.video_tags)))
    stream.disposition = info.video_disposition
    if info.display_matrix is not None:
        stream.set_display_matrix(info.display_matrix)
    return stream


def packets_of(parts: Sequence[Path], extradata: bytes | None) -> Iterator[Any]:
    """All packets of all parts, in decoding order."""
    for part in parts:
        with open_container(Path(part)) as container:
            stream = container.streams.video[0]
            if stream.codec_context.extradata != extradata:
                raise OutputError("the parts were encoded with different settings; render again")
            for packet in container.demux(stream):
                if packet.size:
                    yield packet
