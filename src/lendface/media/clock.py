"""The times of packets on one clock that only goes forward.

Films that were joined, or whose recorder was started again, begin their times anew in the middle;
streams from a broadcast or a live server jump ahead by hours. Players go on where they were, and so
do we: from such a *jump* on, a shift is added to the times of the file. Picture and sound that jump
together get the same shift, so that they stay together.

It stands on PyAV alone: ``inspector.py``, which must not import the package, uses it too.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import av.error

# Broadcast streams may begin a new clock at any time, and FFmpeg's own limit for them is 10 s.
# Other containers store times on purpose: there only a pause of an hour is taken for a fault.
RESTARTING_FORMATS = frozenset({"mpegts", "mpeg", "flv", "ogg", "asf", "wtv", "aac", "mp3"})
LONGEST_PAUSE_S = {True: 10, False: 3600}
SMALL_S = 1  # a step back of no more may be an overlap, which needs a second sign
TOGETHER_S = 2  # two streams begin anew at the same time where their times are that close
STARTS_TOGETHER_S = Fraction(1, 2)
TOGETHER_PACKETS = 500  # and that close in the file
MOST_STEPS = Fraction(1, 10)  # of packets that step back: more is how the file counts, no jump
MOST_SECTIONS = 1000  # of a stream; what steps back more often is not followed any further
DEEPEST = 16  # packets that a picture may come out of order: H.264, A.3.1 (max_dec_frame_buffering)
UNEVEN_S = Fraction(1, 100)  # by which the times of sound may tremble


@dataclass(frozen=True, slots=True)
class Jump:
    """From one packet of a stream on, ``shift`` seconds are added to its times."""

    stream: int  # index
    packet: int  # counted in its stream, from 0
    shift: Fraction
    step: Fraction  # s by which the times of the file stepped here; 0: it begins with a shift
    at: Fraction  # s on the mended clock


@dataclass(frozen=True)
class Timeline:
    """Where the clock of a file jumps. The picture's jumps come first among ``jumps``."""

    picture: int  # index of its stream
    jumps: tuple[Jump, ...] = ()
    spans: dict[int, tuple[Fraction, Fraction, Fraction]] = field(default_factory=dict)
    # by stream: first time, time of the last packet, end of the last, all mended
    changing_audio: frozenset[int] = frozenset()  # streams whose layout or rate changes on the way
    depths: dict[int, int] = field(default_factory=dict)  # packets a picture comes out of order

    def has_jumps(self, stream: int) -> bool:
        return any(jump.stream == stream for jump in self.jumps)

    def mended(self, packets: Iterable[Any]) -> Iterator[Any]:
        """The packets, read from the start of the file, with times of the mended clock."""
        if not self.jumps:
            yield from packets
            return
        shifts = {jump.stream: dict[int, Fraction]() for jump in self.jumps}
        for jump in self.jumps:
            shifts[jump.stream][jump.packet] = jump.shift
        seen, now = dict.fromkeys(shifts, 0), dict.fromkeys(shifts, Fraction(0))
        for packet in packets:
            index = packet.stream_index
            if index in shifts and counts(packet):
                now[index] = shifts[index].get(seen[index], now[index])
                seen[index] += 1
                move(packet, now[index])
            yield packet

    def warnings(self) -> list[str]:
        """What the user is told: where the clock jumps, one line for picture and sound together."""
        ahead = [jump for jump in self.jumps if jump.stream == self.picture]
        told = [describe(jump, "the film's clock") for jump in ahead]
        known = {jump.shift for jump in ahead}
        alone = [jump for jump in self.jumps if jump.shift not in known and jump.step]
        return told + [describe(jump, f"the clock of stream {jump.stream}") for jump in alone]


def describe(jump: Jump, clock: str) -> str:
    """One sentence about a jump."""
    way = "back" if jump.step < 0 else "ahead"
    by = f"{abs(float(jump.step)):.2f} s"
    return f"{clock} steps {way} by {by} at {float(jump.at):.2f} s; what follows was moved there"


def counts(packet: Any) -> bool:
    """False for the empty packets with which PyAV tells that a stream has ended."""
    return bool(packet.size) or packet.pts is not None


def move(packet: Any, shift: Fraction) -> None:
    """Add ``shift`` seconds to a packet's times."""
    ticks = round(shift / packet.time_base)
    packet.pts = None if packet.pts is None else packet.pts + ticks
    packet.dts = None if packet.dts is None else packet.dts + ticks


@dataclass(slots=True)
class Section:
    """Packets of one stream between two jumps; times in seconds of the file."""

    packet: int  # the first one's number in its stream
    place: int  # and in the file
    step: Fraction  # from where the section before would have gone on
    first: Fraction
    last: Fraction
    end: Fraction
    shift: Fraction = Fraction(0)

    @property
    def mended_end(self) -> Fraction:
        return self.end + self.shift

    def absorb(self, other: Section) -> None:
        """``other``, which follows, is no section of its own."""
        self.first = min(self.first, other.first)
        self.last, self.end = max(self.last, other.last), max(self.end, other.end)


class StreamSurvey:
    """What is kept of one stream while its packets go by."""

    def __init__(self, stream: Any, longest_pause_s: int) -> None:
        self.index, self.type, self.base = stream.index, stream.type, stream.time_base
        self.sections: list[Section] = []
        self.count = self.steps_back = 0
        self.untimed = self.depth = 0
        self._before = 0  # length of the sections before this one, ticks
        self._tick_s = float(self.base)
        self._longest_pause = round(longest_pause_s / self.base)
        self._usual = usual_duration(stream)
        self._uneven = round(UNEVEN_S / self.base)
        self._last_dts: int | None = None
        self._first = self._latest = self._end = 0  # of the section, ticks
        self._shown: deque[int] = deque(maxlen=DEEPEST)

    @property
    def newest(self) -> float:
        """How far the stream is on a clock without its own jumps, s."""
        return (self._before + self._end - self._first) * self._tick_s

    def add(self, packet: Any, place: int, others: list[StreamSurvey]) -> None:
        shown = packet.dts if packet.pts is None else packet.pts
        self.untimed += packet.pts is None
        if shown is None:
            pass
        elif not self.sections or self._is_jump(packet, shown, others):
            self._begin(place, shown, packet)
        else:
            self._go_on(shown, packet)
        self._last_dts = packet.dts
        self.count += 1

    def close(self) -> None:
        """Write what is known of the section under way into it."""
        if self.sections:
            section, base = self.sections[-1], self.base
            section.first = self._first * base
            section.last, section.end = self._latest * base, self._end * base

    def _is_jump(self, packet: Any, shown: int, others: list[StreamSurvey]) -> bool:
        """Whether the clock jumps with this packet: far ahead, or back.

        Pictures may come out of order, but for keyframes: none that came before is shown after one.
        """
        if len(self.sections) >= MOST_SECTIONS:
            return False
        if shown - self._end > self._longest_pause:
            return not self._is_covered(shown - self._end, others)
        if self._goes_far_back(packet, shown):
            return True
        is_back = (
            shown <= self._latest if self.type == "video" else shown < self._end - self._uneven
        )
        self.steps_back += is_back and packet.is_keyframe
        return is_back and packet.is_keyframe

    def _goes_far_back(self, packet: Any, shown: int) -> bool:
        """True when decoding and showing both go back: no order of pictures explains that."""
        far = SMALL_S / self.base
        if packet.dts is None or self._last_dts is None:
            return False
        return packet.dts - self._last_dts < -far and shown - self._latest < -far

    def _is_covered(self, step: int, others: list[StreamSurvey]) -> bool:
        """True when another stream goes on through the pause, so that it is a real one."""
        middle = self.newest + float(step * self.base) / 2
        return any(other is not self and other.newest > middle for other in others)

    def _begin(self, place: int, shown: int, packet: Any) -> None:
        self.close()
        step = (shown - self._end) * self.base if self.sections else Fraction(0)
        self._before += self._end - self._first
        self._shown.clear()
        self._shown.append(shown)
        self._first = self._latest = shown
        self._end = shown + (packet.duration or self._usual)
        zero = Fraction(0)
        self.sections.append(Section(self.count, place, step, zero, zero, zero))

    def _go_on(self, shown: int, packet: Any) -> None:
        if self.type == "video":
            self.depth = max(self.depth, sum(earlier > shown for earlier in self._shown))
            self._shown.append(shown)
        self._first, self._latest = min(self._first, shown), max(self._latest, shown)
        self._end = max(self._end, shown + (packet.duration or self._usual))


class Survey:
    """Looks at every packet of a file once, in its order, and finds where the clock jumps."""

    def __init__(self, container: Any, picture: int) -> None:
        names = set(container.format.name.split(","))
        pause_s = LONGEST_PAUSE_S[bool(names & RESTARTING_FORMATS)]
        timed = [s for s in container.streams if s.type in ("video", "audio", "subtitle")]
        self.picture = picture
        self.streams = {s.index: StreamSurvey(s, pause_s) for s in timed}
        self._witnesses = [s for s in self.streams.values() if s.type != "subtitle"]
        self._place = 0

    def add(self, packet: Any) -> None:
        stream = self.streams.get(packet.stream_index)
        if stream is not None and counts(packet):
            stream.add(packet, self._place, self._witnesses)
            self._place += 1

    def timeline(self) -> Timeline:
        for stream in self.streams.values():
            stream.close()
            forget_habits(stream)
        picture = self.streams[self.picture]
        others = [stream for stream in self.streams.values() if stream is not picture]
        forget_overlaps(picture, [s for s in others if s.type == "audio"])
        continue_picture(picture)
        for other in others:
            follow(other, picture)
        ordered = [picture, *others]
        return Timeline(
            self.picture,
            tuple(jump for stream in ordered for jump in jumps_of(stream)),
            spans={s.index: span_of(s) for s in ordered if s.sections},
            depths={s.index: s.depth for s in ordered if s.type == "video"},
        )


def usual_duration(stream: Any) -> int:
    """How long a packet is shown where it does not say so, in ticks."""
    rate = getattr(stream, "average_rate", None) or getattr(stream, "guessed_rate", None)
    return max(1, round(1 / rate / stream.time_base)) if rate and rate > 0 else 1


def forget_habits(stream: StreamSurvey) -> None:
    """Small steps back that come all the time are no jumps: the file counts that way."""
    if stream.steps_back > max(1, stream.count * MOST_STEPS):
        unite(stream, lambda section: not -SMALL_S <= section.step < 0)


def forget_overlaps(picture: StreamSurvey, sounds: list[StreamSurvey]) -> None:
    """A small step back of the picture is a jump where there is no sound, or it jumps or begins."""
    beginnings = [section for sound in sounds for section in sound.sections]
    if beginnings:
        unite(
            picture,
            lambda section: (
                not -SMALL_S <= section.step < 0
                or any(is_beside(section, other) for other in beginnings)
            ),
        )


def unite(stream: StreamSurvey, is_kept: Callable[[Section], bool]) -> None:
    """Sections whose beginning is no jump become part of the one before."""
    kept: list[Section] = stream.sections[:1]
    for section in stream.sections[1:]:
        if is_kept(section):
            kept.append(section)
        else:
            kept[-1].absorb(section)
    stream.sections = kept


def is_beside(section: Section, other: Section) -> bool:
    """True when sections of two streams begin together, by their times and in the file."""
    is_near = abs(section.place - other.place) <= TOGETHER_PACKETS
    return is_near and abs(section.first - other.first) <= TOGETHER_S


def continue_picture(picture: StreamSurvey) -> None:
    """Each section begins where the one before ends."""
    for before, section in zip(picture.sections, picture.sections[1:], strict=False):
        section.shift = whole_ticks(before.mended_end - section.first, picture.base)


def follow(stream: StreamSurvey, picture: StreamSurvey) -> None:
    """Move the sections of a stream with those of the picture that they belong to.

    A section that jumps alone goes on where the one before ended; a small step back that the
    picture does not make stays, and the writer sees to times that grow.
    """
    kept: list[Section] = []
    ahead = picture.sections
    for section in stream.sections:
        partner = find_partner(section, ahead, is_first=not kept)
        if partner is not None:
            section.shift = partner.shift
            ahead = ahead[ahead.index(partner) + 1 :]
        elif kept and -SMALL_S <= section.step < 0:
            kept[-1].absorb(section)
            continue
        elif kept:
            section.shift = whole_ticks(kept[-1].mended_end - section.first, stream.base)
        kept.append(section)
    stream.sections = kept


def find_partner(section: Section, ahead: list[Section], is_first: bool) -> Section | None:
    """The section of the picture that a section of another stream belongs to.

    ``ahead`` are those that nothing of the stream belongs to yet. All sections of a stream but its
    first one jump with a jump of the picture.
    """
    if is_first:
        return find_beginning(section, ahead)
    beside = [other for other in ahead if other.packet and is_beside(section, other)]
    if beside:
        return min(beside, key=lambda other: abs(other.place - section.place))
    here = [other for other in ahead if other.packet and other.place <= section.place]
    around = [o for o in here if o.first - TOGETHER_S <= section.first <= o.end + TOGETHER_S]
    return around[-1] if around else None


def find_beginning(section: Section, sections: list[Section]) -> Section:
    """The section of the picture in which another stream begins."""
    here = [other for other in sections if other.place <= section.place]
    starting = [o for o in sections if abs(o.first - section.first) <= STARTS_TOGETHER_S]
    return min(
        [*(here[-1:] or sections[:1]), *starting],
        key=lambda other: abs(other.place - section.place),
    )


def jumps_of(stream: StreamSurvey) -> Iterator[Jump]:
    shift = Fraction(0)
    for section in stream.sections:
        if section.shift != shift:
            shift = section.shift
            at = section.first + shift
            yield Jump(stream.index, section.packet, shift, section.step, at)


def span_of(stream: StreamSurvey) -> tuple[Fraction, Fraction, Fraction]:
    """First time, time of the last packet and end, on the mended clock."""
    first = min(section.first + section.shift for section in stream.sections)
    last = max(section.last + section.shift for section in stream.sections)
    return first, last, max(section.mended_end for section in stream.sections)


def whole_ticks(shift: Fraction, base: Fraction) -> Fraction:
    """The nearest shift that a stream with this time base can be given."""
    return round(shift / base) * base


def stores_all_times(container: Any) -> bool:
    """True when a table of the file, read already, says that no time of it jumps.

    MP4 and MOV keep such a table; reading it saves reading all packets.
    """
    if "mov" not in container.format.name.split(","):
        return False
    streams = [*container.streams.video, *container.streams.audio]
    return all(is_steady(stream) for stream in streams)


def is_steady(stream: Any) -> bool:
    entries = stream.index_entries
    if not stream.frames or len(entries) < stream.frames:
        return False
    longest = LONGEST_PAUSE_S[False] / stream.time_base
    times = [entry.timestamp for entry in entries]
    return all(0 <= b - a <= longest for a, b in itertools.pairwise(times))


def survey(
    container: Any, picture: int, watch: Callable[[Any], None] = lambda packet: None
) -> Timeline:
    """Where the clock of a freshly opened file jumps; all of its packets are read.

    ``watch`` is shown each of them.
    """
    found = Survey(container, picture)
    try:
        for packet in container.demux([s for s in container.streams if s.index in found.streams]):
            found.add(packet)
            watch(packet)
    except (av.error.FFmpegError, OSError):
        pass  # cut off: what is there counts
    return found.timeline()
