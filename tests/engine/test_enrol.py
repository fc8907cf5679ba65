"""Of source photos no more is kept than a face needs, and never two of them whole."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from lendface.engine.enrol import KEPT_PIXELS, OVERVIEW_PX, Photo, cut_to_face, face_height_px
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Box, Pixels
from lendface.pipeline.parts import Parts
from lendface.pipeline.swaps import MOST_KEPT_PIXELS, kept_pixels_each
from people import read_person

SIDE, AT = 600, (3000, 2000)  # of the portrait, and where it lies


def wide_photo() -> Pixels:
    """16 megapixels, of which a portrait is a small part."""
    noise = np.random.default_rng(4).integers(90, 130, (35, 46, 3), dtype=np.uint8)
    pixels = cv2.resize(noise, (4600, 3500), interpolation=cv2.INTER_CUBIC)
    pixels[AT[1] : AT[1] + SIDE, AT[0] : AT[0] + SIDE] = read_person("P003", side_px=SIDE)
    return pixels


def test_a_large_photo_is_cut_to_its_face_and_shows_the_same_person(parts: Parts) -> None:
    pixels = wide_photo()
    whole = parts.enroller.portrait(Photo("wide", ArrayPicture(pixels)))
    cut = cut_to_face(whole, KEPT_PIXELS)
    width, height = cut.picture.size_wh
    assert width * height < 6_000_000
    assert float(whole.embedding @ cut.embedding) == pytest.approx(1)
    shift = whole.mesh.landmarks_xyz[1, :2] - cut.mesh.landmarks_xyz[1, :2]
    x, y = np.rint(shift).astype(int)
    np.testing.assert_array_equal(cut.picture.region(Box(0, 0, width, height)),
                                  pixels[y : y + height, x : x + width])  # fmt: skip
    again = parts.enroller.portrait(Photo("cut", cut.picture))
    assert float(again.embedding @ whole.embedding) > 0.98
    assert np.abs(again.mesh.landmarks_xyz - cut.mesh.landmarks_xyz)[:, :2].max() < 3
    assert cut.overview is not None
    np.testing.assert_array_equal(
        cut.overview.reduced(OVERVIEW_PX), whole.picture.reduced(OVERVIEW_PX)
    )


def test_what_is_still_too_large_is_shrunk(parts: Parts) -> None:
    whole = parts.enroller.portrait(Photo("near", ArrayPicture(read_person("P003", side_px=1200))))
    cut = cut_to_face(whole, 360_000)
    width, height = cut.picture.size_wh
    assert 300_000 < width * height <= 360_000
    assert face_height_px(cut.mesh) == pytest.approx(
        face_height_px(whole.mesh) * width / 1200, rel=0.01
    )


def test_a_usual_photo_stays_as_it_is(parts: Parts) -> None:
    whole = parts.enroller.portrait(Photo("usual", ArrayPicture(read_person("P003"))))
    assert cut_to_face(whole, KEPT_PIXELS) is whole


def test_two_large_photos_are_never_in_memory_together(parts: Parts) -> None:
    seen: list[weakref.ref[Pixels]] = []

    def photos() -> Iterator[Photo]:
        for number in range(3):
            assert [ref() for ref in seen if ref() is not None] == []
            pixels = wide_photo()
            seen.append(weakref.ref(pixels))
            picture = ArrayPicture(pixels)
            del pixels
            yield Photo(f"photo {number}", picture)
            del picture

    enrolled = parts.enroller.enrol(photos()).source
    assert len(enrolled.portraits) == 3
    assert [ref() for ref in seen if ref() is not None] == []


def test_the_sum_of_all_photos_is_bounded() -> None:
    assert kept_pixels_each(1) == kept_pixels_each(8) == KEPT_PIXELS
    for count in (9, 50, 400):
        assert count * kept_pixels_each(count) <= MOST_KEPT_PIXELS
