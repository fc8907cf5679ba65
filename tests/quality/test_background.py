"""Whether all but the faces was left alone."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.mesh.topology import Topology
from lendface.quality.background import (
    UNTOUCHED_DB,
    outside_faces,
    psnr_outside,
    squared_error,
    to_psnr,
)
from quality.made_faces import MadeFace, made_face


@pytest.fixture(scope="module")
def face(topology: Topology) -> MadeFace:
    return made_face(topology)


def test_a_face_may_change_as_it_likes(face: MadeFace) -> None:
    faces = [(face.oval_xy, face.eye_px)]
    assert psnr_outside(face.pixels, face.pasted(255 - face.pixels), faces) == UNTOUCHED_DB


@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_one_level_everywhere_is_48_decibels(face: MadeFace, kind: type) -> None:
    target = face.pixels.astype(kind)
    found = psnr_outside(target, target + kind(1), [(face.oval_xy, face.eye_px)])
    assert found == pytest.approx(48.13, abs=0.01)


def test_a_paste_beyond_the_face_is_seen(face: MadeFace) -> None:
    output = face.pixels.copy()
    output[:20, :20] = 0  # a corner of the picture
    found = psnr_outside(face.pixels, output, [(face.oval_xy, face.eye_px)])
    assert found is not None
    assert found < 30


def test_the_margin_is_in_eye_distances(face: MadeFace) -> None:
    shape = face.pixels.shape
    outside = outside_faces(shape, [(face.oval_xy, face.eye_px)], margin=0.2)
    x, y = face.landmarks[152, :2]  # the chin
    for down, is_outside in ((0.1, False), (0.3, True)):
        assert outside[round(y + down * face.eye_px), round(x)] == is_outside


def test_every_face_is_left_out(face: MadeFace) -> None:
    left, right = face.oval_xy / 2, face.oval_xy / 2 + np.float32([130, 0])
    outside = outside_faces(face.pixels.shape, [(left, 30), (right, 30)])
    assert not outside[65, 65]
    assert not outside[65, 195]
    assert outside[240, 130]


def test_a_picture_full_of_faces_has_no_background(face: MadeFace) -> None:
    everything = np.zeros(face.pixels.shape[:2], bool)
    assert squared_error(face.pixels, face.pixels, everything) is None
    assert psnr_outside(face.pixels, face.pixels, [(face.oval_xy * 9 - 900, 600)]) is None


def test_a_film_is_as_good_as_the_mean_of_its_errors() -> None:
    assert to_psnr(np.mean([0.0, 2.0])) == pytest.approx(48.13, abs=0.01)
