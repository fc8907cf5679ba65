"""Crops that reach out of the picture."""

from __future__ import annotations

import numpy as np

from lendface.engine.beyond import continued, shown_part
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats

INSIDE = np.float32([[1, 0, 4], [0, 1, 4]])


def moved(x: float, y: float, scale: float = 1.0) -> Floats:
    return np.float32([[scale, 0, x], [0, scale, y]])


def test_a_crop_inside_of_the_picture_is_all_shown_and_stays() -> None:
    crop = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert shown_part(INSIDE, 8, (16, 16)) is None
    assert continued(crop, INSIDE, (16, 16)) is crop


def test_the_picture_s_edge_goes_on_beyond_it() -> None:
    ramp = np.repeat(np.linspace(60, 200, 40)[None], 40, 0)
    picture = ArrayPicture(np.uint8(np.repeat(ramp[..., None], 3, 2)))
    for scale in (0.5, 1.0, 2.5):
        crop_to_frame = moved(-10.0, 5.0, scale)
        crop = picture.warped(crop_to_frame, 24)
        whole = continued(crop, crop_to_frame, (40, 40))
        shown = shown_part(crop_to_frame, 24, (40, 40))
        assert shown is not None
        np.testing.assert_array_equal(whole[shown], crop[shown])
        assert crop.min() == 0
        assert whole.min() > 55


def test_a_crop_that_shows_nothing_of_the_picture_stays() -> None:
    crop = np.zeros((8, 8, 3), np.uint8)
    assert continued(crop, moved(100, 100), (16, 16)) is crop
