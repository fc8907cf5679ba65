"""How sure a figure is, and when a change counts."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.quality.intervals import Doubles, block_length, change, interval


def films(pairs: int, frames: int, spread: float, seed: int = 0) -> list[Doubles]:
    """Each pair has a level of its own around 0.5, and its frames lie around that."""
    numbers = np.random.default_rng(seed)
    levels = numbers.normal(0.5, spread, pairs)
    return [numbers.normal(level, 0.05, frames) for level in levels]


def test_the_interval_holds_the_figure_and_is_the_same_each_time() -> None:
    measured = films(12, 40, 0.1)
    found = interval(measured, "mean")
    assert found is not None
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(np.mean([group.mean() for group in measured]))
    assert interval(measured, "mean") == found


def test_many_frames_of_few_pairs_do_not_make_a_figure_sure() -> None:
    levels = (0.4, 0.5, 0.6)
    few = interval([np.full(400, level) for level in levels], "mean")
    many = interval([np.full(20, level) for level in levels * 20], "mean")
    assert few is not None
    assert many is not None
    assert few.high - few.low > 3 * (many.high - many.low)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    found = [interval(films(20, 10, 0.1, seed), "mean") for seed in range(60)]
    held = [f is not None and f.low <= 0.5 <= f.high for f in found]
    assert 0.85 <= np.mean(held) <= 1


def test_each_pair_weighs_the_same_however_long_it_is() -> None:
    found = interval([np.zeros(1), np.ones(99)], "mean")
    assert found is not None
    assert found.value == 0.5


def test_a_median_ignores_a_frame_that_is_far_off() -> None:
    found = interval([np.array([1.0, 1.0, 1.0, 1.0, 50.0])], "median")
    assert found is not None
    assert (found.value, found.low) == (1.0, 1.0)


def test_nothing_measured_is_no_figure() -> None:
    assert interval([], "mean") is None
    assert interval([np.zeros(0)], "median") is None
    assert change([np.zeros(0)], [np.zeros(0)], "mean", "higher") is None


def test_a_small_change_of_every_frame_counts_where_the_pairs_differ_widely() -> None:
    before = films(10, 30, 0.3)
    told = change(before, [group + 0.02 for group in before], "mean", "higher")
    assert told is not None
    assert told.difference.value == pytest.approx(0.02)
    assert told.is_better is True
    assert (told.pairs, told.frames) == (10, 300)


def test_noise_is_no_change() -> None:
    before = films(10, 30, 0.1)
    noise = np.random.default_rng(5)
    told = change(before, [g + noise.normal(0, 0.05, len(g)) for g in before], "mean", "higher")
    assert told is not None
    assert told.is_better is None
    assert not told.difference.excludes_zero


def test_the_same_figures_are_no_change() -> None:
    before = films(4, 10, 0.1)
    told = change(before, before, "median", "lower")
    assert told is not None
    assert (told.difference.value, told.is_better) == (0, None)


@pytest.mark.parametrize(("better", "is_better"), [("higher", True), ("lower", False)])
def test_up_is_better_only_where_more_is(better: str, is_better: bool) -> None:
    before = films(6, 20, 0.1)
    told = change(before, [group + 0.1 for group in before], "mean", better)  # type: ignore[arg-type]
    assert told is not None
    assert told.is_better is is_better


def test_a_ratio_is_better_the_nearer_it_comes_to_one_from_either_side() -> None:
    far = [np.full(5, 0.7), np.full(5, 1.3)]
    near = [np.full(5, 0.9), np.full(5, 1.1)]
    told = change(far, near, "median", "one")
    assert told is not None
    assert told.is_better is True
    assert told.difference.value == pytest.approx(-0.2)
    assert (told.before, told.after) == (1.0, 1.0)


def test_blocks_grow_slowly_with_the_film() -> None:
    assert [block_length(count) for count in (1, 8, 1000)] == [1, 2, 10]
