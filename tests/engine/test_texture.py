"""The source's skin and features without its light."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from lendface.engine.enrol import Photo
from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.acts import Acts
from lendface.engine.mesh.folds import is_mouth_open, relax, smile_of
from lendface.engine.mesh.light import LightMeter
from lendface.engine.mesh.pixelwise import LUMA
from lendface.engine.mesh.residue import even_out
from lendface.engine.mesh.surface import Surface
from lendface.engine.mesh.texture import build_texture, hidden_texels, texture_side
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
    texture = build_texture(topology, sources[who].portraits, 512)
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
    sides = [mip.shape[0] for mip in build_texture(topology, sources["P003"].portraits, 512).mips]
    assert sides == [512, 256, 128, 64, 32]


def test_a_texture_is_no_larger_than_photo_and_film_are_fine(
    sources: dict[str, SourceFace],
) -> None:
    (portrait,) = sources["P003"].portraits
    landmarks = portrait.mesh.landmarks_xyz
    large = replace(portrait.mesh, landmarks_xyz=landmarks * (700 / np.ptp(landmarks[:, 1])))
    fine = (replace(portrait, mesh=large),)
    assert texture_side((portrait,), 900) == 512
    assert texture_side(fine, 481) == 1024
    assert texture_side(fine, 480) == 512


def test_the_light_of_the_photo_is_taken_out(parts: Parts, topology: Topology) -> None:
    pixels = read_person("P003")
    slope = np.exp(np.linspace(-0.5, 0.2, pixels.shape[1]))[None, :, None]
    lit = np.uint8(np.clip(pixels * slope, 0, 255))
    portraits = [enrolled(parts, photo).portraits for photo in (pixels, lit)]
    plain, shaded = (build_texture(topology, each, 512) for each in portraits)
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
    textures = [build_texture(topology, kept, 512) for kept in (both.portraits, both.portraits[:1])]
    assert np.isfinite(textures[0].mips[0]).all()
    assert np.abs(textures[0].mips[0] - textures[1].mips[0])[..., :3].max() > 0.01


def test_a_second_photo_blurs_nothing(parts: Parts, topology: Topology) -> None:
    surface = Surface(topology, 512)
    photos = [read_person("P003", kind) for kind in ("studio_portrait", "amateur_selfie")]
    alone = [enrolled(parts, photo).portraits for photo in photos]
    fineness = []
    for portraits in (*alone, alone[0] + alone[1]):
        detail = build_texture(topology, portraits, 512).mips[0][..., :3]
        fine = (detail - cv2.GaussianBlur(detail, (0, 0), 2)) @ LUMA
        fineness.append(float(fine[surface.skin].std()))
    assert fineness[2] > 0.9 * min(fineness[:2])  # their mean has 0.7 of it


def test_a_covered_half_is_filled_from_the_other(parts: Parts, topology: Topology) -> None:
    """A blue board over one side of the forehead and temple does not reach the texture."""
    pixels = read_person("P003")
    face = enrolled(parts, pixels).portraits[0].mesh.landmarks_xyz
    covered = pixels.copy()
    left, top = np.int32(face[:468, :2].min(0)) - 20
    cv2.rectangle(covered, (left, top), np.int32(face[104, :2]).tolist(), (10, 30, 250), -1)
    source = enrolled(parts, covered)
    texture = build_texture(topology, source.portraits, 512)
    seen = texels(topology, texture.mips[0], [54, 103, 68])[:, :3]
    assert np.abs(seen - seen @ LUMA[:, None]).max() < 0.3  # no blue: that is more than 1 away


def with_glasses(pixels: Pixels, face: Floats) -> Pixels:
    """Dark rims drawn around both eyes, with a bridge over the nose and arms."""
    drawn, unit = pixels.copy(), eye_distance_px(face[:, :2])
    ink, width = (25, 20, 20), max(2, round(0.05 * unit))
    middles = [face[list(corners), :2].mean(0) for corners in ((33, 133), (263, 362))]
    axes = np.int32([0.42 * unit, 0.30 * unit])
    for middle, side in zip(middles, (-1, 1), strict=True):
        middle = np.add(middle, (side * 0.03 * unit, 0.10 * unit))
        cv2.ellipse(drawn, np.int32(middle), axes, 0, 0, 360, ink, width, cv2.LINE_AA)
        rim = np.add(middle, (side * 0.42 * unit, -0.05 * unit))
        cv2.line(drawn, np.int32(rim), np.int32(np.add(rim, (side * 0.3 * unit, 0))), ink, width)
    left, right = (
        np.add(m, (s * 0.40 * unit, 0.06 * unit)) for m, s in zip(middles, (1, -1), strict=True)
    )
    cv2.line(drawn, np.int32(left), np.int32(right), ink, width, cv2.LINE_AA)
    return drawn


@pytest.mark.parametrize("who", PEOPLE)
def test_the_sources_glasses_do_not_reach_the_texture(
    parts: Parts, topology: Topology, who: str
) -> None:
    pixels = read_person(who)
    portraits = enrolled(parts, pixels).portraits
    worn = with_glasses(pixels, portraits[0].mesh.landmarks_xyz)
    plain = build_texture(topology, portraits, 512).mips[0]
    freed = build_texture(topology, enrolled(parts, worn).portraits, 512).mips[0]
    below_and_between = [119, 348, 168, 6]  # where rims and bridge lie, and no brow
    change = texels(topology, freed, below_and_between) - texels(topology, plain, below_and_between)
    assert np.abs(change[:, :3] @ LUMA).max() < 0.25  # the ink is 1.5 below the skin
    brows = Surface(topology, 512).brows
    assert freed[brows][:, :3].mean() < 0.7 * plain[brows][:, :3].mean() < 0  # they stay


def test_loose_hair_before_one_temple_does_not_reach_the_texture(
    parts: Parts, topology: Topology
) -> None:
    pixels = read_person("P003")
    portraits = enrolled(parts, pixels).portraits
    face = portraits[0].mesh.landmarks_xyz[:, :2]
    hanging = pixels.copy()
    for share in np.linspace(0.1, 0.9, 6):  # from the hair line past the temple down the cheek
        ends = [
            (1 - share) * face[a] + share * face[b] for a, b in ((67, 103), (68, 54), (123, 93))
        ]
        cv2.polylines(hanging, [np.int32(ends)], False, (250, 235, 200), 2, cv2.LINE_AA)
    plain = build_texture(topology, portraits, 512).mips[0]
    freed = build_texture(topology, enrolled(parts, hanging).portraits, 512).mips[0]
    painted = surface_texels(topology, [68, 71, 21, 116]) > 0
    change = np.abs((freed - plain)[painted][:, :3] @ LUMA)
    assert change.mean() < 0.06


def surface_texels(topology: Topology, points: list[int]) -> Pixels:
    """(512, 512) 1 in discs around some points."""
    discs = np.zeros((512, 512), np.uint8)
    for point in points:
        cv2.circle(discs, np.int32(topology.uv[point] * 512).tolist(), 14, 1, -1)
    return discs


def test_a_hard_shadow_over_half_the_face_is_taken_out(parts: Parts, topology: Topology) -> None:
    pixels = read_person("P003")
    portraits = enrolled(parts, pixels).portraits
    middle = round(float(portraits[0].mesh.landmarks_xyz[[9, 1], 0].mean()))
    shaded = pixels.copy()
    shaded[:, :middle] = np.uint8(pixels[:, :middle] * 0.55)
    texture = build_texture(topology, enrolled(parts, shaded).portraits, 512).mips[0]
    beside_the_edge = [[108, 337], [36, 266], [50, 280], [205, 425], [32, 262]]
    for left, right in beside_the_edge:
        dark, light = texels(topology, texture, [left, right])[:, :3] @ LUMA
        assert abs(dark - light) < 0.12  # 0.25 and more with the slow light alone


def test_a_mole_is_no_shadow(topology: Topology) -> None:
    surface = Surface(topology, 512)
    detail = np.zeros((512, 512, 3), np.float32)
    at = np.int32(topology.uv[69] * 512)
    cv2.circle(detail, at.tolist(), 3, (-0.5, -0.5, -0.5), -1)
    cv2.circle(detail, np.int32(topology.uv[280] * 512).tolist(), 50, (0.4, 0.4, 0.4), -1)
    even = even_out(surface, detail, surface.is_face.astype(np.float32))
    assert even[at[1], at[0]].max() < -0.25
    lit, unlit = texels(topology, even, [280, 50])
    assert np.abs(lit - unlit).max() < 0.15


def test_the_nose_hides_what_lies_behind_it(topology: Topology) -> None:
    surface = Surface(topology, 512)
    ahead = topology.vertices
    assert hidden_texels(surface, ahead).mean() < 0.01
    turn = np.radians(50)
    rotation = np.float32(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    aside = hidden_texels(surface, ahead @ rotation.T)
    near, far = (aside[:, :256], aside[:, 256:])
    assert max(near.mean(), far.mean()) > 0.01
    assert min(near.mean(), far.mean()) < 0.3 * max(near.mean(), far.mean())


def test_a_wide_mouth_with_raised_corners_is_a_smile(
    topology: Topology, sources: dict[str, SourceFace]
) -> None:
    calm = topology.vertices
    assert smile_of(topology, calm) < 0.1
    laughing = calm.copy()
    laughing[[61, 291]] += np.float32([[-1.2, -0.3, 0], [1.2, -0.3, 0]])
    assert smile_of(topology, laughing) > 0.7
    for source in sources.values():
        assert not is_mouth_open(source.portraits[0].mesh.landmarks_xyz)


@pytest.mark.parametrize(
    ("acts", "gone", "kept"),
    [
        (Acts(smile=(1.0, 1.0)), [206, 426], [9]),
        (Acts(smile=(1.0, 0.0)), [206], [426, 9]),
        (Acts(frown=1.0), [9], [206, 426]),
    ],
)
def test_folds_of_what_a_photo_shows_become_shallow_and_others_stay(
    topology: Topology, acts: Acts, gone: list[int], kept: list[int]
) -> None:
    surface = Surface(topology, 512)
    detail = np.zeros((512, 512, 3), np.float32)
    for line in ([129, 203, 206, 216], [358, 423, 426, 436], [9, 8]):
        cv2.polylines(detail, [np.int32(topology.uv[line] * 512)], False, (-0.4,) * 3, 5)
    detail = cv2.GaussianBlur(detail, (0, 0), 2)
    nobody = np.zeros((512, 512), bool)
    calmed = relax(surface, detail, acts, nobody)
    before, after = (texels(topology, each, gone).mean(1) for each in (detail, calmed))
    assert (after > 0.6 * before).all()
    before, after = (texels(topology, each, kept).mean(1) for each in (detail, calmed))
    np.testing.assert_allclose(after, before, atol=0.01)
    np.testing.assert_array_equal(relax(surface, detail, Acts(), nobody), detail)
    np.testing.assert_allclose(relax(surface, detail, acts, surface.is_face), detail, atol=1e-6)


def test_the_relief_of_a_nose_is_no_furrow(topology: Topology) -> None:
    surface = Surface(topology, 512)
    detail = np.zeros((512, 512, 3), np.float32)
    cv2.polylines(detail, [np.int32(topology.uv[[8, 6, 197]] * 512)], False, (-0.05,) * 3, 9)
    detail = cv2.GaussianBlur(detail, (0, 0), 3)
    calmed = relax(surface, detail, Acts(sneer=1.0), np.zeros((512, 512), bool))
    np.testing.assert_allclose(calmed, detail, atol=0.002)
