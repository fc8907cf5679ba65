"""The limit is exact, whatever the requests' times; the clock is the test's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lendface.errors import RateLimitedError
from lendface.service.rates import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now_ms = 5_000_000

    def __call__(self) -> int:
        return self.now_ms


def is_let_in(limiter: RateLimiter, subject: str = "a", limit: int = 3) -> bool:
    try:
        limiter.take(subject, limit)
    except RateLimitedError:
        return False
    return True


def test_the_limit_is_let_in_at_once_and_no_more() -> None:
    limiter = RateLimiter(Clock())
    assert [limiter.take("a", 3) for _ in range(3)] == [2, 1, 0]
    assert not is_let_in(limiter)


def test_a_place_is_free_again_one_window_after_it_was_taken() -> None:
    clock = Clock()
    limiter = RateLimiter(clock, window_ms=1000)
    for _ in range(3):
        limiter.take("a", 3)
        clock.now_ms += 100
    clock.now_ms += 699
    assert not is_let_in(limiter)
    clock.now_ms += 1
    assert is_let_in(limiter)
    assert not is_let_in(limiter)


def test_who_is_refused_is_told_when_to_come_again() -> None:
    clock = Clock()
    limiter = RateLimiter(clock, window_ms=60_000)
    limiter.take("a", 2)
    clock.now_ms += 15_000
    limiter.take("a", 2)
    with pytest.raises(RateLimitedError) as told:
        limiter.take("a", 2)
    assert (told.value.code, told.value.retry_after_s) == ("rate_limited", 45)
    assert str(told.value) == "more than 2 requests in 60 s; try again in 45 s"
    clock.now_ms += 45_000
    assert is_let_in(limiter, limit=2)


def test_a_lowered_limit_counts_what_was_let_in_before() -> None:
    clock = Clock()
    limiter = RateLimiter(clock, window_ms=1000)
    for _ in range(5):
        limiter.take("a", 5)
        clock.now_ms += 100
    with pytest.raises(RateLimitedError) as told:
        limiter.take("a", 2)
    assert told.value.retry_after_s == 0.8  # when the fourth of five has left
    clock.now_ms += 800
    assert is_let_in(limiter, limit=2)


def test_one_subject_does_not_hinder_another() -> None:
    limiter = RateLimiter(Clock())
    assert is_let_in(limiter, "a", 1)
    assert not is_let_in(limiter, "a", 1)
    assert is_let_in(limiter, "b", 1)


@given(st.integers(1, 5), st.lists(st.integers(0, 400), max_size=60))
def test_any_window_holds_the_limit_and_nobody_is_refused_below_it(
    limit: int, gaps_ms: list[int]
) -> None:
    clock = Clock()
    limiter = RateLimiter(clock, window_ms=1000)
    let_in: list[int] = []
    for gap_ms in gaps_ms:
        clock.now_ms += gap_ms
        in_window = sum(clock.now_ms - time < 1000 for time in let_in)
        assert is_let_in(limiter, limit=limit) == (in_window < limit)
        if in_window < limit:
            let_in.append(clock.now_ms)


@given(st.integers(1, 5), st.lists(st.integers(0, 400), max_size=40))
def test_the_time_that_is_told_is_the_earliest(limit: int, gaps_ms: list[int]) -> None:
    clock = Clock()
    limiter = RateLimiter(clock, window_ms=1000)
    for gap_ms in gaps_ms:
        clock.now_ms += gap_ms
        try:
            limiter.take("a", limit)
        except RateLimitedError as told:
            clock.now_ms += round(told.retry_after_s * 1000) - 1
            assert not is_let_in(limiter, limit=limit)
            clock.now_ms += 1
            assert is_let_in(limiter, limit=limit)


def test_threads_share_one_limit() -> None:
    limiter = RateLimiter(Clock())
    everybody = threading.Barrier(8)

    def ask(_: int) -> int:
        everybody.wait(timeout=30)
        return sum(is_let_in(limiter, limit=100) for _ in range(50))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 100


def test_those_who_went_quiet_are_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter(clock, window_ms=1000)
    for number in range(500):
        limiter.take(str(number), 3)
    assert len(limiter) == 500
    clock.now_ms += 1000
    limiter.take("a", 3)
    assert len(limiter) == 1


def test_a_crowd_does_not_fill_the_memory_and_the_busy_are_not_forgotten() -> None:
    limiter = RateLimiter(Clock(), max_subjects=100)
    for number in range(1000):
        is_let_in(limiter, "busy")
        is_let_in(limiter, f"address {number}")
    assert len(limiter) == 100
    assert not is_let_in(limiter, "busy")
