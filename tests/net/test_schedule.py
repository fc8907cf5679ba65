"""When an attempt that failed is repeated."""

from __future__ import annotations

from itertools import accumulate

import pytest

from lendface.net.schedule import next_delay_s


def test_the_attempts_come_at_the_times_of_the_standards_example_within_a_day() -> None:
    delays = [next_delay_s(attempt) for attempt in range(10)]
    assert None not in delays
    minute, hour = 60, 3600
    assert list(accumulate(delays)) == [
        0,
        5,
        5 * minute,
        30 * minute,
        2 * hour,
        5 * hour,
        10 * hour,
        14 * hour,
        20 * hour,
        24 * hour,
    ]


@pytest.mark.parametrize("attempt", [10, 11, 1000])
def test_after_the_tenth_attempt_nothing_follows(attempt: int) -> None:
    assert next_delay_s(attempt, jitter=0.5) is None


def test_the_first_attempt_is_made_at_once_whatever_the_jitter() -> None:
    assert next_delay_s(0, jitter=1.0) == 0


def test_the_same_jitter_gives_the_same_delay_up_to_a_tenth_longer() -> None:
    assert next_delay_s(3, 0.25) == next_delay_s(3, 0.25) == 1500 * 1.025
    assert next_delay_s(3, 1.0) == pytest.approx(1650)


@pytest.mark.parametrize(("attempt", "jitter"), [(-1, 0.0), (0, -0.1), (0, 1.1), (0, float("nan"))])
def test_what_cannot_be_meant_is_refused(attempt: int, jitter: float) -> None:
    with pytest.raises(ValueError):
        next_delay_s(attempt, jitter)
