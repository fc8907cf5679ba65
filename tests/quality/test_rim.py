"""Edges and tones at the rim of a face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.mesh.topology import Topology
from lendface.quality.rim import edge_visibility, tone_step
from quality.made_faces import SIDE, MadeFace, blurred, lighter, made_face


@pytest.fixture(scope="module")
def face(topology: Topology) -> MadeFace:
    return made_face(topology)


def edge(face: MadeFace, output: np.ndarray) -> float:
    value = edge_visibility(face.pixels, output, face.oval_xy, face.eye_px)
    assert value is not None
    return value


def tone(face: MadeFace, output: np.ndarray) -> float:
    value = tone_step(face.pixels, output, face.oval_xy, face.eye_px)
    assert value is not None
    return value


def test_an_invisible_paste_has_no_edge_and_no_step(face: MadeFace) -> None:
    assert edge(face, face.pixels.copy()) == pytest.approx(1.0)
    assert tone(face, face.pixels.copy()) == 0.0


def test_a_hard_edge_is_seen_and_a_soft_one_less(face: MadeFace) -> None:
    paste = lighter(face.pixels, 12)
    hard, soft = edge(face, face.pasted(paste)), edge(face, face.pasted(paste, feather=0.2))
    assert hard > 1.8
    assert 1.0 < soft < 1.25


def test_an_edge_is_the_more_visible_the_larger_its_step(face: MadeFace) -> None:
    edges = [edge(face, face.pasted(lighter(face.pixels, step))) for step in (0, 4, 8, 16)]
    assert edges == sorted(edges)
    assert edges[-1] > 2


def test_an_edge_of_colour_alone_is_seen(face: MadeFace) -> None:
    reddish = face.pixels + np.float32([8, -4, 0])  # hardly another brightness
    assert edge(face, face.pasted(reddish)) > 1.1


def test_a_smeared_rim_is_below_one(face: MadeFace) -> None:
    assert edge(face, blurred(face.pixels, 3)) < 0.7


def test_an_edge_beside_a_strong_one_of_the_targets_own_counts_less(topology: Topology) -> None:
    on_skin, on_wall = made_face(topology), made_face(topology)
    wall = ~on_wall.inside
    on_wall.pixels[wall] -= 90
    ratios = [edge(face, face.pasted(lighter(face.pixels, 8))) for face in (on_skin, on_wall)]
    assert ratios[1] < ratios[0]


@pytest.mark.parametrize("step", [-5.0, 5.0])
def test_a_tone_that_is_five_off_is_five_off(face: MadeFace, step: float) -> None:
    assert tone(face, face.pasted(lighter(face.pixels, step))) == pytest.approx(5, abs=0.3)


def test_a_film_that_was_made_brighter_as_a_whole_has_no_tone_step(face: MadeFace) -> None:
    assert tone(face, lighter(face.pixels, 5)) < 0.3


def test_halves_of_the_face_that_are_off_in_opposite_ways_do_not_cancel(face: MadeFace) -> None:
    left = np.arange(SIDE)[None, :, None] < face.landmarks[1, 0]
    uneven = np.where(left, lighter(face.pixels, 6), lighter(face.pixels, -6))
    assert tone(face, face.pasted(np.float32(uneven))) > 3.5


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_size_does_not_matter_much(face: MadeFace, scale: float) -> None:
    pasted = face.pasted(lighter(face.pixels, 8))
    target, output = (
        cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for pixels in (face.pixels, pasted)
    )
    oval_xy = (face.oval_xy + 0.5) * np.float32(scale) - np.float32(0.5)
    found = tone_step(target, output, oval_xy, face.eye_px * scale)
    assert found == pytest.approx(8, abs=0.8)
    edge_found = edge_visibility(target, output, oval_xy, face.eye_px * scale)
    assert edge_found is not None
    assert edge_found > 1.3


def test_a_face_cut_by_the_frame_is_judged_by_what_is_seen(face: MadeFace) -> None:
    paste = face.pasted(lighter(face.pixels, 5))
    cut = round(float(face.landmarks[1, 1]))  # only what is above the nose
    found = tone_step(face.pixels[:cut], paste[:cut], face.oval_xy, face.eye_px)
    assert found == pytest.approx(5, abs=0.5)


def test_a_rim_out_of_sight_is_not_judged(face: MadeFace) -> None:
    far_away = face.oval_xy + np.float32(2 * SIDE)
    assert edge_visibility(face.pixels, face.pixels, far_away, face.eye_px) is None
    assert tone_step(face.pixels, face.pixels, far_away, face.eye_px) is None
