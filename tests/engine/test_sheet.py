"""The moved mesh laid over a patch."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.mesh.sheet import lay, own_places
from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Box

MARGIN = 8


@pytest.mark.parametrize("side", [90, 110, 130, 150, 170, 190, 220, 300])
def test_every_pixel_knows_its_own_place_whatever_the_size_of_the_face(
    topology: Topology, side: int
) -> None:
    """A flat mesh, so that each pixel's texture place and way are known exactly."""
    moved = np.pad(side * topology.uv + MARGIN, ((0, 0), (0, 1)))
    points = MARGIN + 0.9 * (moved[:, :2] - MARGIN)
    size = side + 2 * MARGIN
    sheet = lay(topology, points, moved, Box(0, 0, size, size))
    inside = sheet.is_face
    places = own_places(size, size)[inside]
    assert inside.sum() > 0.3 * side**2
    assert np.abs(sheet.uv[inside] * side + MARGIN - places).max() < 0.02
    assert np.abs(sheet.way_xy[inside] - 0.1 * (places - MARGIN)).max() < 0.01
    # A sliver maps to its middle, and on a fine grid there are some.
    finer = sheet.fine_uv.shape[0] // size
    on_face = sheet.fine_uv[..., 0] >= 0
    steps = (own_places(size * finer, size * finer)[on_face] + 0.5) / finer - 0.5
    assert np.percentile(np.abs(sheet.fine_uv[on_face] * side + MARGIN - steps), 99.9) < 0.02
