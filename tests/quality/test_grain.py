"""Sharpness and noise of a face beside the target's own."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.mesh.topology import Topology
from lendface.quality.grain import grain_ratio, inner_face, sharpness_ratio, skin_of
from quality.made_faces import MadeFace, blurred, made_face


@pytest.fixture(scope="module")
def face(topology: Topology) -> MadeFace:
    return made_face(topology)


def sharpness(face: MadeFace, output: np.ndarray) -> float:
    value = sharpness_ratio(face.pixels, np.float32(output), face.landmarks, face.eye_px)
    assert value is not None
    return value


def grain(face: MadeFace, output: np.ndarray) -> float:
    value = grain_ratio(face.pixels, np.float32(output), face.landmarks, face.eye_px)
    assert value is not None
    return value


def test_the_same_face_is_as_sharp_and_as_noisy(face: MadeFace) -> None:
    assert sharpness(face, face.pixels) == 1.0
    assert grain(face, face.pixels) == 1.0


def test_the_more_a_face_is_blurred_the_less_sharp_it_is(face: MadeFace) -> None:
    values = [sharpness(face, blurred(face.pixels, sigma)) for sigma in (0.5, 1.0, 2.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] < 0.97
    assert values[1] < 0.9


def test_a_face_sharper_than_its_film_is_above_one(face: MadeFace) -> None:
    soft = MadeFace(face.landmarks, blurred(face.pixels, 1.2))
    assert sharpness(soft, face.pixels) > 1.15


def test_less_contrast_is_not_less_sharp(face: MadeFace) -> None:
    assert sharpness(face, 0.6 * face.pixels + 60) == pytest.approx(1, abs=1e-3)


def test_what_happens_outside_the_face_does_not_matter(face: MadeFace) -> None:
    output = np.where(face.inside[..., None], face.pixels, blurred(face.pixels, 3))
    assert sharpness(face, output) == pytest.approx(1, abs=0.01)
    assert grain(face, output) == pytest.approx(1, abs=0.01)


def test_twice_the_noise_is_about_twice_the_grain(topology: Topology) -> None:
    calm, noisy = made_face(topology, noise=3), made_face(topology, noise=6, seed=2)
    # 0.5 is added on both sides, so that what rounding hides does not count
    assert grain(calm, noisy.pixels) == pytest.approx(6.5 / 3.5, abs=0.2)


def test_a_face_without_the_films_noise_has_too_little_grain(topology: Topology) -> None:
    noisy, clean = made_face(topology, noise=4), made_face(topology, noise=0)
    assert grain(noisy, clean.pixels) < 0.4


def test_noise_that_rounding_hides_is_no_grain(topology: Topology) -> None:
    clean = made_face(topology, noise=0)
    assert 1 <= grain(clean, np.rint(clean.pixels)) < 1.7


def test_skin_is_the_inner_face_without_its_features(face: MadeFace) -> None:
    shape = face.pixels.shape[:2]
    inner = inner_face(face.landmarks, shape, face.eye_px)
    skin = skin_of(face.landmarks, shape, face.eye_px)
    assert (skin <= inner).all()
    assert (inner <= face.inside).all()
    for point, is_skin in ((1, True), (50, True), (468, False), (13, False), (10, False)):
        x, y = np.rint(face.landmarks[point, :2]).astype(int)
        assert skin[y, x] == is_skin


def test_a_face_too_small_to_judge_is_not_judged(face: MadeFace) -> None:
    dot = face.landmarks / 40
    assert sharpness_ratio(face.pixels, face.pixels, dot, face.eye_px / 40) is None
    assert grain_ratio(face.pixels, face.pixels, dot, face.eye_px / 40) is None
