"""How many jobs may come to wait."""

from __future__ import annotations

from lendface.service.crowd import GOOD_MS, SHARE, Crowd


class Queue:
    """Counts, and counts how often it was asked to."""

    def __init__(self, free: int) -> None:
        self.free, self.counts = free, 0

    def count_free(self) -> int:
        self.counts += 1
        return self.free


def test_a_crowd_comes_in_up_to_the_last_place_and_not_beyond() -> None:
    crowd, queue = Crowd(), Queue(500)
    while crowd.take(0, queue.count_free):
        queue.free -= 1
    assert queue.free == 0


def test_where_much_is_free_not_everything_is_counted_for_each() -> None:
    crowd, queue = Crowd(), Queue(100 * SHARE)
    for _ in range(100):
        assert crowd.take(0, queue.count_free)
    assert queue.counts == 1


def test_a_count_is_not_believed_for_long() -> None:
    crowd, queue = Crowd(), Queue(100 * SHARE)
    assert crowd.take(0, queue.count_free)
    queue.free = 0  # others came
    assert not crowd.take(GOOD_MS, queue.count_free)


def test_where_nothing_is_free_one_that_comes_later_finds_a_place_that_came_free() -> None:
    crowd, queue = Crowd(), Queue(0)
    assert not crowd.take(0, queue.count_free)
    queue.free = 1
    assert crowd.take(0, queue.count_free)
