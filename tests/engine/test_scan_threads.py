"""A scan works on two threads; which of them is faster makes no difference to what it finds."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lendface.engine import tracker
from lendface.engine.later import Later
from lendface.engine.picture import ArrayPicture
from lendface.engine.rows import MemoryLog
from lendface.engine.types import Frame, Hand, Pixels
from lendface.media import open_video
from lendface.pipeline.parts import Parts
from people import beside, read_person, swaying

pytestmark = pytest.mark.slow

CLIPS = Path(__file__).resolve().parents[2].parent / "shared" / "media" / "clips"


class AtOnce:
    """A second thread that is done before the first goes on: the scan on one thread."""

    def do(self, turn: int, work: Callable[..., None], *values: Any) -> None:
        work(*values)

    def catch_up(self, turn: int = 0) -> None:
        pass

    def close(self) -> None:
        pass


class AtLast:
    """A second thread that does nothing before somebody waits for it."""

    furthest_behind = 0  # turns

    def __init__(self) -> None:
        self._calls: deque[tuple[int, Callable[..., None], Sequence[Any]]] = deque()

    def do(self, turn: int, work: Callable[..., None], *values: Any) -> None:
        self._calls.append((turn, work, values))
        behind = len({turn for turn, _, _ in self._calls})
        AtLast.furthest_behind = max(AtLast.furthest_behind, behind)

    def catch_up(self, turn: int = sys.maxsize) -> None:
        while self._calls and self._calls[0][0] <= turn:
            _, work, values = self._calls.popleft()
            work(*values)

    def close(self) -> None:
        assert not self._calls


def framed(pixels: Sequence[Pixels]) -> list[Frame]:
    return [Frame(k, Fraction(k, 25), ArrayPicture(each)) for k, each in enumerate(pixels)]


def film() -> list[Frame]:
    """A person, then two, one of whom is covered for a while, then nobody."""
    one, other = (
        swaying(read_person(who, side_px=200), 20, reach_px=4) for who in ("P003", "P010")
    )
    pair = beside(one, other)
    for pixels in pair[10:13]:
        pixels[:, :200] = 100
    alone = beside(other[::-1], [np.full((200, 200, 3), 90, np.uint8)] * 20)
    return framed([*alone, *pair, *[np.full((200, 400, 3), 90, np.uint8)] * 3])


def found_in(frames: Sequence[Frame], parts: Parts) -> list[bytes]:
    """All rows of a scan, and what it says of each person, to be compared bit for bit."""
    log = MemoryLog()
    tracks = parts.scanner.scan(frames, log)
    found = [log.read(index).tobytes() for index in range(len(log))]
    for person in tracks.people:
        found += [repr(person.spans).encode(), person.embedding.tobytes(), person.shape.tobytes()]
        if person.appearance is not None:
            found += [person.appearance.middle.tobytes(), person.appearance.spread.tobytes()]
    return found


def found_every_way(
    frames: Sequence[Frame], parts: Parts, patch: pytest.MonkeyPatch
) -> Iterator[list[bytes]]:
    for kind in (Later, AtOnce, AtLast):
        patch.setattr(tracker, "Later", kind)
        yield found_in(frames, parts)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("later")]


def test_a_scan_on_two_threads_finds_what_it_finds_on_one(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "BLOCK", 6)
    monkeypatch.setattr(tracker, "OVERLAP", 4)
    usual, at_once, at_last = found_every_way(film(), parts, monkeypatch)
    assert len(usual) > 50
    assert usual == at_once == at_last


def test_few_pictures_are_held_however_slow_the_second_thread_is(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "Later", AtLast)
    monkeypatch.setattr(AtLast, "furthest_behind", 0)
    parts.scanner.scan(film())
    assert AtLast.furthest_behind == tracker.BEHIND


@pytest.mark.clips
@pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared clips are not here")
@pytest.mark.parametrize(
    ("name", "first"), [("s05_hand_over_mouth", 60), ("s14_hd_group_foreground_occlusion", 0)]
)
def test_hands_and_groups_are_found_the_same_on_two_threads(
    name: str, first: int, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "BLOCK", 20)
    with open_video(CLIPS / f"{name}.mp4") as reader:
        frames = list(islice(reader.frames(), first, first + 45))
    usual, at_once, at_last = found_every_way(frames, parts, monkeypatch)
    assert len(usual) > 40
    assert usual == at_once == at_last


# What goes wrong


class FailingHands:
    """Fails at the second look, which the second thread takes."""

    size_px = 192

    def __init__(self) -> None:
        self._looks = 0

    def find(self, *_: Any) -> list[Hand]:
        self._looks += 1
        if self._looks == 2:
            raise ValueError("the second look")
        return []

    def follow(self, *_: Any) -> list[Hand]:
        return []


@pytest.mark.parametrize("count", [40, 6], ids=["while it goes on", "at the film's end"])
def test_what_fails_on_the_second_thread_is_raised_by_the_scan(parts: Parts, count: int) -> None:
    scanner = replace(parts.scanner, hand_finder=FailingHands())
    shown: list[int] = []
    with pytest.raises(ValueError, match="the second look"):
        scanner.scan(film()[:count], on_frame=lambda frame: shown.append(frame.index))
    assert len(shown) <= 5 + tracker.BEHIND
    assert threads() == []


class Cancelled(Exception):
    pass


def test_a_scan_that_is_stopped_leaves_no_thread(parts: Parts) -> None:
    def stop(frame: Frame) -> None:
        if frame.index == 4:
            assert len(threads()) == 1
            raise Cancelled

    with pytest.raises(Cancelled):
        parts.scanner.scan(film(), on_frame=stop)
    assert threads() == []


def test_a_scan_that_ends_leaves_no_thread(parts: Parts) -> None:
    parts.scanner.scan(film()[:6])
    assert threads() == []
