"""The source's detail is held to what the target's own skin shows."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.mesh.adapt import adapt_texture, unevenness_of
from lendface.engine.mesh.texture import Texture, make_mips
from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Floats
from lendface.models import load_topology

SIDE = 128


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology()


def uneven(size: float, colour: float = 0.0) -> Floats:
    """Log detail that goes up and down across the face, more slowly than any feature."""
    wave = size * np.sin(np.arange(SIDE) / 6)
    tint = colour * np.sin(np.arange(SIDE) / 6 + 1)
    rows = np.stack([wave + tint, wave, wave - tint], -1)
    return np.broadcast_to(rows, (SIDE, SIDE, 3)).astype(np.float32)


def with_eyes(detail: Floats, depth: float = -1.5) -> Floats:
    """The same with two dark spots where eyes are."""
    eyed = detail.copy()
    for middle in (45, 82):
        eyed[46:54, middle - 5 : middle + 5] = depth
    return eyed


def texture_of(detail: Floats, marks: float = 0.0) -> Texture:
    plane = np.full((SIDE, SIDE, 1), marks, np.float32)
    return Texture(make_mips(np.dstack([detail, plane])), np.float32([4, 4, 4]))


def test_skin_no_rougher_than_the_targets_stays_as_it_is(topology: Topology) -> None:
    texture = texture_of(uneven(0.05, 0.01))
    same = adapt_texture(topology, texture, with_eyes(uneven(0.05, 0.01)))
    np.testing.assert_allclose(same.mips[0], texture.mips[0], atol=5e-3)


def test_rough_skin_is_calmed_to_what_the_target_shows(topology: Topology) -> None:
    own = with_eyes(uneven(0.05, 0.01))
    calmed = adapt_texture(topology, texture_of(uneven(0.10, 0.04)), own).mips[0][..., :3]
    before, after = unevenness_of(topology, uneven(0.10, 0.04)), unevenness_of(topology, calmed)
    wanted = unevenness_of(topology, own)
    assert after.luma[1] == pytest.approx(1.2 * wanted.luma[1], rel=0.15)
    assert after.luma[1] < 0.85 * before.luma[1]
    assert after.colour[1] < 0.4 * before.colour[1]


def test_what_makes_the_person_is_never_taken_away_wholly(topology: Topology) -> None:
    calmed = adapt_texture(topology, texture_of(uneven(0.2)), with_eyes(uneven(0.001))).mips[0]
    left = unevenness_of(topology, calmed[..., :3]).luma[1]
    assert left > 0.3 * unevenness_of(topology, uneven(0.2)).luma[1]


def test_features_keep_their_contrast(topology: Topology) -> None:
    texture = texture_of(uneven(0.2, 0.05), marks=0.5)
    kept = adapt_texture(topology, texture, with_eyes(uneven(0.01, 0.05)))
    np.testing.assert_allclose(kept.mips[0], texture.mips[0], atol=2e-3)


def test_features_lose_colour_with_their_film(topology: Topology) -> None:
    texture = texture_of(uneven(0.2, 0.05), marks=1.0)
    grey = adapt_texture(topology, texture, with_eyes(uneven(0.05, 0.0))).mips[0][..., :3]
    before = unevenness_of(topology, uneven(0.2, 0.05)).colour[1]
    assert 0.3 * before < unevenness_of(topology, grey).colour[1] < 0.4 * before


def test_nothing_is_darker_than_what_is_darkest_in_the_targets_film(topology: Topology) -> None:
    texture = texture_of(with_eyes(uneven(0.01), -3.0), marks=0.5)
    hazy, clear = (
        adapt_texture(topology, texture, with_eyes(uneven(0.01), depth)).mips[0][..., :3].min()
        for depth in (-0.4, -1.5)
    )
    assert -0.75 < hazy < -0.4
    assert -2.7 < clear < -1.5


def test_where_nothing_is_known_of_the_target_nothing_changes(topology: Topology) -> None:
    texture = texture_of(uneven(0.2))
    assert adapt_texture(topology, texture, None) is texture
