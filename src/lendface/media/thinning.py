"""Fewer frames a second, with the exact times of those that stay."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..errors import BadOptionError

ENOUGH = Fraction(3, 4)  # of a frame's due; clocks in whole milliseconds are a little uneven
MOST_SAVED = 2  # frames; after a pause not a crowd of frames may follow


def kept_frames(times: Sequence[Fraction], max_fps: float | None) -> list[bool]:
    """Which frames stay, so that no more than ``max_fps`` a second are left on average.

    ``times`` in seconds, growing. A frame costs one due, and time earns ``max_fps`` dues a
    second: 60 frames a second become every other frame for 30, and a film at 30 stays whole,
    though its clock may tremble. Raises BadOptionError.

    >>> kept_frames([Fraction(k, 60) for k in range(6)], 30)
    [True, False, True, False, True, False]
    """
    if max_fps is None:
        return [True] * len(times)
    if not 0 < max_fps < float("inf"):
        raise BadOptionError("the largest frame rate must be greater than 0")
    rate, saved, kept = Fraction(max_fps), Fraction(1), list[bool]()
    for index, time in enumerate(times):
        if index:
            saved = min(saved + (time - times[index - 1]) * rate, Fraction(MOST_SAVED))
        kept.append(saved >= ENOUGH)
        saved -= kept[-1]
    return kept


def ends_of_kept(times: Sequence[Fraction], max_fps: float | None) -> dict[int, Fraction | None]:
    """The index of each frame that stays, and the time until which it is now shown.

    None: as long as it was. That is so for all frames without a ``max_fps``.
    """
    kept = kept_frames(times, max_fps)
    if all(kept):
        return dict.fromkeys(range(len(times)))
    stay = [index for index, stays in enumerate(kept) if stays]
    ends: list[Fraction | None] = [times[index] for index in stay[1:]]
    is_last_kept = stay[-1] == len(times) - 1
    ends.append(None if is_last_kept else 2 * times[-1] - times[-2])
    return dict(zip(stay, ends, strict=True))
