"""Everything in a file that is not the picture: sound, subtitles, attachments, chapters, tags."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
import av.stream

from .probe import codec_name, open_container, read_timeline
from .reorder import Reorder
from .tracks import (
    AudioKind,
    ConvertedText,
    CopiedTrack,
    EncodedAudio,
    ForgivenTrack,
    Outlet,
    Span,
    Track,
)

TEXT_SUBTITLES = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
TEXT_CODEC = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
FIRST_PACKETS = 300
MUXER_OWN_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
)
ITUNES_TAGS = frozenset(
    {"title", "artist", "album_artist", "composer", "album", "date", "comment", "genre"}
    | {"copyright", "grouping", "lyrics", "description", "synopsis", "show", "episode_id"}
    | {"network", "keywords", "track", "disc", "creation_time", "location", "author", "year"}
)


class SideStreams:
    """Copies what belongs to the film into an output, in step with the video.

    ``declare`` before the header is written, then ``advance`` as video packets go out, ``finish``
    at the end. Reads the source a second time, so memory does not depend on its length.
    """

    def __init__(
        self, path: Path, video_index: int, target: Any, span: Span, *, copies_audio: bool = False
    ) -> None:
        self.warnings: list[str] = []
        self._path, self._copies_audio = path, copies_audio
        self._target, self._span = target, span
        self._closing = ExitStack()
        self._source = self._closing.enter_context(open_container(path))
        self._timeline = read_timeline(path)
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
        self.warnings += self._timeline.warnings()

    def _peek(self) -> Any:
        if self._waiting is None:
            self._waiting = next(self._packets, None)
        return self._waiting

    def _demuxed(self, streams: list[Any]) -> Iterator[Any]:
        """Packets until the end or the first fault: a cut-off file ends early, the video too."""
        packets = self._timeline.mended(self._source.demux(streams))
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
        name = f"{stream.type} stream {stream.index}"
        why_not = self._why_not_copied(stream)
        if why_not is None:
            track: Track | None = self._copied(stream, name)
        else:
            convert = {"audio": self._encoded_audio, "subtitle": self._converted_text}
            track = convert.get(stream.type, lambda *_: None)(stream, name, why_not)
        if track is not None:
            self._tracks[stream.index] = ForgivenTrack(track, name, self.warnings)
            return
        codec, container = codec_name(stream), self._target.format.name
        self.warnings.append(f"{name} ({codec}) was left out: {container} cannot carry it")

    def _why_not_copied(self, stream: Any) -> str | None:
        """None where the stream can be taken as it is."""
        container = self._target.format.name
        if not can_carry(self._target, stream, self._first_packets.get(stream.index)):
            is_late = stream.type == "audio" and stream.codec_context and not stream.rate
            return "it begins late" if is_late else f"{container} cannot carry it"
        if self._copies_audio or stream.type != "audio":
            return None
        if container == "mp4" and codec_name(stream).startswith("pcm_"):
            return "many players do not play PCM in MP4"
        if stream.index in self._timeline.changing_audio:
            return "its layout or rate changes on the way"
        return None

    def _outlet(self, stream: Any, name: str, reorder: Reorder | None = None) -> Outlet:
        return Outlet(self._target, stream, name, self.warnings, reorder)

    def _copied(self, stream: Any, name: str) -> Track:
        copy = self._target.add_stream_from_template(stream, opaque=True)
        copy_stream_tags(stream, copy)
        depth = self._timeline.depths.get(stream.index)
        reorder = None if depth is None else Reorder(depth)
        return CopiedTrack(self._outlet(copy, name, reorder), self._span)

    def _encoded_audio(self, stream: Any, name: str, why: str) -> Track | None:
        kind = audio_kind(self._path, stream)
        if kind is None:
            return None
        try:
            track = EncodedAudio(
                self._target, stream, kind, self._span, lambda made: self._outlet(made, name)
            )
        except ValueError:
            return None
        copy_stream_tags(stream, track.stream)
        codec = track.stream.codec_context.codec.canonical_name
        self.warnings.append(f"{name} was re-encoded from {codec_name(stream)} to {codec}: {why}")
        return track

    def _converted_text(self, stream: Any, name: str, _: str) -> Track | None:
        if stream.codec_context is None or codec_name(stream) not in TEXT_SUBTITLES:
            return None
        codec = TEXT_CODEC[self._target.format.name]
        track = ConvertedText(
            self._target, codec, self._span, lambda made: self._outlet(made, name)
        )
        copy_stream_tags(stream, track.stream)
        self.warnings.append(
            f"{name} was converted from {codec_name(stream)} to {codec}; its styling is lost"
        )
        return track


def packet_time(packet: Any) -> Fraction:
    """When the packet is due, in seconds of the source."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return stamp * packet.time_base


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


def audio_kind(path: Path, stream: Any) -> AudioKind | None:
    """What the sound is; None where it does not decode.

    The head of a file does not say it of sound that begins later; its first packet is looked for.
    """
    context = stream.codec_context
    if context is None:
        return None
    if context.rate:
        return AudioKind(context.rate, context.layout)
    with open_container(path) as source:
        try:
            for frame in source.decode(source.streams[stream.index]):
                return AudioKind(frame.sample_rate, frame.layout)
        except (av.error.FFmpegError, OSError):
            return None
    return None


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
