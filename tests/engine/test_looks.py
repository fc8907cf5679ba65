"""What remains of a face's pixels after a scan, and how much of it."""

from __future__ import annotations

import numpy as np

from lendface.engine.looks import MOST_LOOKS, Look, LookBook, describe, limit
from lendface.engine.mesh.appearance import SIDE, Reading
from lendface.engine.mesh.forehead import COLUMNS, HEIGHTS
from lendface.engine.mesh.glasses import HEIGHT, WIDTH
from lendface.engine.mesh.topology import Topology


def look(level: int = 120, is_calm: bool = True, yaw_deg: float = 0) -> Look:
    colours = np.full((SIDE, SIDE, 3), level, np.uint8)
    seen = np.full((SIDE, SIDE), 255, np.uint8)
    plate = np.full((HEIGHT, WIDTH), level, np.uint8)
    strip = np.full((len(HEIGHTS), COLUMNS, 4), np.log(level + 1), np.float16)
    return Look(Reading(colours, seen), plate, strip, yaw_deg, is_calm)


def book_of(count: int) -> tuple[LookBook, list[int]]:
    book, ages = LookBook(), list[int]()
    for age in range(count):
        if book.wants(age):
            book.add(look())
            ages.append(age)
    return book, ages


def test_a_long_track_keeps_few_looks_spread_over_all_of_it() -> None:
    book, ages = book_of(5000)
    assert MOST_LOOKS // 2 - 1 <= len(book.looks) <= MOST_LOOKS
    assert ages[-1] > 4500
    assert len(ages) < 8 * MOST_LOOKS  # so looking costs little


def test_many_tracks_together_keep_no_more_than_the_limit() -> None:
    books = [book_of(count)[0] for count in [1] * 30 + [50] * 3]
    limit(books, most=20)
    assert 0 < sum(len(book.looks) for book in books) <= 20


def test_a_person_seen_calmly_has_an_appearance_and_one_behind_hands_has_none(
    topology: Topology,
) -> None:
    calm, covered = LookBook([look()] * 12), LookBook([look(is_calm=False)] * 12)
    appearance, glasses, forehead, beard = describe([calm], topology)
    assert appearance is not None
    assert (appearance.looks, glasses, beard) == (12, None, None)
    assert forehead.any()
    for book in (covered, LookBook()):
        *others, forehead, beard = describe([book], topology)
        assert [*others, beard] == [None, None, None]
        assert not forehead.any()


def test_the_looks_at_all_tracks_of_a_person_count(topology: Topology) -> None:
    appearance, *_ = describe([LookBook([look()] * 30), LookBook([look()] * 30)], topology)
    assert appearance is not None
    assert appearance.looks == MOST_LOOKS
