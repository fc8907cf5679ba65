"""What a user may choose about how a swap looks."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest

from lendface.engine.mesh.enhance import enhanced
from lendface.engine.mesh.pixelwise import LUMA
from lendface.engine.mesh.skin import tone_shift
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.preview import TINT, MaskPreview
from lendface.engine.style import Style
from lendface.engine.types import Face, Floats, Frame, Patch, Pixels, SourceFace
from lendface.errors import BadOptionError
from lendface.models import load_topology
from lendface.pipeline.parts import Parts
from people import read_person

TARGET, SOURCE = "P003", "P005"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology()


@pytest.fixture(scope="module")
def pixels() -> Pixels:
    return read_person(TARGET)


def patch_of(parts: Parts, source: SourceFace, pixels: Pixels, style: Style) -> Patch | None:
    tracks = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(pixels))])
    swapper = parts.styled(style).swapper
    look = swapper.prepare(source, tracks.people[0])
    return swapper.swap(ArrayPicture(pixels), tracks.faces_at(0)[0], look)


def change(pixels: Pixels, patch: Patch | None) -> Floats:
    """(h, w) mean size of the change, 0..255."""
    if patch is None:
        return np.zeros(pixels.shape[:2], np.float32)
    pasted = ArrayPicture(pixels).pasted([patch]).pixels
    return cv2.absdiff(pasted, np.ascontiguousarray(pixels)).astype(np.float32).mean(-1)


@pytest.mark.parametrize(
    "wrong",
    [{"strength": 1.1}, {"strength": -0.1}, {"shape": 2}, {"shape": float("nan")},
     {"skin_tone": "orange"}],
)  # fmt: skip
def test_what_is_no_style_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadOptionError):
        Style(**wrong)


def test_strength_goes_from_nothing_to_all(
    parts: Parts, sources: dict[str, SourceFace], pixels: Pixels
) -> None:
    sizes = [
        float(change(pixels, patch_of(parts, sources[SOURCE], pixels, Style(strength=how))).sum())
        for how in (0.0, 0.3, 0.7, 1.0)
    ]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert sizes[1] < 0.6 * sizes[3]


DARK, LIGHT = (np.float32([0.2, -0.05, -0.25]) + level for level in (4.1, 5.1))


def test_the_targets_skin_tone_changes_nothing() -> None:
    assert tone_shift(DARK, LIGHT, "target").tolist() == [0, 0, 0]


def test_the_sources_skin_tone_goes_its_way_but_not_all_of_it_for_light_is_the_films() -> None:
    darker = LUMA @ tone_shift(DARK, LIGHT, "source")
    lighter = LUMA @ tone_shift(LIGHT, DARK, "source")
    assert -0.75 < darker < -0.3
    assert 0.3 < lighter < 0.75


def test_a_mix_is_half_of_it() -> None:
    whole, half = (tone_shift(DARK, LIGHT, tone) for tone in ("source", "mix"))
    np.testing.assert_allclose(half, whole / 2, rtol=1e-5)


def test_skin_that_becomes_darker_becomes_browner_and_not_grey() -> None:
    """Of two people of the same hue the darker one is the greyer one for their darkness."""
    shift = tone_shift(DARK, LIGHT, "source")
    assert shift[0] - shift[2] > 0.05


def test_a_coloured_light_stays_whatever_the_skin_tone() -> None:
    """Under a magenta light skin stays magenta: the shift knows the source's hue alone."""
    magenta = LIGHT + np.float32([0.3, -0.4, 0.3])
    plain, coloured = (tone_shift(LIGHT, light, "source") for light in (LIGHT, magenta))
    hue = [shift - LUMA @ shift for shift in (plain, coloured)]
    np.testing.assert_allclose(hue[0], hue[1], atol=0.03)


def test_enhancing_takes_noise_away_and_lifts_detail() -> None:
    random = np.random.default_rng(5)
    flat = np.full((80, 80, 3), 120, np.float32) + random.normal(0, 3, (80, 80, 1))
    assert enhanced(flat.astype(np.float32), 100).std() < 0.8 * flat.std()
    wave = 120 + 20 * np.sin(np.arange(80) / 2)
    striped = np.broadcast_to(wave[:, None], (80, 80, 3)).reshape(80, 80, 3).astype(np.float32)
    assert enhanced(striped, 100).std() > 1.1 * striped.std()


def test_enhancing_leaves_no_halo_along_a_strong_edge() -> None:
    step = np.full((60, 60, 3), 40, np.float32)
    step[:, 30:] = 200
    sharp = enhanced(step, 100)
    assert sharp.max() < 200 + 25
    assert sharp.min() > 40 - 25


def test_an_enhanced_face_is_sharper_and_still_the_source(
    parts: Parts, sources: dict[str, SourceFace], pixels: Pixels
) -> None:
    plain, better = (
        patch_of(parts, sources[SOURCE], pixels, Style(enhance=how)) for how in (False, True)
    )
    assert plain is not None
    assert better is not None

    def sharpness(patch: Patch) -> float:
        luma = patch.pixels @ LUMA
        return float(np.abs(cv2.Laplacian(luma, cv2.CV_32F))[patch.alpha > 0.9].mean())

    assert 1.1 * sharpness(plain) < sharpness(better) < 3 * sharpness(plain)
    np.testing.assert_allclose(plain.alpha, better.alpha, atol=1e-5)


def test_a_mask_preview_shows_what_is_new_and_the_mesh(
    parts: Parts, sources: dict[str, SourceFace], pixels: Pixels, topology: Topology
) -> None:
    preview = MaskPreview(parts.swapper, topology)
    tracks = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(pixels))])
    face = tracks.faces_at(0)[0]
    look = preview.prepare(sources[SOURCE], tracks.people[0])
    shown = preview.swap(ArrayPicture(pixels), face, look)
    real = parts.swapper.swap(ArrayPicture(pixels), face, look)
    assert shown is not None
    assert real is not None
    box = real.box
    before = pixels[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    pasted = ArrayPicture(pixels).pasted([shown]).pixels
    after = pasted[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    nearer = np.abs(after - TINT).mean(-1) < np.abs(before - TINT).mean(-1)
    assert nearer[real.alpha > 0.9].mean() > 0.7


def test_a_face_that_is_left_alone_shows_its_mesh_alone(
    parts: Parts, sources: dict[str, SourceFace], pixels: Pixels, topology: Topology
) -> None:
    preview = MaskPreview(parts.swapper, topology)
    tracks = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(pixels))])
    face = tracks.faces_at(0)[0]
    weak = Face(**({name: getattr(face, name) for name in face.__slots__} | {"strength": 0.0}))
    shown = preview.swap(
        ArrayPicture(pixels), weak, preview.prepare(sources[SOURCE], tracks.people[0])
    )
    assert shown is not None
    assert 0.02 < (change(pixels, shown) > 3).mean() < 0.5
