"""The visible label: where it stands, how large it is, and that it can be read on anything."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.label import LEAST_PX, Label, Position
from lendface.engine.picture import ArrayPicture

POSITIONS: tuple[Position, ...] = ("bottom-right", "bottom-left", "top-right", "top-left")


def plain(grey: int, size_wh: tuple[int, int] = (640, 360)) -> ArrayPicture:
    return ArrayPicture(np.full((size_wh[1], size_wh[0], 3), grey, np.uint8))


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Of grey sRGB, 0..1, as the contrast of WCAG 2 wants it."""
    share = pixels[..., 0].astype(float) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("grey", [0, 64, 128, 192, 255])
def test_its_words_stand_out_on_light_and_dark(grey: int) -> None:
    """4.5 : 1 is what WCAG 2 asks of text."""
    box = Label().patch((640, 360)).box
    shown = plain(grey).pasted([Label().patch((640, 360))]).pixels
    light = luminance(shown[box.y0 : box.y1, box.x0 : box.x1])
    words, plate = np.percentile(light, [99, 25])
    assert (words + 0.05) / (plate + 0.05) > 4.5


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("size_wh", [(640, 360), (360, 640), (1920, 1080), (64, 48), (3, 2)])
def test_it_stands_in_its_corner_and_inside_the_picture(
    position: Position, size_wh: tuple[int, int]
) -> None:
    patch = Label(position).patch(size_wh)
    assert patch.box == patch.box.clipped(size_wh)
    assert patch.pixels.shape == (patch.box.height, patch.box.width, 3)
    assert patch.alpha.shape == (patch.box.height, patch.box.width)
    assert 0 <= patch.alpha.min() <= patch.alpha.max() <= 1
    middle_x, middle_y = (patch.box.x0 + patch.box.x1) / 2, (patch.box.y0 + patch.box.y1) / 2
    if size_wh[0] >= 360:
        assert (middle_x < size_wh[0] / 2) == position.endswith("left")
        assert (middle_y < size_wh[1] / 2) == position.startswith("top")


def test_its_size_is_a_share_of_the_height() -> None:
    for share in (0.05, 0.1):
        assert Label(size_share=share).patch((1920, 1080)).box.height == round(share * 1080)
    assert Label(size_share=0.02).patch((640, 360)).box.height == LEAST_PX  # else nobody reads it


def test_it_covers_no_more_than_a_part_of_a_narrow_picture() -> None:
    assert Label(size_share=0.25).patch((360, 640)).box.width <= 0.6 * 360


def test_it_is_drawn_once_for_a_size() -> None:
    assert Label().patch((640, 360)) is Label().patch((640, 360))


def test_the_picture_around_it_stays() -> None:
    patch = Label().patch((640, 360))
    before = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
    after = ArrayPicture(before).pasted([patch]).pixels
    outside = np.ones((360, 640), bool)
    outside[patch.box.y0 : patch.box.y1, patch.box.x0 : patch.box.x1] = False
    np.testing.assert_array_equal(after[outside], before[outside])
    assert (after != before).any()
