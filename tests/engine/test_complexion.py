"""Detail of one skin on another: dark on fair, fair on dark, and alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.mesh.adapt import adapt_texture
from lendface.engine.mesh.complexion import bands_of, fairer_by, lids_more, skin_level, suited
from lendface.engine.mesh.hair import beard_of
from lendface.engine.mesh.pixelwise import luma_of
from lendface.engine.mesh.surface import Surface
from lendface.engine.mesh.texture import Texture, make_mips, surface_of
from lendface.engine.types import Array, Floats
from lendface.models import load_topology

SIDE = 256
DARK, FAIR = np.float32([4.50, 4.20, 4.00]), np.float32([5.40, 5.15, 5.00])
SKIN = np.zeros((SIDE, SIDE), np.float32)


@pytest.fixture(scope="module")
def surface() -> Surface:
    return surface_of(load_topology(), SIDE)


def plain() -> Floats:
    return np.zeros((SIDE, SIDE, 3), np.float32)


def spot(height: float, across: float, size: float, surface: Surface) -> Array:
    """(side, side) bool: a disc, ``across`` and ``size`` in texels of a square of 1."""
    row = int(np.argmin(np.abs(surface.heights[:, 0] - height)))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (round(across * SIDE), row), round(size * SIDE), 1, -1)
    return mask.astype(bool)


def size_of(surface: Surface, detail: Floats, band: int) -> float:
    return float(np.abs(bands_of(surface, luma_of(detail))[band][surface.skin]).mean())


def test_a_level_is_that_of_nose_and_cheeks() -> None:
    light = np.zeros((16, 16, 3), np.float32)
    light[5:9, 4:12] = FAIR
    np.testing.assert_allclose(skin_level(light), FAIR)


def test_photos_that_differ_in_exposure_alone_are_alike() -> None:
    assert fairer_by(FAIR, FAIR - np.float32(0.09)) == 0
    assert fairer_by(None, FAIR) == fairer_by(DARK, None) == 0


def test_dark_and_fair_are_told_both_ways_and_never_by_more_than_skin_differs() -> None:
    assert fairer_by(DARK, FAIR) == -fairer_by(FAIR, DARK) == pytest.approx(0.9)


def test_on_fairer_skin_slow_shading_fades_and_pores_stay(surface: Surface) -> None:
    rows = np.arange(SIDE, dtype=np.float32)[:, None, None]
    for wave, kept in ((3, (0.9, 1.05)), (110, (0.3, 0.7))):
        detail = plain() + 0.1 * np.sin(2 * np.pi * rows / wave)
        band = 0 if wave < 10 else 2
        before = size_of(surface, detail, band)
        after = size_of(surface, suited(surface, detail, SKIN, 0.9).detail, band)
        assert kept[0] < after / before < kept[1]


def test_on_skin_that_is_alike_or_darker_skin_stays_as_it_is(surface: Surface) -> None:
    detail = np.random.default_rng(1).normal(0, 0.1, (SIDE, SIDE, 3)).astype(np.float32)
    for fairer in (0.0, -0.9):
        same = suited(surface, detail, SKIN, fairer).detail
        np.testing.assert_allclose(same, detail, atol=1e-6)


def test_black_skin_between_brow_and_eye_does_not_stay_black(surface: Surface) -> None:
    near = surface.grown(surface.eyes, 0.05) & ~surface.grown(surface.eyes, 0.035)
    detail = plain() - 0.4 * surface.soft(np.ones_like(SKIN), 0.1)[..., None]
    marks = 0.5 * surface.grown(surface.eyes, 0.05).astype(np.float32)
    after = suited(surface, detail, marks, 0.9).detail
    assert np.median(luma_of(after)[near]) > -0.25


def test_a_moustache_keeps_its_hairs(surface: Surface) -> None:
    hairs = plain()
    hairs[::4] = -0.6
    marks = np.full_like(SKIN, 0.5)
    mouth = spot(0.6, 0.5, 0.05, surface) & ~surface.lips
    before, after = (
        bands_of(surface, luma_of(each))[0][mouth].std()
        for each in (hairs, suited(surface, hairs, marks, 0.9).detail)
    )
    assert after > 0.95 * before


def test_the_shadow_of_stubble_becomes_no_muzzle_and_a_mole_beside_it_stays(
    surface: Surface,
) -> None:
    low = (surface.heights > 0.6) & surface.is_face & ~surface.grown(surface.lips, 0.05)
    grey = plain()
    grey[low] = (-0.25, -0.2, -0.15)
    mole = spot(0.7, 0.3, 0.008, surface)
    marked = grey.copy()
    marked[mole] -= 0.5
    after, with_mole = (suited(surface, each, SKIN, 0.9).detail for each in (grey, marked))
    inside = surface.grown(low, -0.1)
    assert np.median(luma_of(after)[inside]) > 0.6 * np.median(luma_of(grey)[inside])
    reds = after[inside][:, 0] - after[inside][:, 2]
    assert reds.min() > -0.04
    deep = luma_of(with_mole - after)[mole]
    assert deep.mean() < -0.4


def test_lips_are_redder_on_fairer_skin_and_greyer_on_darker(surface: Surface) -> None:
    marks = surface.lips.astype(np.float32)
    for level in (-0.5, -0.1, 0.2):
        detail = plain() + marks[..., None] * np.float32(level)
        fairer, darker = (suited(surface, detail, marks, each).detail for each in (0.9, -0.9))
        redness = [float(np.median((each[..., 0] - each[..., 1])[surface.lips]))
                   for each in (darker, detail, fairer)]  # fmt: skip
        assert redness[0] + 0.1 < redness[1] < redness[2] - 0.1
        assert np.median(luma_of(fairer)[surface.lips]) > min(level, -0.25) - 0.01


def test_grey_lips_are_not_lilac_on_fairer_skin(surface: Surface) -> None:
    marks = surface.lips.astype(np.float32)
    grey = plain() + marks[..., None] * np.float32([-0.2, 0.0, 0.2])
    lips = suited(surface, grey, marks, 0.9).detail[surface.lips]
    assert (lips[:, 0] > lips[:, 2] - 1e-3).all()


def test_lids_take_the_colour_of_the_skin_around_them_only_where_skins_differ(
    surface: Surface,
) -> None:
    pink = plain() + np.float32([0.08, -0.04, -0.02])
    more = lids_more(surface, plain(), pink, 0.8)
    np.testing.assert_allclose(more, [-0.08, 0.04, 0.02], atol=0.01)
    assert not lids_more(surface, plain(), pink, 0.0).any()


def test_a_film_of_which_nothing_is_known_but_how_fair_it_is_is_fitted_too(
    surface: Surface,
) -> None:
    rows = np.arange(SIDE, dtype=np.float32)[:, None, None]
    detail = plain() + 0.1 * np.sin(2 * np.pi * rows / 110)
    texture = Texture(make_mips(np.dstack([detail, SKIN])), DARK, level=DARK)
    after = adapt_texture(surface.topology, texture, None, 0.9).mips[0][..., :3]
    assert size_of(surface, after, 2) < 0.7 * size_of(surface, detail, 2)


def test_a_dark_chin_is_a_beard_only_with_hairs_or_as_blue_as_black_hair(surface: Surface) -> None:
    noise = np.random.default_rng(1).normal(0, 0.03, (SIDE, SIDE, 1)).astype(np.float32)
    low = (surface.heights > 0.6) & surface.is_face
    shade = plain() + noise
    shade[low] += np.float32([-0.4, -0.6, -0.7])
    hairy, black = shade.copy(), plain() + noise
    hairy[low] += 3 * noise[low]
    black[low] += np.float32([-0.75, -0.55, -0.4])
    assert not beard_of(surface, shade, DARK).any()
    for beard in (hairy, black):
        assert (beard_of(surface, beard, DARK) & low).sum() > 0.5 * low.sum()
