"""What users are told of a photo that cuts, covers, turns or blurs the face, and what stands in."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine.enrol import Enrolment, Photo
from lendface.engine.faults import find_faults
from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.pixelwise import luma_of
from lendface.engine.mesh.surface import Surface
from lendface.engine.mesh.texture import Texture, build_texture
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Array, Floats, Hand, Mesh, Pixels, SourceFace
from lendface.pipeline.parts import Parts
from people import PEOPLE, read_person

WHO = "P003"
SIDE = 256
BLUE, BLACK, WHITE, PINK = (130, 190, 215), (38, 38, 42), (230, 230, 232), (235, 130, 175)


def enrolled(parts: Parts, pixels: Pixels) -> Enrolment:
    photo = Photo("me.jpg", ArrayPicture(np.ascontiguousarray(pixels)))
    return parts.enroller.enrol([photo])


@pytest.fixture(scope="module")
def points(sources: dict[str, SourceFace]) -> Floats:
    return sources[WHO].portraits[0].mesh.landmarks_xyz[:, :2]


def cut_at(points: Floats, edge: str) -> Pixels:
    """The portrait without one half, or what is above the eyes, or below the nose."""
    pixels = read_person(WHO)
    nose, brow, under = round(points[4, 0]), round(points[105, 1]), round(points[2, 1])
    return {
        "left": pixels[:, nose - 8 :],
        "right": pixels[:, : nose + 8],
        "top": pixels[brow + 12 :],
        "bottom": pixels[: under + 4],
    }[edge]


def with_mask(points: Floats, colour: tuple[int, int, int]) -> Pixels:
    """From the nose's ridge to the chin, in one colour with some noise."""
    pixels = read_person(WHO).copy()
    ring = [127, 195, 356, 361, 397, 152, 172, 132]
    mask = cv2.fillPoly(np.zeros(pixels.shape[:2], np.uint8), [np.int32(points[ring])], 1) > 0
    noise = np.random.default_rng(3).normal(0, 4, (*pixels.shape[:2], 1))
    pixels[mask] = np.uint8(np.clip(noise + np.float32(colour), 0, 255))[mask]
    return pixels


def with_dark_glasses(points: Floats) -> Pixels:
    pixels = read_person(WHO).copy()
    for eye in ((33, 133), (362, 263)):
        middle = np.rint(points[list(eye)].mean(0)).astype(int).tolist()
        axes = round(0.42 * eye_distance_px(points)), round(0.28 * eye_distance_px(points))
        cv2.ellipse(pixels, middle, axes, 0, 0, 360, (18, 18, 20), -1, cv2.LINE_AA)
    return pixels


@pytest.mark.parametrize("who", PEOPLE)
def test_nothing_is_said_of_a_good_photo(parts: Parts, who: str) -> None:
    assert enrolled(parts, read_person(who)).warnings == ()


@pytest.mark.parametrize(
    ("edge", "missing", "kept"),
    [
        ("left", "left side", None),
        ("right", "right side", None),
        ("top", "forehead and brows", "the brows stay"),
        ("bottom", "mouth and chin", "the mouth stays"),
    ],
)
def test_a_cut_face_is_told_with_what_is_missing(
    parts: Parts, points: Floats, edge: str, missing: str, kept: str | None
) -> None:
    (told,) = enrolled(parts, cut_at(points, edge)).warnings
    assert told.startswith("the face in me.jpg is cut: ")
    assert missing in told
    assert "filled" in told
    assert ("stay" in told) == (kept is not None)
    assert kept is None or kept in told


@pytest.mark.parametrize("colour", [BLUE, BLACK, WHITE, PINK])
def test_a_mask_is_told(parts: Parts, points: Floats, colour: tuple[int, int, int]) -> None:
    (told,) = enrolled(parts, with_mask(points, colour)).warnings
    assert told.startswith("the face in me.jpg is covered: something is before the nose, mouth")
    assert "mouth stay the target's own" in told


def test_dark_glasses_are_told(parts: Parts, points: Floats) -> None:
    (told,) = enrolled(parts, with_dark_glasses(points)).warnings
    assert told.startswith("the face in me.jpg is covered: ")
    assert "eyes" in told


def test_a_blurred_face_is_told_and_an_unsharp_background_is_not(parts: Parts) -> None:
    pixels = read_person(WHO)
    (told,) = enrolled(parts, cv2.GaussianBlur(pixels, (0, 0), 3)).warnings
    assert told.startswith("the face in me.jpg is blurred")
    soft = cv2.GaussianBlur(pixels, (0, 0), 6)
    face = np.zeros(pixels.shape[:2], np.uint8)
    portrait = enrolled(parts, pixels).source.portraits[0]
    hull = cv2.convexHull(np.rint(portrait.mesh.landmarks_xyz[:, :2]).astype(np.int32))
    cv2.fillConvexPoly(face, hull, 1)
    sharp_face = np.where(face[..., None] > 0, pixels, soft)
    assert enrolled(parts, sharp_face).warnings == ()


@pytest.mark.parametrize("turn", [{"yaw_deg": 60}, {"yaw_deg": -55}, {"pitch_deg": 50}])
def test_a_turned_face_is_told(
    topology: Topology, sources: dict[str, SourceFace], turn: dict[str, float]
) -> None:
    def faults_of(turn: dict[str, float]) -> list[str]:
        landmarks = posed(topology, rotation(**turn), 20, (240, 240, 0))
        portrait = replace(sources[WHO].portraits[0], mesh=Mesh(landmarks, 1.0))
        return [told for told in find_faults(topology, portrait).told("me") if "turned" in told]

    (told,) = faults_of(turn)
    (degrees,) = turn.values()
    assert f"turned by {abs(degrees)} degrees" in told
    assert faults_of({"yaw_deg": 30}) == []


def test_a_hand_before_the_mouth_is_told(
    topology: Topology, sources: dict[str, SourceFace], points: Floats
) -> None:
    portrait = replace(sources[WHO].portraits[0], hands=(hand_over(points),))
    faults = find_faults(topology, portrait)
    assert "mouth" in faults.covered
    assert "mouth" in faults.kept


def hand_over(points: Floats) -> Hand:
    """A flat hand that comes from below, its fingers over the mouth."""
    unit, mouth = eye_distance_px(points), points[13]
    wrist = mouth + np.float32([0, 1.6]) * unit
    tips = [mouth + np.float32(way) * unit for way in
            ((-0.7, 0.3), (-0.4, -0.3), (-0.1, -0.4), (0.2, -0.3), (0.5, -0.1))]  # fmt: skip
    fingers = [wrist + (tip - wrist) * share for tip in tips for share in (0.4, 0.6, 0.8, 1.0)]
    return Hand(np.float32([wrist, *fingers]), 0.95)


# What stands in


def textures(parts: Parts, topology: Topology, *photos: Pixels) -> list[Texture]:
    return [
        build_texture(topology, enrolled(parts, pixels).source.portraits, SIDE) for pixels in photos
    ]


def inner(topology: Topology) -> Array:
    surface = Surface(topology, SIDE)
    return surface.grown(surface.is_face, -0.15)


@pytest.mark.parametrize("edge", ["left", "right"])
def test_the_other_half_stands_in_for_what_the_photo_cuts_off(
    parts: Parts, topology: Topology, points: Floats, edge: str
) -> None:
    """Not the stretched last column of the photo, whose streaks are far off any skin."""
    whole, half = textures(parts, topology, read_person(WHO), cut_at(points, edge))
    beyond = np.s_[:, : SIDE // 3] if edge == "left" else np.s_[:, -SIDE // 3 :]
    off = np.abs(luma_of(half.mips[0][..., :3] - whole.mips[0][..., :3]))[beyond]
    assert off[inner(topology)[beyond]].mean() < 0.12
    assert half.unseen is None


def test_what_no_half_shows_is_plain_and_its_features_are_the_targets(
    parts: Parts, topology: Topology, points: Floats
) -> None:
    surface = Surface(topology, SIDE)
    photos = (cut_at(points, "bottom"), with_mask(points, BLUE), with_mask(points, BLACK))
    for texture in textures(parts, topology, *photos):
        assert texture.unseen is not None
        unseen = cv2.resize(texture.unseen, (SIDE, SIDE))
        assert unseen[surface.lips].min() > 0.9
        assert unseen[surface.eyes].max() < 0.1
        chin = inner(topology) & (surface.heights > 0.8)
        assert np.abs(texture.mips[0][..., :3][chin]).mean() < 0.12


def test_a_second_photo_shows_what_the_first_one_cuts_off(
    parts: Parts, topology: Topology, points: Floats
) -> None:
    photos = [Photo(edge, ArrayPicture(np.ascontiguousarray(cut_at(points, edge))))
              for edge in ("bottom", "top")]  # fmt: skip
    assert (
        build_texture(topology, parts.enroller.enrol(photos).source.portraits, SIDE).unseen is None
    )
