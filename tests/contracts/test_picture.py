"""What every picture must do, whatever its samples look like in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface.engine.geometry import Roi, crop_of
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Array, Box, Floats, Patch, Picture, Pixels
from lendface.media import PlanesPicture, open_video
from people import write_film

WH = (128, 96)


def colours() -> Pixels:
    """Soft colours, so that a coarser colour plane can carry them."""
    small = np.random.default_rng(5).integers(50, 205, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, WH, interpolation=cv2.INTER_CUBIC)


@dataclass(frozen=True)
class Kind:
    """A way to hold a picture. Tolerances are levels of 0..255.

    ``close`` is the rounding of the colour conversion, ``margin_px`` how far a change reaches
    beyond itself through shared colour samples; ``soft`` allows for interpolating those.
    """

    make: Callable[[Path], Picture]
    close: float
    soft: float
    margin_px: int


def from_film(pix_fmt: str, rotation: int = 0) -> Callable[[Path], Picture]:
    def make(folder: Path) -> Picture:
        turned = np.rot90(colours(), -rotation // 90)
        path = write_film(folder / "in.mp4", [turned], pix_fmt=pix_fmt, rotation=rotation)
        with open_video(path) as reader:
            picture = next(reader.frames()).picture
        assert isinstance(picture, PlanesPicture)
        return picture

    return make


KINDS = {
    "array": Kind(lambda folder: ArrayPicture(colours()), 0, 1.01, 0),
    "planes-rgb": Kind(from_film("rgb24"), 0.01, 1.01, 0),
    "planes-444": Kind(from_film("yuv444p"), 2.01, 3, 0),
    "planes-420": Kind(from_film("yuv420p"), 8, 8, 2),
    "planes-420-turned": Kind(from_film("yuv420p", 90), 8, 8, 2),
    "planes-420-upside-down": Kind(from_film("yuv420p", 180), 8, 8, 2),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def picture(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Picture:
    return kind.make(tmp_path_factory.mktemp("picture"))


def whole(picture: Picture) -> Floats:
    return picture.region(Box(0, 0, *WH))


def flat(box: Box, colour: tuple[int, int, int], alpha: float = 1.0) -> Patch:
    size = (box.height, box.width)
    return Patch(box, np.full((*size, 3), colour, np.float32), np.full(size, alpha, np.float32))


def far_from(mask: Array, margin_px: int) -> Array:
    """(h, w) bool: the pixels that are farther than the margin from a mask."""
    grown = cv2.dilate(np.uint8(mask), np.ones((2 * margin_px + 1, 2 * margin_px + 1)))
    return grown == 0


def test_size_is_that_of_the_upright_picture(picture: Picture) -> None:
    assert picture.size_wh == WH


def test_a_region_is_the_colours_as_floats(picture: Picture, kind: Kind) -> None:
    box = Box(17, 9, 90, 70)
    part = picture.region(box)
    assert (part.shape, part.dtype) == ((61, 73, 3), np.float32)
    np.testing.assert_allclose(part, colours()[9:70, 17:90], atol=kind.close)
    assert (part.min() >= 0, part.max() <= 255) == (True, True)


def test_a_region_is_a_part_of_the_whole(picture: Picture) -> None:
    """Odd corners and single pixels too."""
    for box in (Box(17, 9, 90, 70), Box(0, 0, 1, 1), Box(127, 95, 128, 96), Box(3, 3, 8, 40)):
        expected = whole(picture)[box.y0 : box.y1, box.x0 : box.x1]
        np.testing.assert_allclose(picture.region(box), expected, atol=0.02)


def test_reduced_shrinks_by_the_mean_and_never_enlarges(picture: Picture, kind: Kind) -> None:
    small = picture.reduced(32)
    assert (small.shape, small.dtype) == ((24, 32, 3), np.uint8)
    means = cv2.resize(colours(), (32, 24), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(small.astype(float), means, atol=kind.soft)
    assert picture.reduced(4000).shape == (*WH[::-1], 3)
    np.testing.assert_allclose(picture.reduced(4000).astype(float), colours(), atol=kind.soft)
    assert picture.reduced(1).shape == (1, 1, 3)


@pytest.mark.parametrize("roi", [Roi(64, 48, 50, 0.0), Roi(50, 40, 40, 0.6), Roi(64, 48, 30, 3.0)])
def test_a_crop_shows_the_point_that_its_matrix_names(
    picture: Picture, kind: Kind, roi: Roi
) -> None:
    crop_to_frame = crop_of(roi, 40)
    crop = picture.warped(crop_to_frame, 40)
    assert (crop.shape, crop.dtype) == ((40, 40, 3), np.uint8)
    ys, xs = np.mgrid[:40, :40].astype(np.float32)
    places = np.stack([xs, ys], -1) @ crop_to_frame[:, :2].T + crop_to_frame[:, 2]
    expected = cv2.remap(colours().astype(np.float32), places, None, cv2.INTER_LINEAR)
    off = np.abs(crop - expected)
    assert off.max() < kind.soft + 4
    assert off.mean() < kind.soft / 2 + 0.3


def test_a_gray_crop_is_as_bright_as_the_crop(picture: Picture, kind: Kind) -> None:
    crop_to_frame = crop_of(Roi(60, 44, 70, 0.5), 40)
    gray = picture.warped_gray(crop_to_frame, 40)
    assert (gray.shape, gray.dtype) == ((40, 40), np.uint8)
    expected = cv2.cvtColor(picture.warped(crop_to_frame, 40), cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(gray - expected).max() <= kind.close + 1
    small = cv2.cvtColor(picture.reduced(48), cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(picture.reduced_gray(48) - small).max() <= kind.close + 1


def test_a_crop_is_black_beyond_the_picture(picture: Picture) -> None:
    crop = picture.warped(crop_of(Roi(0, 0, 60, 0.0), 60), 60)
    assert crop[:28, :28].max() <= 2
    assert crop[34:, 34:].min() > 10
    away = picture.warped(crop_of(Roi(-900, 4000, 60, 0.3), 60), 60)
    assert away.max() <= 2


def test_a_patch_shows_where_it_is_opaque_and_nowhere_else(picture: Picture, kind: Kind) -> None:
    box = Box(20, 30, 61, 75)
    done = picture.pasted([flat(box, (200, 90, 60))])
    covered = np.zeros(WH[::-1], bool)
    covered[box.y0 : box.y1, box.x0 : box.x1] = True
    inside = far_from(~covered, kind.margin_px)
    np.testing.assert_allclose(whole(done)[inside] - (200, 90, 60), 0, atol=2.01)
    untouched = far_from(covered, kind.margin_px)
    np.testing.assert_array_equal(whole(done)[untouched], whole(picture)[untouched])


def test_pixels_without_alpha_stay_bit_for_bit_within_the_box_too(
    picture: Picture, kind: Kind
) -> None:
    box = Box(10, 10, 90, 80)
    patch = flat(box, (0, 255, 0), alpha=0)
    patch.alpha[30:40, 20:50] = 0.7
    done = picture.pasted([patch])
    shown = np.zeros(WH[::-1], bool)
    shown[40:50, 30:60] = True
    untouched = far_from(shown, kind.margin_px)
    np.testing.assert_array_equal(whole(done)[untouched], whole(picture)[untouched])
    assert (whole(done)[42:48, 33:57] != whole(picture)[42:48, 33:57]).any(2).all()


def test_half_an_alpha_is_half_way(picture: Picture, kind: Kind) -> None:
    box = Box(40, 20, 100, 60)
    done = picture.pasted([flat(box, (120, 120, 120), alpha=0.5)])
    part, old = done.region(Box(50, 30, 90, 50)), picture.region(Box(50, 30, 90, 50))
    np.testing.assert_allclose(part, (old + 120) / 2, atol=max(kind.close, 2.01))


def test_later_patches_lie_on_earlier_ones(picture: Picture) -> None:
    box = Box(30, 30, 70, 70)
    done = picture.pasted([flat(box, (200, 200, 200)), flat(box, (60, 60, 60))])
    np.testing.assert_allclose(done.region(Box(40, 40, 60, 60)) - 60, 0, atol=1.01)


def test_the_picture_pasted_to_stays_as_it_was(picture: Picture) -> None:
    before = whole(picture).copy()
    first = picture.pasted([flat(Box(0, 0, 64, 96), (10, 20, 200))])
    kept = whole(first).copy()
    first.pasted([flat(Box(0, 0, 128, 96), (250, 250, 250))])
    np.testing.assert_array_equal(whole(picture), before)
    np.testing.assert_array_equal(whole(first), kept)


def test_what_was_read_from_a_picture_may_be_written_to(picture: Picture) -> None:
    before = whole(picture).copy()
    picture.region(Box(0, 0, 40, 40))[:] = 0
    picture.warped(crop_of(Roi(20, 20, 20, 0.0), 20), 20)[:] = 0
    np.testing.assert_array_equal(whole(picture), before)


def test_no_patch_changes_nothing(picture: Picture) -> None:
    np.testing.assert_array_equal(whole(picture.pasted([])), whole(picture))
