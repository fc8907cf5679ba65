from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.geometry import Roi, crop_of
from lendface.engine.pyramid import Pyramid
from lendface.engine.types import Array


def soft_plane(height: int, width: int) -> Array:
    small = np.random.default_rng(3).integers(40, 220, (5, 7), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def expected_at(plane: Array, crop_to_plane: Array, size_px: int) -> Array:
    ys, xs = np.mgrid[:size_px, :size_px].astype(np.float32)
    places = np.stack([xs, ys], -1) @ crop_to_plane[:, :2].T + crop_to_plane[:, 2]
    return cv2.remap(plane.astype(np.float32), np.float32(places), None, cv2.INTER_LINEAR)


@pytest.mark.parametrize("size_px", [200, 90, 40, 24])
@pytest.mark.parametrize("shape", [(480, 640), (481, 643)])
def test_a_crop_lies_at_the_same_place_from_every_level(
    shape: tuple[int, int], size_px: int
) -> None:
    plane = soft_plane(*shape)
    crop_to_plane = crop_of(Roi(300.3, 240.8, 200, 0.4), size_px)
    crop = Pyramid(plane).warped(crop_to_plane.tolist(), size_px, (0,))
    off = np.abs(crop - expected_at(plane, crop_to_plane, size_px))
    assert off.max() < 4


def test_stripes_of_one_pixel_become_gray_and_do_not_alias() -> None:
    plane = np.where(np.arange(512) % 2, 30, 220).astype(np.uint8)[None].repeat(512, 0)
    for scale in (2, 3, 4, 7, 16):
        crop = Pyramid(plane).warped([[scale, 0, 9.3], [0, scale, 9]], 28, (0,))
        assert np.ptp(crop[2:-2, 2:-2].astype(int)) < 40  # the stripes differ by 190


def test_all_of_a_plane_is_resized_by_its_mean() -> None:
    plane = soft_plane(360, 640)
    for size_wh in ((320, 180), (213, 120), (96, 54), (640, 360)):
        means = cv2.resize(plane, size_wh, interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(Pyramid(plane).resized(size_wh) - means).max() < 5


def test_a_plane_of_one_row_can_be_reduced() -> None:
    plane = np.full((1, 640), 90, np.uint8)
    assert Pyramid(plane).warped([[8, 0, 0], [0, 8, 0]], 20, (0,))[0, 5] == 90
    assert Pyramid(plane).resized((20, 1)).tolist() == [[90] * 20]
