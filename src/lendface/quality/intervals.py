"""How sure a mean is, and whether a change counts: the bootstrap over pairs and their frames.

Frames of one clip resemble each other, so they are no independent trials. Two levels are drawn
with replacement (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8):
the pairs, and within a pair blocks of consecutive frames that wrap around at its end (the circular
block bootstrap, Politis and Romano 1992). A suite's interval is therefore wide where few pairs
were measured, and one film's interval says nothing of other films.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .figures import Better, How

Doubles = NDArray[np.float64]

DRAWS = 1000
LEVEL = 0.95
SEED = 20_260_101  # intervals are the same on each run
AT_ONCE = 2_000_000  # numbers that are drawn in one go


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and the ends of its 95 % interval; the ends are the figure where one value is all
    there is."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Change:
    """A figure before and after over the same frames, and their difference with its interval."""

    before: float
    after: float
    difference: Interval  # after minus before; of the distances to 1 where 1 is best
    is_better: bool | None  # None: no change that counts
    pairs: int
    frames: int


def interval(groups: Sequence[Doubles], how: How, seed: int = SEED) -> Interval | None:
    """A figure over pairs, each pair weighing the same; None where nothing was measured.

    ``groups`` holds one array (n,) a pair, in the order of time.

    >>> interval([np.array([1.0, 1.0]), np.array([3.0])], "mean")
    Interval(value=2.0, low=1.0, high=3.0)
    """
    columns = [group[:, None] for group in groups if len(group)]
    if not columns:
        return None
    drawn = draw(columns, how, seed)[..., 0].mean(1)
    return _between(float(np.mean(_of_pairs(columns, how))), drawn)


def change(
    before: Sequence[Doubles],
    after: Sequence[Doubles],
    how: How,
    better: Better,
    seed: int = SEED,
) -> Change | None:
    """What changed over the same frames of the same pairs; None where there is none.

    ``before[k]`` and ``after[k]`` (n,) are one pair's values in the same frames. Both are drawn
    together, so what is common to both (a hard clip, an odd source) falls out of the difference.
    """
    columns = [np.stack(both, 1) for both in zip(before, after, strict=True) if len(both[0])]
    if not columns:
        return None
    toll = abs_from_one if better == "one" else _as_it_is
    seen, drawn = _of_pairs(columns, how), draw(columns, how, seed)
    tolls, drawn_tolls = toll(seen), toll(drawn)
    difference = _between(
        float((tolls[:, 1] - tolls[:, 0]).mean()),
        (drawn_tolls[..., 1] - drawn_tolls[..., 0]).mean(1),
    )
    rises = difference.value > 0
    return Change(
        before=float(seen[:, 0].mean()),
        after=float(seen[:, 1].mean()),
        difference=difference,
        is_better=rises == (better == "higher") if difference.excludes_zero else None,
        pairs=len(columns),
        frames=sum(len(group) for group in columns),
    )


def draw(columns: Sequence[Doubles], how: How, seed: int) -> Doubles:
    """(draws, pairs, k): each draw's figures of as many pairs as there are, drawn from them.

    ``columns[p]`` is (n, k): k values in each of the pair's n frames.
    """
    numbers = np.random.default_rng(seed)
    of_each = np.stack([_redrawn(group, how, numbers) for group in columns], 1)
    shape = (DRAWS, len(columns))
    # A pair that is drawn twice brings other frames each time.
    which_draw = numbers.integers(DRAWS, size=shape)
    which_pair = numbers.integers(len(columns), size=shape)
    return of_each[which_draw, which_pair]


def block_length(count: int) -> int:
    """Frames in a block: the cube root of how many there are, the usual rule.

    >>> block_length(1), block_length(250)
    (1, 6)
    """
    return max(1, round(count ** (1 / 3)))


def summed(values: Doubles, how: How) -> Doubles:
    """One figure for the second last axis, which is the frames."""
    return np.median(values, -2) if how == "median" else values.mean(-2)


def abs_from_one(values: Doubles) -> Doubles:
    return np.abs(values - 1)


def _as_it_is(values: Doubles) -> Doubles:
    return values


def _of_pairs(columns: Sequence[Doubles], how: How) -> Doubles:
    return np.stack([summed(group, how) for group in columns])


def _redrawn(group: Doubles, how: How, numbers: np.random.Generator) -> Doubles:
    """(draws, k): the figure of one pair, each time over blocks of its frames."""
    count = len(group)
    length = block_length(count)
    blocks = math.ceil(count / length)
    batch = max(1, AT_ONCE // (count * group.shape[1]))
    parts = []
    for first in range(0, DRAWS, batch):
        starts = numbers.integers(count, size=(min(batch, DRAWS - first), blocks, 1))
        places = ((starts + np.arange(length)) % count).reshape(len(starts), -1)[:, :count]
        parts.append(summed(group[places], how))
    return np.concatenate(parts)


def _between(value: float, drawn: Doubles) -> Interval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))
