"""What of the target's eyes and mouth shows on a new face."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.openings import with_lip_line
from lendface.engine.mesh.topology import LIPS_SEAM, POINTS, Topology
from lendface.engine.types import Floats

SIDE = 400
UPPER, LOWER = (list(seam) for seam in LIPS_SEAM)


def face(topology: Topology, gap_px: float) -> Floats:
    """(468, 2) the canonical face in the middle of a picture, its lips that far apart."""
    points = topology.vertices[:, :2] * np.float32(15) + np.float32([SIDE / 2, SIDE / 2 - 30])
    seam = (points[UPPER] + points[LOWER]) / 2
    half = np.float32([0, gap_px / 2])
    points[UPPER], points[LOWER] = seam - half, seam + half
    return points


def painted(points: Floats, line: float) -> Floats:
    """Skin of 160 with a horizontal line of that brightness where the lips meet."""
    pixels = np.full((SIDE, SIDE, 3), 160, np.float32)
    for x, y in np.rint((points[UPPER] + points[LOWER]) / 2).astype(int):
        pixels[y - 1 : y + 2, x - 8 : x + 9] = line
    return pixels


def middle(pixels: Floats, points: Floats) -> float:
    x, y = np.rint((points[13] + points[14]) / 2).astype(int)
    return float(pixels[y, x].mean())


def test_closed_lips_without_a_line_get_the_targets(topology: Topology) -> None:
    points = face(topology, gap_px=0)
    skin, target = painted(points, 160), painted(points, 40)
    lined = with_lip_line(skin.copy(), target, points, eye_distance_px(points))
    assert middle(lined, points) < 120
    assert (lined <= skin).all()
    far = np.abs(np.arange(SIDE) - points[13, 1]) > 0.3 * eye_distance_px(points)
    np.testing.assert_array_equal(lined[far], skin[far])


def test_a_line_that_is_there_already_is_not_darkened(topology: Topology) -> None:
    points = face(topology, gap_px=0)
    skin, target = painted(points, 40), painted(points, 60)
    lined = with_lip_line(skin.copy(), target, points, eye_distance_px(points))
    assert middle(lined, points) == pytest.approx(40, abs=2)


def test_an_open_mouth_gets_no_line(topology: Topology) -> None:
    points = face(topology, gap_px=20)
    skin, target = painted(points, 160), painted(points, 40)
    lined = with_lip_line(skin.copy(), target, points, eye_distance_px(points))
    np.testing.assert_array_equal(lined, skin)
    assert len(points) == POINTS
