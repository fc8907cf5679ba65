"""What changes from frame to frame though nothing moved."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Floats
from lendface.quality.flicker import Flicker
from quality.made_faces import MadeFace, blurred, made_face, moved

COUNT = 6
Change = Callable[[int, MadeFace], Floats]


@pytest.fixture(scope="module")
def film(topology: Topology) -> list[MadeFace]:
    """A face that drifts to the right, with fresh noise in each frame."""
    return [
        made_face(topology, seed=index, shift_xy=(1.7 * index, 0.6 * index))
        for index in range(COUNT)
    ]


def ratio(film: list[MadeFace], change: Change) -> float:
    flicker = Flicker()
    for index, face in enumerate(film):
        flicker.feed(index, face.pixels, np.float32(change(index, face)), face.landmarks)
    assert flicker.ratio is not None
    return flicker.ratio


def test_a_film_left_alone_flickers_as_itself(film: list[MadeFace]) -> None:
    assert ratio(film, lambda index, face: face.pixels) == 1.0


def test_brightness_that_alternates_is_flicker(film: list[MadeFace]) -> None:
    weak, strong = (
        ratio(film, lambda index, face, by=by: face.pixels + by * (-1) ** index) for by in (1, 4)
    )
    assert weak > 1.1
    assert strong > 2.5


def test_another_brightness_that_stays_is_none(film: list[MadeFace]) -> None:
    assert ratio(film, lambda index, face: 0.9 * face.pixels) < 1.02


def test_a_texture_that_swims_on_the_face_is_flicker(film: list[MadeFace]) -> None:
    shake = [(0.0, 0.0), (1.5, -1.0), (-1.0, 1.2), (1.2, 1.0), (-1.5, -0.5), (0.8, -1.2)]
    assert ratio(film, lambda index, face: moved(face.pixels, shake[index])) > 1.5


def test_a_texture_that_stays_while_the_face_moves_is_flicker(film: list[MadeFace]) -> None:
    assert ratio(film, lambda index, face: film[0].pixels) > 1.3


def test_a_smoother_face_flickers_less(film: list[MadeFace]) -> None:
    assert ratio(film, lambda index, face: blurred(face.pixels, 3)) < 0.9


def test_flicker_outside_the_face_does_not_count(film: list[MadeFace]) -> None:
    def beside(index: int, face: MadeFace) -> Floats:
        return np.float32(face.pixels + (~face.inside)[..., None] * 20 * (-1) ** index)

    assert ratio(film, beside) < 1.1


def test_only_neighbouring_frames_are_compared(film: list[MadeFace]) -> None:
    flicker = Flicker()
    for index, is_judged in ((0, False), (1, True), (3, False), (4, True)):
        face = film[index]
        value = flicker.feed(index, face.pixels, face.pixels, face.landmarks)
        assert (value is not None) == is_judged


def test_a_cut_is_not_flicker(film: list[MadeFace]) -> None:
    flicker, face = Flicker(), film[0]
    flicker.feed(0, face.pixels, face.pixels, face.landmarks)
    other = np.float32(255 - face.pixels)
    assert flicker.feed(1, other, other, face.landmarks) is None
    assert flicker.ratio is None


@pytest.mark.parametrize("scale", [4])
def test_a_large_face_is_judged_like_a_small_one(film: list[MadeFace], scale: int) -> None:
    def grown(pixels: Floats) -> Floats:
        return np.repeat(np.repeat(pixels, scale, 0), scale, 1)

    flicker = Flicker()
    for index, face in enumerate(film[:3]):
        changed = grown(face.pixels + 4 * (-1) ** index)
        landmarks = (face.landmarks + 0.5) * np.float32(scale) - np.float32(0.5)
        flicker.feed(index, grown(face.pixels), changed, landmarks)
    small = ratio(film[:3], lambda index, face: face.pixels + 4 * (-1) ** index)
    assert flicker.ratio == pytest.approx(small, rel=0.1)
