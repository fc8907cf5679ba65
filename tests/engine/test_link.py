"""Which tracklets show the same person."""

from __future__ import annotations

import numpy as np

from lendface.engine.link import Person, link
from lendface.engine.tracker import Tracklet, View
from lendface.engine.types import Floats, Mesh

HERE, THERE = np.float32([100, 100, 200, 220]), np.float32([500, 100, 600, 220])
UNSEEN = Mesh(np.zeros((478, 3), np.float32), 0.0)
Ends = dict[int, tuple[Floats, Floats]]


def looks(seed: int, mixed_with: int | None = None, share: float = 0.0) -> Floats:
    """A face descriptor; two seeds hardly resemble each other."""
    one = np.random.default_rng(seed).normal(size=128)
    one /= np.linalg.norm(one)
    if mixed_with is not None:
        one = (1 - share) * one + share * looks(mixed_with)
    return np.float32(one / np.linalg.norm(one))


def tracklet(
    number: int,
    first: int,
    last: int,
    who: Floats | None,
    *,
    starts_shot: bool = False,
    ends_shot: bool = False,
) -> Tracklet:
    views = [] if who is None else [View(first, 1.0, who)]
    found = Tracklet(number, UNSEEN, starts_shot, first_frame=first, last_frame=last, views=views)
    found.ends_shot = ends_shot
    return found


def ids(people: list[Person]) -> list[list[int]]:
    return [sorted(t.id for t in person.tracklets) for person in people]


def at(*numbers: int, box: Floats = HERE) -> Ends:
    return dict.fromkeys(numbers, (box, box))


def test_one_person_before_and_after_a_cut_is_one() -> None:
    shots = [
        tracklet(0, 0, 40, looks(1), ends_shot=True),
        tracklet(1, 41, 80, looks(2), starts_shot=True, ends_shot=True),
        tracklet(2, 81, 99, looks(1, mixed_with=3, share=0.3), starts_shot=True),
    ]
    assert ids(link(shots, at(0, 1, 2))) == [[0, 2], [1]]


def test_two_people_in_one_frame_are_never_one_however_alike() -> None:
    twins = [tracklet(0, 0, 40, looks(1)), tracklet(1, 40, 90, looks(1))]
    assert ids(link(twins, at(0) | at(1, box=THERE))) == [[1], [0]]


def test_a_short_break_at_the_same_place_is_bridged_without_a_look() -> None:
    broken = [tracklet(0, 0, 40, looks(1)), tracklet(1, 46, 90, None)]
    assert ids(link(broken, at(0, 1))) == [[0, 1]]


def test_a_break_is_not_bridged_across_a_cut() -> None:
    for ends, starts in ((True, True), (True, False), (False, True)):
        broken = [
            tracklet(0, 0, 40, looks(1), ends_shot=ends),
            tracklet(1, 41, 90, None, starts_shot=starts),
        ]
        assert ids(link(broken, at(0, 1))) == [[1], [0]]


def test_a_break_is_not_bridged_to_another_place_or_after_long() -> None:
    elsewhere = [tracklet(0, 0, 40, looks(1)), tracklet(1, 43, 90, None)]
    assert ids(link(elsewhere, at(0) | at(1, box=THERE))) == [[1], [0]]
    late = [tracklet(0, 0, 40, looks(1)), tracklet(1, 140, 190, None)]
    assert ids(link(late, at(0, 1))) == [[1], [0]]


def test_a_stranger_at_the_same_place_is_not_bridged() -> None:
    changed = [tracklet(0, 0, 40, looks(1)), tracklet(1, 43, 90, looks(2))]
    assert ids(link(changed, at(0, 1))) == [[1], [0]]


def test_a_face_of_another_size_is_not_bridged() -> None:
    closer = np.float32([50, 20, 250, 300])
    grown = [tracklet(0, 0, 40, looks(1)), tracklet(1, 43, 90, None)]
    assert ids(link(grown, at(0) | at(1, box=closer))) == [[1], [0]]


def test_who_is_seen_most_comes_first() -> None:
    three = [
        tracklet(0, 0, 9, looks(1)),
        tracklet(1, 0, 99, looks(2)),
        tracklet(2, 0, 49, looks(3)),
    ]
    assert ids(link(three, at(0, 1, 2))) == [[1], [2], [0]]


def test_nobody_is_nobody() -> None:
    assert link([], {}) == []
    assert Person([tracklet(0, 0, 3, None)]).embedding is None
