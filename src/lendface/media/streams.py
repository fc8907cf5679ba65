"""Everything in a file that is not the picture: sound, subtitles, attachments, chapters, tags."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, product
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import av.stream
from av.subtitles.subtitle import AssSubtitle

from .probe import codec_name, open_container

TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
TEXT_CODEC = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
AUDIO_CODEC = {"mp4": "aac", "mov": "aac", "matroska": "aac", "webm": "libopus"}
FIRST_PACKETS = 300
AUDIO_BITS_PER_CHANNEL = 96_000
PLAIN_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
MUXER_OWN_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
)
ITUNES_TAGS = frozenset(
    {"title", "artist", "album_artist", "composer", "album", "date", "comment", "genre"}
    | {"copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id"}
    | {"network", "keywords", "track", "disc", "creation_time", "location", "author", "year"}
)


@dataclass(frozen=True)
class Span:
    """The part of the source's time that the output shows; the output begins at 0 of it."""

    start: Fraction | None = None  # time of the first frame; None: nothing is cut or moved
    end: Fraction | None = None


class Track(Protocol):
    """One stream on its way into the output."""

    def take(self, packet: Any) -> None: ...
    def finish(self) -> None: ...


class SideStreams:
    """Copies what belongs to the film into an output, in step with the video.

    ``declare`` before the header is written, then ``advance`` as video packets go out, ``finish``
    at the end. Reads the source a second time, so memory does not depend on its length.
    """

    def __init__(self, path: Path, video_index: int, target: Any, span: Span) -> None:
        self.warnings: list[str] = []
        self._target, self._span = target, span
        self._closing = ExitStack()
        self._source = self._closing.enter_context(open_container(path))
        self._first_packets = first_packets(path)
        self._video_index = video_index
        self._tracks: dict[int, Track] = {}
        self._waiting: Any = None
        self._packets: Iterator[Any] = iter(())

    def close(self) -> None:
        self._closing.close()

    def declare(self, add_video: Callable[[], None]) -> None:
        """Add all output streams in the source's order; ``add_video`` adds the picture."""
        for stream in self._source.streams:
            if stream.index == self._video_index:
                add_video()
            else:
                self._declare(stream)
        copy_file_tags(self._source, self._target, self._span)
        wanted = [s for s in self._source.streams if s.index in self._tracks]
        for stream in self._source.streams:
            if stream.index not in self._tracks:
                stream.discard = av.stream.Discard.all
        self._packets = self._demuxed(wanted) if wanted else iter(())

    def advance(self, until: Fraction) -> None:
        """Write every packet that is due before ``until`` seconds of the source."""
        while (packet := self._peek()) is not None and packet_time(packet) < until:
            self._waiting = None
            if self._is_in_span(packet):
                self._tracks[packet.stream.index].take(packet)

    def finish(self) -> None:
        """Write the rest."""
        self.advance(Fraction(1 << 62))
        for track in self._tracks.values():
            track.finish()

    def _peek(self) -> Any:
        if self._waiting is None:
            self._waiting = next(self._packets, None)
        return self._waiting

    def _demuxed(self, streams: list[Any]) -> Iterator[Any]:
        """Packets until the end or the first fault: a cut-off file ends early, the video too."""
        packets = self._source.demux(streams)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                return
            if packet is None:
                return
            if packet.dts is None and packet.pts is None:
                if packet.size == 0:  # the flush packet at the end
                    continue
                packet.pts = packet.dts = 0
            yield packet

    def _is_in_span(self, packet: Any) -> bool:
        span, base = self._span, packet.time_base
        start = (packet.pts if packet.pts is not None else packet.dts) * base
        end = start + (packet.duration or 0) * base
        if span.end is not None and start >= span.end:
            return False
        return span.start is None or end > span.start or start >= span.start

    def _declare(self, stream: Any) -> None:
        """Copy, else convert, else leave out with a warning."""
        container = self._target.format.name
        if can_carry(self._target, stream, self._first_packets.get(stream.index)):
            self._tracks[stream.index] = self._copied(stream)
            return
        convert = {"audio": self._encoded_audio, "subtitle": self._converted_text}
        track = convert.get(stream.type, lambda _: None)(stream)
        name = f"{stream.type} stream {stream.index} ({codec_name(stream)})"
        if track is None:
            self.warnings.append(f"{name} was left out: {container} cannot carry it")
        else:
            self._tracks[stream.index] = track

    def _copied(self, stream: Any) -> Track:
        copy = self._target.add_stream_from_template(stream, opaque=True)
        copy_stream_tags(stream, copy)
        return CopiedTrack(self._target, copy, self._span)

    def _encoded_audio(self, stream: Any) -> Track | None:
        if stream.codec_context is None or not stream.codec_context.rate:
            return None
        try:
            track = EncodedAudio(self._target, stream, self._span)
        except ValueError:
            return None
        copy_stream_tags(stream, track.stream)
        self.warnings.append(
            f"audio stream {stream.index} was re-encoded from {codec_name(stream)} to "
            f"{track.stream.codec_context.codec.canonical_name}: "
            f"{self._target.format.name} cannot carry it"
        )
        return track

    def _converted_text(self, stream: Any) -> Track | None:
        if stream.codec_context is None or codec_name(stream) not in TEXT_SUBTITLES:
            return None
        codec = TEXT_CODEC[self._target.format.name]
        track = ConvertedText(self._target, stream, codec, self._span)
        copy_stream_tags(stream, track.stream)
        self.warnings.append(
            f"subtitle stream {stream.index} was converted from {codec_name(stream)} to {codec}; "
            "its styling is lost"
        )
        return track


class CopiedTrack:
    """Packets as they are; only a trim moves their times."""

    def __init__(self, target: Any, stream: Any, span: Span) -> None:
        self._target, self._stream, self._span = target, stream, span
        self._last_dts: int | None = None

    def take(self, packet: Any) -> None:
        move = offset(self._span, packet.time_base)
        pts, dts = packet.pts, packet.dts
        dts = (pts if dts is None else dts) - move
        pts = dts if pts is None else pts - move
        if self._last_dts is not None and dts <= self._last_dts:
            dts = self._last_dts + 1  # muxers refuse times that stand still
        packet.pts, packet.dts, self._last_dts = max(pts, dts), dts, dts
        packet.stream = self._stream
        self._target.mux(packet)

    def finish(self) -> None:
        return


class EncodedAudio:
    """Sound that the container cannot carry, decoded and encoded again, at its old times.

    Raises ValueError where no encoder takes it.
    """

    def __init__(self, target: Any, source: Any, span: Span) -> None:
        codec, context = AUDIO_CODEC[target.format.name], source.codec_context
        channels = context.layout.nb_channels
        plain = PLAIN_LAYOUTS.get(channels, "stereo")
        if "channels" in context.layout.name:  # the file does not say which is which
            context.layout = plain
        rate, layout = first_that_opens(codec, context.rate, (context.layout.name, plain, "stereo"))
        self.stream = target.add_stream(codec, rate=rate)
        self.stream.codec_context.layout = layout
        self.stream.codec_context.time_base = Fraction(1, rate)
        self.stream.codec_context.bit_rate = AUDIO_BITS_PER_CHANNEL * max(1, channels)
        self._target, self._source, self._span = target, source, span
        self._resampler: Any = None

    def take(self, packet: Any) -> None:
        try:
            frames = self._source.codec_context.decode(packet)
        except (av.error.FFmpegError, OSError):
            return  # one broken packet of sound is a gap, not the end
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= offset(self._span, frame.time_base)
            self._encode(self._converter().resample(frame))

    def finish(self) -> None:
        try:
            frames = self._source.codec_context.decode(None)
        except (av.error.FFmpegError, OSError):
            frames = []
        for frame in frames:
            self._encode(self._converter().resample(frame))
        self._encode(self._converter().resample(None))
        self._encode([None])

    def _converter(self) -> Any:
        if self._resampler is None:
            context = self.stream.codec_context
            context.open(strict=False)
            self._resampler = av.AudioResampler(
                context.format, context.layout, context.rate, context.frame_size or None
            )
        return self._resampler

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            for packet in self.stream.encode(frame):
                self._target.mux(packet)


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

    def __init__(self, target: Any, source: Any, codec: str, span: Span) -> None:
        self.stream = target.add_stream(codec)
        self.stream.codec_context.time_base = Fraction(1, 1000)
        self.stream.codec_context.subtitle_header = ASS_HEADER
        self.stream.time_base = Fraction(1, 1000)
        self._codec, self._target, self._source, self._span = codec, target, source, span

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
        converted.time_base, converted.stream = Fraction(1, 1000), self.stream
        self._target.mux(converted)

    def finish(self) -> None:
        return


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


def packet_time(packet: Any) -> Fraction:
    """When the packet is due, in seconds of the source."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return stamp * packet.time_base


def offset(span: Span, time_base: Fraction) -> int:
    """The span's start in a stream's own ticks."""
    return 0 if span.start is None else round(span.start / time_base)


def can_carry(target: Any, stream: Any, first_packet: Any) -> bool:
    """True when the container takes the stream as it is: tried on a file in memory."""
    trial = av.open(io.BytesIO(), "w", format=target.format.name)
    try:
        copy = trial.add_stream_from_template(stream, opaque=True)
        copy_stream_tags(stream, copy)
        trial.start_encoding()
        if first_packet is not None:  # some refuse only then, or when they write the end
            first_packet.stream = copy
            trial.mux(first_packet)
        trial.close()
    except (av.error.FFmpegError, ValueError, OSError):
        return False
    finally:
        abandon(trial)
    return True


def first_packets(path: Path) -> dict[int, Any]:
    """The first packet of each stream, as far as the beginning of the file has one."""
    found: dict[int, Any] = {}
    with open_container(path) as source:
        wanted = sum(stream.type != "attachment" for stream in source.streams)
        try:
            for packet in islice(source.demux(), FIRST_PACKETS):
                if packet.size and packet.pts is not None and packet.dts is not None:
                    found.setdefault(packet.stream.index, packet)
                if len(found) == wanted:
                    break
        except (av.error.FFmpegError, OSError):
            return found
    return found


def abandon(container: Any) -> None:
    """Close without caring about what was not written."""
    try:
        container.close()
    except (av.error.FFmpegError, ValueError, OSError):
        return


def copy_stream_tags(source: Any, copy: Any) -> None:
    """Language, title, handler and the marks default, forced, for the hard of hearing, ..."""
    copy.metadata.update(kept_tags(source.metadata))
    copy.disposition = source.disposition


def kept_tags(tags: dict[str, str]) -> dict[str, str]:
    """Without what the muxer writes itself or what counted the old packets."""
    return {
        name: value
        for name, value in tags.items()
        if name.lower() not in MUXER_OWN_TAGS
        and not name.startswith(("_STATISTICS", "BPS", "NUMBER_OF_", "DURATION"))
    }


def copy_file_tags(source: Any, target: Any, span: Span) -> None:
    """The file's own tags and its chapters."""
    target.metadata.update(kept_tags(source.metadata))
    chapters = [kept for chapter in source.chapters() if (kept := moved_chapter(chapter, span))]
    if chapters:
        target.set_chapters(chapters)


def moved_chapter(chapter: Any, span: Span) -> Any:
    """The chapter in the output's time; None when it is outside."""
    base = chapter["time_base"] or Fraction(1, 1000)
    start, end = chapter["start"], chapter["end"]
    if span.start is not None:
        start = max(0, start - round(span.start / base))
        end -= round(span.start / base)
    if span.end is not None:
        end = min(end, round((span.end - (span.start or 0)) / base))
    return None if end <= start else {**chapter, "start": start, "end": end}


def needs_own_keys(tags: dict[str, str]) -> bool:
    """True when a tag has no place among the standard ones of MP4."""
    return any(name.lower() not in ITUNES_TAGS for name in kept_tags(tags))
