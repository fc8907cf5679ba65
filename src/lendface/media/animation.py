"""Frames into an animated GIF, PNG or WebP: upright, in RGB, with what shines through them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np

from ..engine.types import Array, Frame, Picture, Pixels
from ..errors import OutputError
from .encode import ANIMATIONS, EncodeOptions, alpha_of, fitted_size
from .failures import writing
from .picture_size import PNG_SIGNATURE, count_plays
from .planes import PlanesPicture, whole
from .probe import MediaInfo

TICK = {"gif": Fraction(1, 100), "apng": Fraction(1, 1000), "webp": Fraction(1, 1000)}
# Browsers show a GIF's frame of less than 0.02 s for 0.1 s.
SHORTEST = {"gif": 2, "apng": 1, "webp": 1}  # ticks
PIX_FMTS = {"gif": ("rgb24", "rgba"), "apng": ("rgb24", "rgba"), "webp": ("bgra", "bgra")}
LOOP_OPTION = {"gif": "loop", "apng": "plays", "webp": "loop"}
WEBP_QUALITY = 90  # of 100; where 75 is usual the edges of faces show blocks
LARGEST_CRF = 63
LONGEST_WEBP_MS = (1 << 24) - 1


class AnimationWriter:
    """Takes frames in order, as ``VideoWriter`` does; see ``open_writer``."""

    def __init__(self, path: Path, container: str, info: MediaInfo, options: EncodeOptions) -> None:
        self.warnings = what_is_lost(container, info)
        self.frame_count = 0
        self._path, self._container, self._info, self._options = path, container, info, options
        self._has_alpha = info.decodes_alpha
        self._closing = ExitStack()
        self._target: Any = None
        self._stream: Any = None
        self._colours: Palettes | None = None
        self._waiting: Any = None  # the last packet, until it is known how long it is shown
        self._origin = Fraction(0)
        self._last_pts = -1
        self._end: int | None = None

    def write(self, frame: Frame, until: Fraction | None = None) -> None:
        """Encode one frame; ``until``: when it ends, where that is not as in the source.

        Raises DiskFullError, EncoderError, OutputError.
        """
        with writing():
            pixels = self._pixels(frame.picture)
            if self._target is None:
                self._open(frame, pixels)
            tick, start = TICK[self._container], frame.time - self._origin
            pts = round(start / tick)
            end = start + self._length(frame) if until is None else until - self._origin
            self._end = max(round(end / tick), pts + SHORTEST[self._container])
            if self._last_pts < 0 or pts - self._last_pts >= SHORTEST[self._container]:
                self._last_pts = pts
                self._encode(pixels, pts)
        self.frame_count += 1

    def finish(self) -> None:
        """Write what is still under way and the end of the file."""
        if self._target is None:
            raise OutputError("no frame was written, so there is no video")
        with writing():
            for frame in self._colours.rest() if self._colours else []:
                self._hold(self._stream.encode(frame))
            self._hold(self._stream.encode(None))
            self._release(self._end)
            self._target.close()
            if self._container in END:
                END[self._container](self._path, self._end or 0, self._last_pts)

    def close(self) -> None:
        """Let go of everything; what was not finished is lost."""
        self._closing.close()

    def _open(self, frame: Frame, pixels: Pixels) -> None:
        self._origin = frame.time
        plays = count_plays(self._info.path)
        self._target = av.open(
            str(self._path),
            "w",
            format=self._container,
            container_options=self._muxer_options(plays),
        )
        self._closing.callback(abandon, self._target)
        height, width = pixels.shape[:2]
        stream = self._target.add_stream(ANIMATIONS[self._container], rate=25)
        stream.width, stream.height = width, height
        stream.pix_fmt = "pal8" if self._container == "gif" else self._pix_fmt
        stream.codec_context.time_base = stream.time_base = TICK[self._container]
        stream.options = self._encoder_options()
        self._stream = stream
        if self._container == "gif":
            self._colours = Palettes(width, height, self._pix_fmt)

    @property
    def _pix_fmt(self) -> str:
        return PIX_FMTS[self._container][self._has_alpha]

    def _muxer_options(self, plays: int) -> dict[str, str]:
        """How often it is shown; GIF counts the times after the first, -1 is none."""
        times = (plays - 1 or -1) if plays and self._container == "gif" else plays
        return {LOOP_OPTION[self._container]: str(times)}

    def _encoder_options(self) -> dict[str, str]:
        if self._container != "webp":
            return {}
        if self._options.is_lossless:
            return {"lossless": "1"}
        asked = self._options.quality
        return {"quality": str(WEBP_QUALITY if asked is None else 100 - 100 * asked / LARGEST_CRF)}

    def _pixels(self, picture: Picture) -> Pixels:
        """(h, w, 4) where it is see-through, else (h, w, 3), uint8, at the size of the result."""
        rgb = np.uint8(np.rint(picture.region(whole(picture))))
        if self._has_alpha:
            rgb = np.dstack([rgb, upright_alpha(picture)])
        size_wh = fitted_size(picture.size_wh, Fraction(1), self._options.max_long_side)
        if size_wh != picture.size_wh:
            rgb = cv2.resize(rgb, size_wh, interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(rgb)

    def _length(self, frame: Frame) -> Fraction:
        ticks = 0
        if isinstance(frame.picture, PlanesPicture):
            ticks = frame.picture.carrier.frame.duration or 0
        return ticks * self._info.time_base or 1 / self._info.frame_rate

    def _encode(self, pixels: Pixels, pts: int) -> None:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba" if self._has_alpha else "rgb24")
        if self._colours is None:
            frame = frame.reformat(format=self._pix_fmt)
        frame.pts, frame.time_base = pts, TICK[self._container]
        frames = self._colours.chosen(frame) if self._colours else [frame]
        for one in frames:
            self._hold(self._stream.encode(one))

    def _hold(self, packets: list[Any]) -> None:
        for packet in packets:
            self._release(packet.pts)
            self._waiting = packet

    def _release(self, end: int | None) -> None:
        """Write the packet that waits, which is shown until then."""
        packet, self._waiting = self._waiting, None
        if packet is None:
            return
        if end is not None and self._container != "webp":  # one packet holds all frames of a WebP
            packet.duration = end - packet.pts
        packet.stream = self._stream
        self._target.mux(packet)


class Palettes:
    """Gives each frame the 256 colours that suit it best."""

    def __init__(self, width: int, height: int, pix_fmt: str) -> None:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=width,
            height=height,
            format=av.VideoFormat(pix_fmt),
            time_base=TICK["gif"],
        )
        split, sink = graph.add("split"), graph.add("buffersink")
        keep = int(pix_fmt == "rgba")
        palette = graph.add("palettegen", f"stats_mode=single:reserve_transparent={keep}")
        use = graph.add("paletteuse", "new=1")
        source.link_to(split)
        split.link_to(use, 0, 0)
        split.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        self._graph = graph

    def chosen(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        self._graph.vpush(frame)
        yield from self._ready()

    def rest(self) -> Iterator[av.VideoFrame]:
        self._graph.vpush(None)
        yield from self._ready()

    def _ready(self) -> Iterator[av.VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def what_is_lost(container: str, info: MediaInfo) -> list[str]:
    """Warnings."""
    lost = []
    if any(stream.type == "audio" for stream in info.other_streams):
        lost.append(f"the sound is lost: an animated {container} has none")
    if info.has_alpha and not info.decodes_alpha:
        lost.append("the video's transparency is lost: it does not decode")
    if info.bit_depth > 8:
        lost.append(f"{info.bit_depth} bits per sample become 8")
    if container == "gif" and info.container != "gif":
        lost.append("GIF has 256 colours a frame and counts time in hundredths of a second")
    return lost


def upright_alpha(picture: Picture) -> Array:
    """(h, w) uint8, as the picture is shown; opaque where it has no alpha."""
    width, height = picture.size_wh
    alpha = alpha_of(picture)
    if alpha is None or not isinstance(picture, PlanesPicture):
        return np.full((height, width), 255, np.uint8)
    shown = picture.layout.placement.upright(alpha)
    return cv2.resize(shown, (width, height)) if shown.shape != (height, width) else shown


def end_webp(path: Path, end_ms: int, last_ms: int) -> None:
    """Say how long the last frame is shown, which the encoder guesses from those before
    (RFC 9649, section 2.7.1.1: 24 bits behind the frame's place and size)."""
    with path.open("r+b") as file:
        last, at = None, file.seek(12)
        while len(head := file.read(8)) == 8:
            if head[:4] == b"ANMF":
                last = at + 8 + 12
            length = int.from_bytes(head[4:], "little")
            at = file.seek(at + 8 + length + (length & 1))
        if last is not None:
            file.seek(last)
            file.write(min(end_ms - last_ms, LONGEST_WEBP_MS).to_bytes(3, "little"))


def end_apng(path: Path, end_ms: int, last_ms: int) -> None:
    """The same for a PNG, whose muxer takes the frame before as an example (PNG 3rd edition,
    section 11.3.7.2: numerator and denominator of seconds, 16 bits each)."""
    with path.open("r+b") as file:
        last, at = None, file.seek(len(PNG_SIGNATURE))
        while len(head := file.read(8)) == 8:
            if head[4:] == b"fcTL":
                last = at
            at = file.seek(at + 12 + int.from_bytes(head[:4], "big"))
        if last is not None:
            shown = Fraction(end_ms - last_ms, 1000).limit_denominator(1 << 15)
            file.seek(last + 4)
            chunk = bytearray(file.read(30))
            over = min(shown.numerator, (1 << 16) - 1)
            chunk[24:28] = struct.pack(">HH", over, shown.denominator)
            file.seek(last + 4)
            file.write(chunk + struct.pack(">I", zlib.crc32(chunk)))


END = {"webp": end_webp, "apng": end_apng}


def abandon(target: Any) -> None:
    """Close a container whose file is thrown away; a finished one does not mind."""
    try:
        target.close()
    except (av.error.FFmpegError, ValueError, OSError):
        return
