"""Stills of scanners and print: TIFF that is turned, transparent or in CMYK, and profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from lendface.media.icc import profile_of
from lendface.media.images import read_image

RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)
ORIENTATION = 274
P3, SRGB = 12, 13


def flags() -> Image.Image:
    """Red on the left, green above blue on the right; 60x40."""
    pixels = np.empty((40, 60, 3), np.uint8)
    pixels[:, :30] = RED
    pixels[:20, 30:], pixels[20:, 30:] = GREEN, BLUE
    return Image.fromarray(pixels)


def corners(path: Path) -> list[Any]:
    """Top left, top right, bottom right, bottom left."""
    pixels = read_image(path)[0].pixels
    return [pixels[5, 5], pixels[5, -5], pixels[-5, -5], pixels[-5, 5]]


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize(
    ("orientation", "shown"),
    [(1, [RED, GREEN, BLUE, RED]), (3, [BLUE, RED, RED, GREEN]), (6, [RED, RED, GREEN, BLUE])],
)
def test_a_tiff_is_turned_as_it_says(
    tmp_path: Path, compression: str, orientation: int, shown: list[Any]
) -> None:
    path = tmp_path / "a.tif"
    flags().save(path, compression=compression, tiffinfo={ORIENTATION: orientation})
    assert np.array_equal(corners(path), shown)


def test_a_tiff_keeps_transparency_profile_and_depth(tmp_path: Path) -> None:
    image = flags()
    image.putalpha(10)
    image.save(tmp_path / "a.tif", icc_profile=profile_of(P3, SRGB))
    picture, info = read_image(tmp_path / "a.tif")
    assert info.icc == profile_of(P3, SRGB)
    assert info.alpha is not None
    assert set(np.unique(info.alpha)) == {10}
    assert np.array_equal(picture.pixels[5, 5], RED)  # and not darkened by it
    deep = np.full((40, 60, 3), 30_000, np.uint16)
    cv2.imwrite(str(tmp_path / "b.tif"), deep)
    picture, info = read_image(tmp_path / "b.tif")
    assert info.bit_depth == 16
    assert abs(int(picture.pixels[5, 5, 0]) - 117) <= 1


def test_values_that_pillow_would_cut_off_are_scaled(tmp_path: Path) -> None:
    """Gray of 16 bits, and floating point."""
    for pixels in (np.full((40, 60), 30_000, np.uint16), np.full((40, 60, 3), 0.4578, np.float32)):
        cv2.imwrite(str(tmp_path / "a.tif"), pixels)
        assert abs(int(read_image(tmp_path / "a.tif")[0].pixels[5, 5, 0]) - 117) <= 1


@pytest.mark.parametrize("name", ["a.tif", "a.jpg"])
def test_cmyk_becomes_rgb_without_its_profile(tmp_path: Path, name: str) -> None:
    icc = profile_of(P3, SRGB)
    assert icc is not None
    as_cmyk = icc[:16] + b"CMYK" + icc[20:]
    flags().convert("CMYK").save(tmp_path / name, icc_profile=as_cmyk, quality=95)
    picture, info = read_image(tmp_path / name)
    assert (info.icc, info.alpha) == (None, None)
    assert np.allclose(picture.pixels[5, 5], RED, atol=6)


def test_the_profile_of_a_gray_picture_is_left_out(tmp_path: Path) -> None:
    icc = profile_of(P3, SRGB)
    assert icc is not None
    flags().convert("L").save(tmp_path / "a.jpg", icc_profile=icc[:16] + b"GRAY" + icc[20:])
    assert read_image(tmp_path / "a.jpg")[1].icc is None
