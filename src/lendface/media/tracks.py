"""One stream beside the picture on its way into the output: copied, or encoded anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import floor
from typing import Any, Protocol

import av
import av.error
from av.subtitles.subtitle import AssSubtitle

from .failures import FULL, plain_reason, write_error
from .reorder import Reorder

AUDIO_CODEC = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus"}
AUDIO_BITS_PER_CHANNEL = 96_000
PLAIN_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
NOTICEABLE_S = Fraction(1, 25)  # of a move of sound against the picture


@dataclass(frozen=True)
class Span:
    """The part of the source's time that the output shows; the output begins at 0 of it."""

    start: Fraction | None = None  # time of the first frame; None: nothing is cut or moved
    end: Fraction | None = None

    def ticks(self, time_base: Fraction) -> int:
        """The start in a stream's own ticks."""
        return 0 if self.start is None else round(self.start / time_base)


class Track(Protocol):
    """One stream on its way into the output."""

    def take(self, packet: Any) -> None: ...
    def finish(self) -> None: ...


class Outlet:
    """Where a track's packets leave: one stream of the output, whose times only grow.

    They are made to grow on the clock of the output, which may be coarser than the source's; the
    muxer would refuse them otherwise, and with them the whole film. The presentation times of
    pictures are never moved: ``reorder`` gives them decoding times instead.
    """

    def __init__(
        self, target: Any, stream: Any, name: str, warnings: list[str], reorder: Reorder | None
    ) -> None:
        self._target, self._stream, self._name, self._warnings = target, stream, name, warnings
        self._reorder = reorder
        self._last_dts: int | None = None
        self._most_moved = Fraction(0)
        self._moved_at: Fraction | None = None
        self._refused = 0

    def mux(self, packet: Any) -> None:
        """Write a packet whose times are those of the output, in ticks of any clock.

        Raises DiskFullError and OutputError; a packet that the container does not take is left out.
        """
        self._target.start_encoding()  # only then is it settled which clock the container uses
        rescale(packet, self._stream.time_base)
        if self._reorder is None or packet.pts is None:  # AVI says only when it is decoded
            self._make_grow(packet)
        else:
            self._reorder.place(packet)
        packet.stream = self._stream
        try:
            self._target.mux(packet)
        except (av.error.ArgumentError, av.error.InvalidDataError, ValueError):
            self._refused += 1
        except (av.error.FFmpegError, OSError) as fault:
            raise write_error(fault) from fault

    def finish(self) -> None:
        """Tell what had to be changed."""
        if self._moved_at is not None:
            self._warnings.append(
                f"{self._name} steps back by up to {float(self._most_moved):.2f} s (at "
                f"{float(self._moved_at):.2f} s); its packets were moved so that times grow"
            )
        if self._refused:
            self._warnings.append(
                f"{self._refused} packets of {self._name} were left out: "
                f"{self._target.format.name} does not take them"
            )

    def _make_grow(self, packet: Any) -> None:
        dts = packet.pts if packet.dts is None else packet.dts
        pts = dts if packet.pts is None else packet.pts
        if self._last_dts is not None and dts <= self._last_dts:
            moved = (self._last_dts + 1 - dts) * packet.time_base
            if moved > NOTICEABLE_S:
                self._moved_at = self._moved_at or dts * packet.time_base
                self._most_moved = max(self._most_moved, moved)
            dts = self._last_dts + 1
        packet.pts, packet.dts, self._last_dts = max(pts, dts), dts, dts


def rescale(packet: Any, time_base: Fraction) -> None:
    """The packet's times in another clock, to the nearest tick."""
    ratio = packet.time_base / time_base
    for name in ("pts", "dts", "duration"):
        value = getattr(packet, name)
        if value is not None:
            setattr(packet, name, floor(value * ratio + Fraction(1, 2)))
    packet.time_base = time_base


@dataclass(frozen=True)
class AudioKind:
    """Rate in Hz and channel layout of a sound."""

    rate: int
    layout: Any  # PyAV's


class CopiedTrack:
    """Packets as they are; only a trim moves their times."""

    def __init__(self, outlet: Outlet, span: Span) -> None:
        self._outlet, self._span = outlet, span

    def take(self, packet: Any) -> None:
        move = self._span.ticks(packet.time_base)
        packet.pts = None if packet.pts is None else packet.pts - move
        packet.dts = None if packet.dts is None else packet.dts - move
        self._outlet.mux(packet)

    def finish(self) -> None:
        self._outlet.finish()


class EncodedAudio:
    """Sound decoded and encoded again, at its old times.

    Raises ValueError where no encoder takes it.
    """

    def __init__(
        self,
        target: Any,
        source: Any,
        kind: AudioKind,
        span: Span,
        make_outlet: Callable[[Any], Outlet],
    ) -> None:
        codec, channels = AUDIO_CODEC[target.format.name], kind.layout.nb_channels
        plain = PLAIN_LAYOUTS.get(channels, "stereo")
        if "channels" in kind.layout.name and source.codec_context.rate:
            source.codec_context.layout = plain  # the file does not say which is which
        rate, layout = first_that_opens(codec, kind.rate, (kind.layout.name, plain, "stereo"))
        self.stream = target.add_stream(codec, rate=rate)
        self.stream.codec_context.layout = layout
        self.stream.codec_context.time_base = Fraction(1, rate)
        self.stream.codec_context.bit_rate = AUDIO_BITS_PER_CHANNEL * max(1, channels)
        self._source, self._span = source, span
        self._outlet = make_outlet(self.stream)
        self._converter: AudioConverter | None = None

    def take(self, packet: Any) -> None:
        try:
            frames = self._source.codec_context.decode(packet)
        except (av.error.FFmpegError, OSError):
            return  # one broken packet of sound is a gap, not the end
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= self._span.ticks(frame.time_base)
            self._encode(self._opened().convert(frame))

    def finish(self) -> None:
        try:
            frames = self._source.codec_context.decode(None)
        except (av.error.FFmpegError, OSError):
            frames = []
        for frame in frames:
            self._encode(self._opened().convert(frame))
        self._encode([*self._opened().end(), None])
        self._outlet.finish()

    def _opened(self) -> AudioConverter:
        if self._converter is None:
            context = self.stream.codec_context
            context.open(strict=False)
            self._converter = AudioConverter(context)
        return self._converter

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            for packet in self.stream.encode(frame):
                self._outlet.mux(packet)


class AudioConverter:
    """Makes of sound, whose layout and rate may change on the way, what one encoder takes."""

    def __init__(self, context: Any) -> None:
        self._wanted = context.format, context.layout, context.rate
        self._framer = av.AudioResampler(*self._wanted, context.frame_size or None)
        self._resampler: Any = None
        self._taken: tuple[str, str, int] | None = None

    def convert(self, frame: Any) -> list[Any]:
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        ready = list[Any]()
        if kind != self._taken:
            ready += self._resampled(None)
            self._resampler, self._taken = av.AudioResampler(*self._wanted), kind
        return self._framed(ready + self._resampled(frame))

    def end(self) -> list[Any]:
        """What is still inside."""
        return [*self._framed(self._resampled(None)), *self._framer.resample(None)]

    def _resampled(self, frame: Any) -> list[Any]:
        made = [] if self._resampler is None else self._resampler.resample(frame)
        return [ready for ready in made if ready is not None]

    def _framed(self, frames: list[Any]) -> list[Any]:
        made = list[Any]()
        for frame in frames:
            on_clock(frame, Fraction(1, self._wanted[2]))  # the framer knows one clock only
            made += self._framer.resample(frame)
        return made


def on_clock(frame: Any, time_base: Fraction) -> None:
    """The same time in another clock."""
    if frame.pts is not None:
        frame.pts = floor(frame.pts * frame.time_base / time_base + Fraction(1, 2))
    frame.time_base = time_base


def first_that_opens(codec: str, rate: int, layouts: tuple[str, ...]) -> tuple[int, str]:
    """The sample rate and channel layout nearest to the wish that the encoder takes."""
    for wanted_rate, layout in product((rate, 48_000), layouts):
        context = av.CodecContext.create(codec, "w")
        try:
            context.rate, context.layout = wanted_rate, layout
            context.format = av.Codec(codec, "w").audio_formats[0]
            context.open()
        except (av.error.FFmpegError, ValueError):
            continue
        return wanted_rate, layout
    raise ValueError(f"{codec} takes neither {rate} Hz nor 48000 Hz")


class ConvertedText:
    """Subtitles that the container wants in another text format; plain text is what remains."""

    def __init__(
        self,
        target: Any,
        codec: str,
        span: Span,
        make_outlet: Callable[[Any], Outlet],
    ) -> None:
        self.stream = target.add_stream(codec)
        self.stream.codec_context.time_base = Fraction(1, 1000)
        self.stream.codec_context.subtitle_header = ASS_HEADER
        self.stream.time_base = Fraction(1, 1000)
        self._codec, self._span, self._outlet = codec, span, make_outlet(self.stream)

    def take(self, packet: Any) -> None:
        try:
            rects = packet.decode()
        except (av.error.FFmpegError, OSError):
            return
        text = "\n".join(plain_text(rect) for rect in rects if isinstance(rect, AssSubtitle))
        if not text.strip():
            return
        start = packet.pts * packet.time_base - (self._span.start or 0)
        data = text.encode()
        if self._codec == "mov_text":
            data = len(data).to_bytes(2, "big") + data
        converted = av.Packet(data)
        converted.pts = converted.dts = round(start * 1000)
        converted.duration = round((packet.duration or 0) * packet.time_base * 1000)
        converted.time_base = Fraction(1, 1000)
        self._outlet.mux(converted)

    def finish(self) -> None:
        self._outlet.finish()


class ForgivenTrack:
    """A track whose own faults end it and not the film; the user is told."""

    def __init__(self, track: Track, name: str, warnings: list[str]) -> None:
        self._track, self._name, self._warnings = track, name, warnings
        self._has_ended = False

    def take(self, packet: Any) -> None:
        if not self._has_ended:
            stamp = packet.dts if packet.pts is None else packet.pts  # AVI has the one, FLV both
            self._try(lambda: self._track.take(packet), float((stamp or 0) * packet.time_base))

    def finish(self) -> None:
        if not self._has_ended:
            self._try(self._track.finish, None)

    def _try(self, step: Callable[[], None], at_s: float | None) -> None:
        try:
            step()
        except (av.error.FFmpegError, ValueError, OSError) as fault:
            if getattr(fault, "errno", None) in FULL:
                raise
            self._has_ended = True
            where = "at its end" if at_s is None else f"from {at_s:.2f} s on"
            self._warnings.append(f"{self._name} is missing {where} ({plain_reason(fault)})")


ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def plain_text(rect: AssSubtitle) -> str:
    text = rect.dialogue.decode("utf-8", "replace").replace("\\N", "\n").replace("\\h", " ")
    return re.sub(r"\{[^}]*\}", "", text).strip()
