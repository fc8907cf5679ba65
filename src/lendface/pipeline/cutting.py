"""Where a target is cut into parts that are rendered alone."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from ..errors import UnreadableMediaError
from ..media import Chunk, EncodeOptions, MediaInfo, chunks_of, list_packets, only_chunk, timed
from ..media.chunks import PATIENCE
from ..media.encode import ANIMATIONS, SOFTWARE, is_one_pass
from ..media.writer import encoder_for, get_container
from .targets import VideoTarget


def is_written_at_once(info: MediaInfo, output: Path, encode: EncodeOptions) -> bool:
    """Whether the result cannot be joined from parts: an animation, or a film with alpha.

    A named encoder carries no alpha, and need not be there where it is only planned.
    Raises OutputFormatError, BadOptionError.
    """
    container = get_container(output, info)
    if encode.encoder is not None and container not in ANIMATIONS:
        return False
    return is_one_pass(encoder_for(container, info, encode))


def cut_target(
    target: VideoTarget,
    encode: EncodeOptions,
    chunk_s: float,
    times: Sequence[Fraction] | None,
    patience: float = PATIENCE,
) -> list[Chunk]:
    """Parts of about ``chunk_s``; a keyframe is waited for up to ``patience`` times as long.

    It stays in one part where parts might not fit together: with an encoder of this machine's
    hardware, where the film's clock jumps, and where the packets of a damaged film are not the
    frames (``times``) that came out of it. Raises BadOptionError, and UnreadableMediaError where
    ``times`` is None.
    """
    path, base = target.info.path, target.info.time_base
    span = {"start_s": target.trim.start_s, "end_s": target.trim.end_s}
    try:
        packets, base = list_packets(path, to_seek=True)
    except UnreadableMediaError:  # cut off; but what is there has been scanned
        if times is None:
            raise
        packets = []
    frames = timed(packets, base, **span)
    is_sound = times is None or (
        frames is not None
        and len(frames) == len(times)
        and all(pts * base == time for (pts, _), time in zip(frames, times, strict=True))
    )
    if encode.encoder not in (None, *SOFTWARE.values()) or not is_sound:
        count = len(packets if frames is None else frames) if times is None else len(times)
        return [only_chunk(base, **span, frame_count=count)]
    return chunks_of(packets, base, chunk_s, max_fps=encode.max_fps, patience=patience, **span)
