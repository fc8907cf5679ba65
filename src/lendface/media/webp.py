"""Animated WebP in the form of a PyAV container: FFmpeg reads still WebP only.

Sizes, times and the number of frames come from the file's own chunks (RFC 9649), before anything is
decoded; the pictures come from Pillow, whose libwebp puts each frame on the canvas as browsers do.
"""

from __future__ import annotations

import errno
import io
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import av
import av.stream
import numpy as np

from ..errors import MediaTooManyPixelsError, UnreadableMediaError
from .images import MOST_PIXELS

TICK = Fraction(1, 1000)
SHORTEST_MS, USUAL_MS = 10, 100  # what is not shown longer is shown so long, as in browsers
ALPHA = 0x10  # flag of VP8X
CUT_OFF = "the file is cut off"


@dataclass(frozen=True)
class WebpHeader:
    """What an animation says of itself."""

    canvas_wh: tuple[int, int]
    has_alpha: bool
    plays: int  # 0: for ever
    durations_ms: array[int]  # of each frame that is whole
    length: int  # bytes, to the end of the last such frame
    is_whole: bool


def read_header(path: Path, most_frames: int | None = None) -> WebpHeader:
    """Walk the chunks, to the end or until there are more than ``most_frames``.

    Raises UnreadableMediaError where they contradict each other.
    """
    with path.open("rb") as file:
        head = file.read(30)
        size = path.stat().st_size
        if len(head) < 30 or head[12:16] != b"VP8X":
            raise UnreadableMediaError(path.name, "the picture does not say its size")
        canvas = 1 + _uint24(head, 24), 1 + _uint24(head, 27)
        plays, durations, end, is_whole = 0, array("I"), 30, True
        for kind, start, length in _chunks(file, 30, size):
            if not (is_whole := start + length <= size):
                break
            end = min(size, start + length + (length & 1))
            if kind == b"ANIM":
                plays = int.from_bytes(file.read(6)[4:], "little")
            if kind == b"ANMF":
                durations.append(_frame_ms(path, file.read(16), canvas))
                if most_frames is not None and len(durations) > most_frames:
                    break
        if not durations:
            raise UnreadableMediaError(path.name, "no frame of its video decodes")
        return WebpHeader(canvas, bool(head[20] & ALPHA), plays, durations, end, is_whole)


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its data begins, how long that is); the file stands where the data begins."""
    while start + 8 <= end:
        file.seek(start)
        kind, length = struct.unpack("<4sI", file.read(8))
        yield kind, start + 8, length
        start += 8 + length + (length & 1)


def _frame_ms(path: Path, head: bytes, canvas_wh: tuple[int, int]) -> int:
    """How long a frame is shown. Raises UnreadableMediaError for one beyond the canvas."""
    x, y, width, height, shown_ms = (_uint24(head, at) for at in (0, 3, 6, 9, 12))
    if 2 * x + width + 1 > canvas_wh[0] or 2 * y + height + 1 > canvas_wh[1]:
        raise UnreadableMediaError(path.name, "a frame of the animation lies outside of it")
    return shown_ms if shown_ms > SHORTEST_MS else USUAL_MS


def _uint24(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")


def open_webp(path: Path) -> WebpContainer:
    """Raises UnreadableMediaError, MediaTooManyPixelsError."""
    header = read_header(path)
    width, height = header.canvas_wh
    if width * height > MOST_PIXELS:
        raise MediaTooManyPixelsError(path.name, header.canvas_wh, MOST_PIXELS, of_a_side=False)
    return WebpContainer(path, header)


def decodes(path: Path) -> bool:
    """Whether the first frame does."""
    try:
        container = open_webp(path)
        return bool(next(container.demux()).decode())
    except (UnreadableMediaError, MediaTooManyPixelsError, OSError):
        return False


class WebpContainer:
    """What readers of a film use of ``av.container.InputContainer``, for an animated WebP."""

    def __init__(self, path: Path, header: WebpHeader) -> None:
        self.name = str(path)
        self.format = SimpleNamespace(name="webp")
        self.metadata: dict[str, str] = {}
        self._ends = list(accumulate(header.durations_ms))
        self._is_whole = header.is_whole
        self._next = 0
        self.duration = self._ends[-1] * 1000  # microseconds
        self.streams = WebpStreams([_stream(header, WebpDecoder(path, header), self._ends)])

    def demux(self, *_: Any) -> Iterator[WebpPacket]:
        (stream,) = self.streams
        while self._next < len(self._ends):
            index, self._next = self._next, self._next + 1
            pts = self._ends[index - 1] if index else 0
            yield WebpPacket(stream, index, pts, self._ends[index] - pts)
        if not self._is_whole:
            raise OSError(errno.EIO, CUT_OFF)
        yield WebpPacket(stream, None, None, 0)

    def seek(self, pts: int, **_: Any) -> None:
        """To the frame that is shown at ``pts`` milliseconds."""
        shown = (index for index, end in enumerate(self._ends) if end > pts)
        self._next = next(shown, len(self._ends) - 1)

    def chapters(self) -> list[Any]:
        return []

    def close(self) -> None:
        self.streams[0].codec_context.close()


class WebpStreams(list[Any]):
    """The one stream, as PyAV lists streams."""

    @property
    def video(self) -> list[Any]:
        return list(self)

    @property
    def audio(self) -> list[Any]:
        return []


@dataclass(frozen=True, eq=False)
class WebpPacket:
    """A frame that is not decoded yet; without an index the flush packet at the end."""

    stream: Any
    index: int | None
    pts: int | None
    duration: int
    time_base: Fraction = TICK
    is_keyframe: bool = True  # the decoder goes back to what a frame needs by itself
    is_discard: bool = False
    stream_index: int = 0

    @property
    def dts(self) -> int | None:
        return self.pts

    @property
    def size(self) -> int:
        return int(self.index is not None)

    def decode(self) -> list[av.VideoFrame]:
        return self.stream.codec_context.decode(self)


@dataclass
class WebpDecoder:
    """What is used of a codec context; it opens the file when the first frame is wanted."""

    path: Path
    header: WebpHeader
    options: dict[str, str] = field(default_factory=dict)
    thread_count: int = 1
    thread_type: str = "NONE"
    field_order: int = 0
    color_primaries: int = 2
    color_trc: int = 2
    colorspace: int = 2
    color_range: int = 0
    extradata: bytes | None = None
    codec: Any = field(default_factory=lambda: SimpleNamespace(canonical_name="webp"))
    _image: Any = None

    @property
    def width(self) -> int:
        return self.header.canvas_wh[0]

    @property
    def height(self) -> int:
        return self.header.canvas_wh[1]

    @property
    def pix_fmt(self) -> str:
        return "rgba" if self.header.has_alpha else "rgb24"

    @property
    def format(self) -> Any:
        return av.VideoFormat(self.pix_fmt, self.width, self.height)

    def decode(self, packet: WebpPacket | None = None) -> list[av.VideoFrame]:
        """Raises OSError for what does not decode."""
        if packet is None or packet.index is None or packet.pts is None:
            return []
        from PIL import Image

        try:
            image = self._opened()
            image.seek(packet.index)
            pixels = np.asarray(image.convert("RGBA" if self.header.has_alpha else "RGB"))
        except (EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
            raise OSError(errno.EINVAL, "a frame does not decode") from fault
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format=self.pix_fmt)
        frame.pts, frame.time_base, frame.duration = packet.pts, TICK, packet.duration
        return [frame]

    def flush_buffers(self) -> None:
        return

    def close(self) -> None:
        self._image = None

    def _opened(self) -> Any:
        from PIL.WebPImagePlugin import WebPImageFile  # 40 ms, for what few targets are

        if self._image is None:
            self._image = WebPImageFile(io.BytesIO(self._whole_frames()))
        return self._image

    def _whole_frames(self) -> bytes:
        """The file; where its end is missing, a shorter one that says so."""
        with self.path.open("rb") as file:
            data = file.read(self.header.length)
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def _stream(header: WebpHeader, decoder: WebpDecoder, ends: list[int]) -> SimpleNamespace:
    rate = Fraction(len(ends) * 1000, ends[-1])
    return SimpleNamespace(
        index=0,
        id=1,
        type="video",
        codec_context=decoder,
        width=decoder.width,
        height=decoder.height,
        disposition=av.stream.Disposition.default,
        discard=None,
        time_base=TICK,
        frames=len(ends),
        start_time=0,
        duration=ends[-1],
        average_rate=rate,
        guessed_rate=rate,
        base_rate=rate,
        sample_aspect_ratio=None,
        metadata={},
    )
