"""The picture around a face gives way to another outline."""

from __future__ import annotations

import numpy as np

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.bend import REACH, bend_around
from lendface.engine.mesh.pixelwise import smoothstep
from lendface.engine.mesh.sheet import lay
from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Box, Floats

SIDE = 400
JAW = [365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136]


def posed(topology: Topology) -> Floats:
    """The canonical face in the middle of a picture, about 250 pixels high."""
    return topology.vertices * np.float32(15) + np.float32([SIDE / 2, SIDE / 2 - 30, 0])


def bent(topology: Topology, moved: Floats) -> tuple[Floats, Floats, Box]:
    """A picture whose red tells its column and whose green its row, after the bend."""
    points = posed(topology)
    xs, ys = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    low, high = np.floor(moved[:, :2].min(0)).astype(int), np.ceil(moved[:, :2].max(0)).astype(int)
    face_box = Box(*low.tolist(), *high.tolist())
    bend = bend_around(points[:, :2], moved[:, :2], face_box, (SIDE, SIDE), eye_distance_px(points))
    corner = np.float32([*face_box[:2], 0])
    sheet = lay(topology, points[:, :2] - corner[:2], moved - corner, face_box)
    box = bend.box
    picture = np.dstack([xs, ys, 0 * xs])[box.y0 : box.y1, box.x0 : box.x1]
    return (*bend.apply(np.ascontiguousarray(picture), sheet), box)


def test_an_outline_that_stays_bends_nothing(topology: Topology) -> None:
    moved = posed(topology)
    moved[1, 0] += 3  # the tip of the nose
    _, changed, box = bent(topology, moved)
    low, high = moved[:, :2].min(0), moved[:, :2].max(0)
    assert box.x0 >= low[0] - 1
    assert box.y1 <= high[1] + 1
    chin = np.rint(moved[152, :2]).astype(int) - np.int64(box[:2])
    assert changed[chin[1] - 3, chin[0]] == 0


def test_what_is_beside_a_longer_chin_goes_with_it_and_what_is_far_away_stays(
    topology: Topology,
) -> None:
    points = posed(topology)
    moved = points.copy()
    moved[JAW, 1] += 6
    picture, changed, box = bent(topology, moved)
    x, y = np.rint(moved[152, :2]).astype(int).tolist()
    below = picture[y + 1 - box.y0, x - box.x0]
    assert abs(below[1] - (y + 1 - 6)) < 0.7  # the row that it shows now
    reach = REACH * eye_distance_px(points)
    far = int(y + reach + 2) - box.y0
    assert changed[far:].max(initial=0) == 0
    halfway = picture[int(y + reach / 2) - box.y0, x - box.x0, 1] - int(y + reach / 2)
    assert -5 < halfway < -1


def test_the_picture_is_nowhere_folded(topology: Topology) -> None:
    """Rows and columns keep their order, so no line breaks and nothing is seen twice."""
    points = posed(topology)
    moved, share = points.copy(), 0.08 * smoothstep(points[:, 1], SIDE / 2 - 60, SIDE / 2 + 30)
    moved[:, 0] -= share * (points[:, 0] - SIDE / 2)  # a narrower jaw
    picture, _, _ = bent(topology, moved)
    assert np.diff(picture[..., 0], axis=1).min() > -0.01
    assert np.diff(picture[..., 1], axis=0).min() > -0.01
