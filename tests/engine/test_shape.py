"""Leaning a target's shape towards a source's without its expression."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.shape import (
    JAW_LIMIT,
    ShapeShift,
    bearable_share,
    median_shape,
    pose_of,
)
from lendface.engine.mesh.swapper import MeshSwapper
from lendface.engine.mesh.topology import (
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS,
    LIPS_SEAM,
    OVAL,
    POINTS,
    Topology,
)
from lendface.engine.style import Style
from lendface.engine.types import Floats, SourceFace, Track
from people import PEOPLE

UPPER_LIP, LOWER_LIP = [82, 13, 312], [87, 14, 317]
LIDS = ([160, 159, 158, 385, 386, 387], [144, 145, 153, 380, 374, 373])
HAIR_LINE = [10, 338, 297, 332, 284, 251, 21, 54, 103, 67, 109]
JAW_POINTS = [397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172]
PAIRS = [(a, b) for a in PEOPLE for b in PEOPLE if a != b]


@pytest.fixture(scope="module")
def shapes(topology: Topology, sources: dict[str, SourceFace]) -> dict[str, Floats]:
    meshes = {who: source.portraits[0].mesh for who, source in sources.items()}
    return {who: median_shape(topology, [m.landmarks_xyz]) for who, m in meshes.items()}


def openings(shape: Floats, upper: list[int], lower: list[int]) -> Floats:
    return np.linalg.norm(shape[lower] - shape[upper], axis=1)


@pytest.mark.parametrize(("target", "source"), PAIRS)
def test_the_hair_line_stays_and_the_jaw_moves_a_little(
    topology: Topology, shapes: dict[str, Floats], target: str, source: str
) -> None:
    shift = ShapeShift(topology).between(shapes[target], shapes[source])
    assert shift.shape == (POINTS, 3)
    assert (shift[HAIR_LINE] == 0).all()
    jaw = np.linalg.norm(shift[JAW_POINTS], axis=1)
    assert 0 < jaw.max() < JAW_LIMIT * eye_distance_px(shapes[target])
    assert (shift[list(OVAL), 2] == 0).all()
    assert np.abs(shift).max() > 0.1  # centimetres: people do differ


def test_even_a_much_larger_jaw_moves_the_outline_no_further_than_allowed(
    topology: Topology,
) -> None:
    large = topology.vertices.copy()
    large[JAW_POINTS] *= 2
    shift = ShapeShift(topology).between(topology.vertices, large)[list(OVAL)]
    most = JAW_LIMIT * eye_distance_px(topology.vertices)
    assert most / 2 < np.linalg.norm(shift, axis=1).max() <= most * 1.001


@pytest.mark.parametrize(("target", "source"), PAIRS)
def test_mouth_and_eyes_stay_as_open_as_the_target_has_them(
    topology: Topology, shapes: dict[str, Floats], target: str, source: str
) -> None:
    shouting = shapes[source].copy()
    shouting[LOWER_LIP] += np.float32([0, 2.5, 0])  # centimetres
    shouting[LIDS[1]] += np.float32([0, 0.5, 0])
    moved = shapes[target] + ShapeShift(topology).between(shapes[target], shouting)
    for upper, lower in ((UPPER_LIP, LOWER_LIP), LIDS):
        before, after = (openings(shape, upper, lower) for shape in (shapes[target], moved))
        np.testing.assert_allclose(after, before, atol=0.06)


@pytest.mark.parametrize("side", [-1, 1])
def test_a_turned_face_keeps_its_outline_and_moves_where_it_faces_us(
    topology: Topology, side: int
) -> None:
    turn = side * np.radians(55)
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.float32([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    turned = topology.vertices @ rotation.T * 20
    shares = {}
    for name, points in (("frontal", topology.vertices * 20), ("turned", turned)):
        shares[name] = bearable_share(topology, points, pose_of(topology, points))[:, 0]
    assert (shares["frontal"] == 1).all()
    facing_us = int(np.argmin(turned[:, 2] + 1e3 * (topology.rings_from_oval < 3)))
    hidden = [234, 132, 172] if turned[234, 2] > turned[454, 2] else [454, 361, 397]
    assert shares["turned"][hidden].max() < 0.05
    assert shares["turned"][facing_us] > 0.5
    for body in (LIPS, EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT):
        assert np.ptp(shares["turned"][list(body)]) < 1e-6  # no opening changes


@pytest.mark.parametrize(("target", "source"), PAIRS)
def test_an_eye_moves_as_one_body_so_that_the_gaze_stays(
    topology: Topology, shapes: dict[str, Floats], target: str, source: str
) -> None:
    """What is in it moves by an affine map, so the iris stays where it was between the corners."""
    before = shapes[target]
    after = before + ShapeShift(topology).between(before, shapes[source])
    for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT):
        eye = list(ring)
        known = np.column_stack([before[eye, :2], np.ones(len(eye))])
        affine = np.linalg.lstsq(known, after[eye, :2], rcond=None)[0]
        np.testing.assert_allclose(known @ affine, after[eye, :2], atol=0.02)  # centimetres
        heights = np.ptp(before[eye, 1]), np.ptp(after[eye, 1])
        assert heights[1] == pytest.approx(heights[0], abs=0.25)


def test_a_jaw_that_is_down_is_not_taken_for_a_long_chin(topology: Topology) -> None:
    """In the median of a film in which somebody talks it is; a photo may show a laugh."""
    longer, lower = topology.vertices.copy(), topology.vertices[:, 1] > 4
    longer[lower, 1] += 0.5
    shift = ShapeShift(topology).between(topology.vertices, longer)
    assert 0 < shift[152, 1] < 0.35
    assert np.ptp(shift[list(LIPS), 1]) < 1e-6


def test_ones_own_shape_moves_nothing(topology: Topology, shapes: dict[str, Floats]) -> None:
    own = shapes["P003"]
    np.testing.assert_allclose(ShapeShift(topology).between(own, own), 0, atol=1e-6)


def test_the_lips_become_only_a_little_wider(topology: Topology) -> None:
    wide = topology.vertices * np.float32([3, 1, 1])
    moved = topology.vertices + ShapeShift(topology).between(topology.vertices, wide)
    widths = [np.ptp(shape[[61, 291], 0]) for shape in (topology.vertices, moved)]
    assert widths[1] / widths[0] == pytest.approx(1.06, abs=0.02)


@pytest.mark.parametrize(("lip", "other", "fuller"), [(0, 17, 0.3), (17, 0, 0.3), (17, 0, -0.3)])
def test_a_lip_gets_as_full_as_the_sources_and_no_opening_changes(
    topology: Topology, lip: int, other: int, fuller: float
) -> None:
    target, source = topology.vertices, topology.vertices.copy()
    upper, lower = (np.array(seam) for seam in LIPS_SEAM)
    outwards = -1 if lip == 0 else 1
    source[lip, 1] += outwards * fuller
    shift = ShapeShift(topology).between(target, source)[:, 1]
    body = shift[upper].mean()
    assert outwards * np.sign(fuller) * (shift[lip] - body) > 0.05
    assert abs(shift[other] - body) < 0.02
    np.testing.assert_allclose(shift[upper], shift[lower], atol=1e-3)


def test_shape_zero_moves_no_point_at_all(
    topology: Topology, sources: dict[str, SourceFace], shapes: dict[str, Floats]
) -> None:
    person = Track(1, sources["P003"].embedding, shapes["P003"], 1, 200, 200, 0, 1, ((0, 1),), 0)
    looks = [
        MeshSwapper(topology, Style(shape=how)).prepare(sources["P005"], person)
        for how in (0.0, 1.0)
    ]
    assert (looks[0].shift == 0).all()
    assert np.abs(looks[1].shift).max() > 0.1
