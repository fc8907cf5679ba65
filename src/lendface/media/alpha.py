"""What of a film's pictures shines through: its alpha, 0 (nothing is there) to 255 (opaque)."""

from __future__ import annotations

import re
from typing import Any

import av
import av.error
import numpy as np

from ..engine.types import Array
from .planes import planes_of

PLANAR = re.compile(r"(yuva4\d\dp|gbrap)(\d+le)?")  # with alpha as the fourth plane
# Matroska keeps alpha of these beside each picture, coded as a second, gray one.
ALPHA_BESIDE = frozenset({"vp8", "vp9", "av1"})
ADDITION = "matroska_block_additional"
ADDITION_ID = (1).to_bytes(8, "big")  # BlockAddID 1: what belongs to the codec
MOST_WAITING = 64  # alphas whose pictures have not come out of the decoder


def has_alpha(video_format: Any) -> bool:
    return video_format.name == "pal8" or any(c.is_alpha for c in video_format.components)


def alpha_of_frame(frame: av.VideoFrame) -> Array | None:
    """(h, w) uint8, in coded orientation; None where the format has none."""
    if not has_alpha(frame.format):
        return None
    bits = max(component.bits for component in frame.format.components)
    if not PLANAR.fullmatch(frame.format.name) or any(p.line_size < 0 for p in frame.planes):
        frame = frame.reformat(format="gbrap" if bits <= 8 else "gbrap16le")
        bits = 8 if bits <= 8 else 16
    return to_8_bit(planes_of(frame)[3], bits)


def to_8_bit(plane: Array, bits: int) -> Array:
    if bits == 8:
        return plane
    return np.uint8(np.rint(plane * np.float32(255 / ((1 << bits) - 1))))


class AlphaBeside:
    """Decodes the alpha that comes beside the pictures of a Matroska or WebM stream."""

    def __init__(self, codec: str, max_pixels: int) -> None:
        self._decoder = av.CodecContext.create(codec, "r")
        self._decoder.options = {"max_pixels": str(max_pixels)}
        self._decoder.thread_count = 1  # then a packet's picture comes out at once
        self._by_pts: dict[int | None, Array] = {}

    def take(self, packet: Any) -> None:
        """Look at a packet before its picture is decoded; what is broken counts as not there."""
        if packet is None or not packet.has_sidedata(ADDITION):
            return
        addition = bytes(packet.get_sidedata(ADDITION))
        if not addition.startswith(ADDITION_ID):
            return
        beside = av.Packet(addition[len(ADDITION_ID) :])
        beside.pts, beside.time_base = packet.pts, packet.time_base
        try:
            frames = self._decoder.decode(beside)
        except (av.error.FFmpegError, OSError):
            return
        for frame in frames:
            depth = frame.format.components[0].bits
            self._by_pts[packet.pts] = to_8_bit(planes_of(frame)[0], depth)
        if len(self._by_pts) > MOST_WAITING:
            self._by_pts.pop(next(iter(self._by_pts)))

    def pop(self, frame: av.VideoFrame) -> Array | None:
        """The alpha of a picture as it comes out of the decoder; None where it has none."""
        alpha = self._by_pts.pop(frame.pts, None)
        is_fitting = alpha is not None and alpha.shape == (frame.height, frame.width)
        return alpha if is_fitting else None

    def flush(self) -> None:
        """Before reading goes on elsewhere."""
        self._decoder.flush_buffers()
        self._by_pts.clear()
