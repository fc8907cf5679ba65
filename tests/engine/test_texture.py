"""The source's skin and features without its light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.enrol import Photo
from lendface.engine.mesh.light import LightMeter
from lendface.engine.mesh.pixelwise import LUMA
from lendface.engine.mesh.texture import build_texture
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Pixels, SourceFace
from lendface.pipeline.parts import Parts
from people import PEOPLE, read_person

CHEEKS, LIPS, BROWS = [50, 280], [11, 16], [105, 334]


def enrolled(parts: Parts, pixels: Pixels) -> SourceFace:
    return parts.enroller.enrol([Photo("photo", ArrayPicture(pixels))]).source


def texels(topology: Topology, square: Floats, points: list[int]) -> Floats:
    at = np.int32(topology.uv[points] * square.shape[0])
    soft = cv2.blur(square, (9, 9))
    return soft[at[:, 1], at[:, 0]]


@pytest.mark.parametrize("who", PEOPLE)
def test_skin_is_plain_and_features_are_marked(
    topology: Topology, sources: dict[str, SourceFace], who: str
) -> None:
    texture = build_texture(topology, sources[who].portraits)
    whole = texture.mips[0]
    assert whole.shape == (512, 512, 4)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(texels(topology, whole, CHEEKS)[:, :3] @ LUMA, 0, atol=0.3)
    assert texels(topology, whole, CHEEKS)[:, 3].max() < 0.1
    assert texels(topology, whole, LIPS)[:, 3].min() > 0.7
    assert texels(topology, whole, BROWS)[:, 3].min() > 0.3


def test_each_mip_is_half_of_the_one_before(
    topology: Topology, sources: dict[str, SourceFace]
) -> None:
    sides = [mip.shape[0] for mip in build_texture(topology, sources["P003"].portraits).mips]
    assert sides == [512, 256, 128, 64, 32]


def test_the_light_of_the_photo_is_taken_out(parts: Parts, topology: Topology) -> None:
    pixels = read_person("P003")
    slope = np.exp(np.linspace(-0.5, 0.2, pixels.shape[1]))[None, :, None]
    lit = np.uint8(np.clip(pixels * slope, 0, 255))
    portraits = [enrolled(parts, photo).portraits for photo in (pixels, lit)]
    plain, shaded = (build_texture(topology, each) for each in portraits)
    points = [50, 280, 9, 205, 425]
    difference = texels(topology, plain.mips[0], points) - texels(topology, shaded.mips[0], points)
    assert np.abs(difference[:, :3]).max() < 0.08  # the slope itself is 0.35 between the cheeks
    lights = [
        LightMeter(topology).measure_in(each[0].picture, each[0].mesh.landmarks_xyz, 256)
        for each in portraits
    ]
    assert np.abs(lights[0] - lights[1]).max() > 0.2


def test_several_photos_of_a_person_become_one_texture(parts: Parts, topology: Topology) -> None:
    photos = [
        Photo(kind, ArrayPicture(read_person("P003", kind)))
        for kind in ("studio_portrait", "amateur_selfie")
    ]
    both = parts.enroller.enrol(photos).source
    assert len(both.portraits) == 2
    textures = [build_texture(topology, kept) for kept in (both.portraits, both.portraits[:1])]
    assert np.isfinite(textures[0].mips[0]).all()
    assert np.abs(textures[0].mips[0] - textures[1].mips[0])[..., :3].max() > 0.01


def test_a_covered_half_is_filled_from_the_other(parts: Parts, topology: Topology) -> None:
    """A blue board over one side of the forehead and temple does not reach the texture."""
    pixels = read_person("P003")
    face = enrolled(parts, pixels).portraits[0].mesh.landmarks_xyz
    covered = pixels.copy()
    left, top = np.int32(face[:468, :2].min(0)) - 20
    cv2.rectangle(covered, (left, top), np.int32(face[104, :2]).tolist(), (10, 30, 250), -1)
    source = enrolled(parts, covered)
    texture = build_texture(topology, source.portraits)
    seen = texels(topology, texture.mips[0], [54, 103, 68])[:, :3]
    assert np.abs(seen - seen @ LUMA[:, None]).max() < 0.3  # no blue: that is more than 1 away
