"""Where one shot ends and the next begins."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lendface.engine.cuts import CutFinder
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Pixels


def scene(seed: int, size_wh: tuple[int, int] = (960, 180)) -> Pixels:
    small = np.random.default_rng(seed).integers(10, 245, (6, 30, 3), dtype=np.uint8)
    return cv2.resize(small, size_wh, interpolation=cv2.INTER_CUBIC)


def view(wide: Pixels, left: int) -> Pixels:
    return wide[:, left : left + 320]


def cuts_in(frames: Sequence[Pixels]) -> list[int]:
    finder = CutFinder()
    return [k for k, pixels in enumerate(frames) if finder.is_cut(ArrayPicture(pixels))]


def test_hard_cuts_are_found_where_they_are() -> None:
    frames = [view(scene(k // 10), 3 * k) for k in range(40)]
    assert cuts_in(frames) == [10, 20, 30]


def test_a_cut_in_a_fast_pan_is_found() -> None:
    """Where the pan itself begins may count as one: a doubtful cut is called a cut."""
    frames = [view(scene(k // 15), 20 * (k % 15)) for k in range(30)]
    assert [k for k in cuts_in(frames) if k > 2] == [15]


def test_a_still_film_has_none_and_the_first_frame_is_none() -> None:
    assert cuts_in([view(scene(1), 0)] * 12) == []


def test_a_slow_fade_is_no_cut() -> None:
    one, other = view(scene(1), 0).astype(np.float32), view(scene(2), 0).astype(np.float32)
    shares = np.linspace(0, 1, 25)
    assert cuts_in([np.uint8(one + share * (other - one)) for share in shares]) == []


def test_fast_motion_is_no_cut() -> None:
    """A twentieth of the picture's width from frame to frame."""
    assert cuts_in([view(scene(3), 16 * k) for k in range(35)]) == []


def test_a_flash_is_no_cut() -> None:
    frames = [view(scene(4), 2 * k).astype(np.float32) for k in range(12)]
    frames[6] = frames[6] * 0.5 + 127
    assert cuts_in([np.uint8(np.clip(pixels, 0, 255)) for pixels in frames]) == []


def test_a_film_that_changes_its_size_goes_on() -> None:
    frames = [view(scene(1), 0), scene(1), view(scene(1), 0)]
    assert cuts_in(frames) == []
