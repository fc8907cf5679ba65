"""The built-in swapper on people who do not exist."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

import lendface
from lendface.engine.geometry import eye_distance_px, five_points
from lendface.engine.mesh.forehead import raised
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.swapper import MeshSwapper
from lendface.engine.mesh.topology import (
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS_INNER,
    LIPS_OUTER,
    OVAL,
    POINTS,
    Topology,
)
from lendface.engine.picture import ArrayPicture
from lendface.engine.style import Style
from lendface.engine.types import (
    Array,
    Box,
    Face,
    Floats,
    Frame,
    Hand,
    Patch,
    Pixels,
    SourceFace,
    Track,
)
from lendface.pipeline.parts import Parts
from people import PEOPLE, read_person

PAIRS = [(a, b) for a in PEOPLE for b in PEOPLE if a != b]


def found(parts: Parts, pixels: Pixels) -> tuple[Track, Face]:
    tracks = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(pixels))])
    return tracks.people[0], tracks.faces_at(0)[0]


def patch_for(
    parts: Parts, swapper: MeshSwapper, source: SourceFace, pixels: Pixels, **changes: object
) -> Patch:
    person, face = found(parts, pixels)
    changed = {name: getattr(face, name) for name in face.__slots__} | changes
    patch = swapper.swap(ArrayPicture(pixels), Face(**changed), swapper.prepare(source, person))
    assert patch is not None
    return patch


def pasted(pixels: Pixels, patch: Patch) -> Pixels:
    return ArrayPicture(pixels).pasted([patch]).pixels


def filled(points_xy: Floats, ring: tuple[int, ...], box: Box) -> Array:
    """(h, w) bool over a patch: the inside of a ring of landmarks."""
    mask = np.zeros((box.height, box.width), np.uint8)
    corners = points_xy[list(ring), :2] - np.float32([box.x0, box.y0])
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 1)
    return mask > 0


def cosine(parts: Parts, pixels: Pixels, face: Face, other: Floats) -> float:
    seen = parts.recognizer.embed(ArrayPicture(pixels), five_points(face.landmarks_xyz))
    return float(seen @ other)


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_the_swapped_face_is_nearer_to_the_source(
    parts: Parts, sources: dict[str, SourceFace], source: str, target: str
) -> None:
    pixels = read_person(target)
    _, face = found(parts, pixels)
    swapped = pasted(pixels, patch_for(parts, parts.swapper, sources[source], pixels))
    to_source = cosine(parts, swapped, face, sources[source].embedding)
    to_target = cosine(parts, swapped, face, sources[target].embedding)
    assert to_source > to_target
    assert to_source > 0.363  # SFace's own threshold for the same person


@pytest.mark.parametrize("who", PEOPLE)
def test_a_person_on_themself_stays_close_to_their_own_pixels(
    parts: Parts, topology: Topology, sources: dict[str, SourceFace], who: str
) -> None:
    """The texture is as fine as the photo, but detail is calmed and light rounded to a small
    grid, so pixels of the face's inside differ by some levels, and hardly any by much."""
    pixels = read_person(who)
    swapper = MeshSwapper(topology, Style(shape=0))
    patch = patch_for(parts, swapper, sources[who], pixels)
    box, inside = patch.box, patch.alpha > 0.9
    off = np.abs(patch.pixels - pixels[box.y0 : box.y1, box.x0 : box.x1])[inside]
    assert inside.mean() > 0.4
    assert off.mean() < 8
    assert np.percentile(off, 95) < 28
    _, face = found(parts, pixels)
    assert cosine(parts, pasted(pixels, patch), face, sources[who].embedding) > 0.9


@pytest.mark.parametrize(("source", "target"), PAIRS[:3])
def test_eyes_and_the_inside_of_the_mouth_are_the_targets(
    parts: Parts, topology: Topology, sources: dict[str, SourceFace], source: str, target: str
) -> None:
    """Without a change of shape they stay in place, so their pixels are the picture's own."""
    pixels = read_person(target, side_px=1200)
    _, face = found(parts, pixels)
    patch = patch_for(parts, MeshSwapper(topology, Style(shape=0)), sources[source], pixels)
    box = patch.box
    own = pixels[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT):
        inside = cv2.erode(np.uint8(filled(face.landmarks_xyz, ring, box)), np.ones((9, 9))) > 0
        assert inside.sum() > 100
        assert np.abs(patch.pixels - own)[inside].mean() < 4


def test_an_open_mouth_keeps_the_targets_teeth(
    parts: Parts, topology: Topology, sources: dict[str, SourceFace]
) -> None:
    pixels, face = with_open_mouth(parts, "P003")
    patch = patch_for(parts, MeshSwapper(topology, Style(shape=0)), sources["P005"], pixels)
    box = patch.box
    inside = cv2.erode(np.uint8(filled(face.landmarks_xyz, LIPS_INNER, box)), np.ones((5, 5))) > 0
    own = pixels[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    assert inside.sum() > 40
    assert np.abs(patch.pixels - own)[inside].mean() < 10


def with_open_mouth(parts: Parts, who: str) -> tuple[Pixels, Face]:
    """A photo whose lower lip and chin were pulled down, and a mouth painted between the lips."""
    pixels = read_person(who)
    _, face = found(parts, pixels)
    lower, upper = face.landmarks_xyz[14, :2], face.landmarks_xyz[13, :2]
    middle, gap = (lower + upper) / 2, 16.0
    ys, xs = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    beside = np.clip(1 - ((xs - middle[0]) / 34) ** 2, 0, 1)
    opened = gap * beside
    below = ys - middle[1] > 0
    pulled = np.where(below, ys - np.minimum(opened, ys - middle[1]), ys).astype(np.float32)
    wide = cv2.remap(pixels, xs, pulled, cv2.INTER_LINEAR)
    mouth = below & (ys - middle[1] < opened) & (beside > 0.15)
    wide[mouth] = (70, 20, 25)
    teeth = mouth & (ys - middle[1] < opened * 0.4)
    wide[teeth] = (225, 220, 205)
    return wide, found(parts, wide)[1]


@pytest.mark.parametrize(("shape", "reach_eyes"), [(0.0, 0.1), (1.0, 0.55)])
def test_nothing_changes_far_from_the_face(
    parts: Parts,
    topology: Topology,
    sources: dict[str, SourceFace],
    shape: float,
    reach_eyes: float,
) -> None:
    """Without a change of shape nothing outside of it and of the bare forehead above; with one, the
    little that gives way."""
    pixels = read_person("P010")
    person, face = found(parts, pixels)
    assert person.forehead.any()
    swapper = MeshSwapper(topology, Style(shape=shape))
    patch = patch_for(parts, swapper, sources["P003"], pixels)
    radius = round(reach_eyes * eye_distance_px(face.landmarks_xyz))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    pose = pose_of(topology, face.landmarks_xyz)
    outline = raised(topology, face.landmarks_xyz, pose, person.forehead)
    oval = np.uint8(filled(outline, OVAL, patch.box))
    near = cv2.dilate(oval, disc) > 0
    assert patch.alpha[~near].max(initial=0) == 0
    assert (patch.alpha.min(), patch.alpha.max() <= 1) == (0, True)
    assert (patch.pixels.min() >= 0, patch.pixels.max() <= 255) == (True, True)


def test_lips_and_the_skin_close_to_them_can_stay_the_targets(
    parts: Parts, topology: Topology, sources: dict[str, SourceFace]
) -> None:
    pixels = read_person("P010", side_px=1200)
    _, face = found(parts, pixels)
    off = {}
    for keep_mouth in (False, True):
        swapper = MeshSwapper(topology, Style(shape=0, keep_mouth=keep_mouth))
        patch = patch_for(parts, swapper, sources["P005"], pixels)
        box, lips = patch.box, filled(face.landmarks_xyz, LIPS_OUTER, patch.box)
        own = pixels[box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
        off[keep_mouth] = np.abs(patch.pixels - own)[lips].mean()
    assert off[True] < 3
    assert off[False] > 10


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_face_half_outside_of_the_picture_is_swapped(
    parts: Parts, sources: dict[str, SourceFace], side: str
) -> None:
    whole = read_person("P003")
    _, face = found(parts, whole)
    x, y = np.rint(face.landmarks_xyz[4, :2]).astype(int).tolist()
    part = {
        "left": whole[:, x:],
        "right": whole[:, :x],
        "top": whole[y - 30 :],
        "bottom": whole[: y + 30],
    }[side]
    pixels = np.ascontiguousarray(part)
    moved = face.landmarks_xyz - np.float32(
        [x if side == "left" else 0, y - 30 if side == "top" else 0, 0]
    )
    patch = patch_for(parts, parts.swapper, sources["P010"], whole, landmarks_xyz=moved)
    person, _ = found(parts, whole)
    look = parts.swapper.prepare(sources["P010"], person)
    cut = parts.swapper.swap(
        ArrayPicture(pixels),
        Face(1, face.box_xyxy, moved, face.score, 1.0, face.light),
        look,
    )
    assert cut is not None
    assert cut.box == patch.box.clipped((pixels.shape[1], pixels.shape[0]))
    assert cut.alpha.shape == (cut.box.height, cut.box.width)
    assert (cut.alpha > 0.5).sum() > 1000
    assert pasted(pixels, cut).shape == pixels.shape


def test_a_face_wholly_outside_gives_nothing(parts: Parts, sources: dict[str, SourceFace]) -> None:
    pixels = read_person("P003")
    person, face = found(parts, pixels)
    away = Face(1, face.box_xyxy, face.landmarks_xyz + 2000, 1.0, 1.0, face.light)
    look = parts.swapper.prepare(sources["P010"], person)
    assert parts.swapper.swap(ArrayPicture(pixels), away, look) is None


def test_strength_fades_the_patch_and_zero_leaves_the_face_alone(
    parts: Parts, topology: Topology, sources: dict[str, SourceFace]
) -> None:
    pixels = read_person("P005")
    swapper = MeshSwapper(topology, Style(shape=0))
    full, half = (
        patch_for(parts, swapper, sources["P003"], pixels, strength=s) for s in (1.0, 0.5)
    )
    np.testing.assert_allclose(half.alpha, 0.5 * full.alpha, atol=1e-5)
    np.testing.assert_array_equal(half.pixels, full.pixels)
    person, face = found(parts, pixels)
    none = Face(1, face.box_xyxy, face.landmarks_xyz, 1.0, 0.0, face.light)
    look = parts.swapper.prepare(sources["P003"], person)
    assert parts.swapper.swap(ArrayPicture(pixels), none, look) is None


def test_a_face_that_fades_out_goes_back_to_its_own_shape(
    parts: Parts, topology: Topology, sources: dict[str, SourceFace]
) -> None:
    """Half-faded features on a moved face would be seen twice."""
    pixels = read_person("P005")
    swappers = [MeshSwapper(topology, Style(shape=shape)) for shape in (0.0, 1.0)]
    apart = []
    for strength in (0.1, 1.0):
        own, moved = (
            pasted(np.full_like(pixels, 128), replace(patch, alpha=np.ones_like(patch.alpha)))
            for patch in (
                patch_for(parts, s, sources["P003"], pixels, strength=strength) for s in swappers
            )
        )
        _, face = found(parts, pixels)
        inside = filled(face.landmarks_xyz, OVAL, Box(0, 0, *pixels.shape[1::-1]))
        apart.append(np.abs(own.astype(float) - moved)[inside].mean())
    assert apart[0] < 0.3 * apart[1]


def test_a_face_of_twenty_pixels_is_left_alone(parts: Parts) -> None:
    """Beside a large one, and everybody was asked for."""
    pixels = np.full((480, 640, 3), 120, np.uint8)
    pixels[:, :480] = read_person("P005")
    small = cv2.resize(read_person("P003"), (52, 52), interpolation=cv2.INTER_AREA)
    pixels[200:252, 540:592] = small
    everyone = lendface.Everyone()
    swapped = lendface.swap(read_person("P010"), pixels, who=everyone, parts=parts)
    assert isinstance(swapped, np.ndarray)
    assert (swapped[:, :480] != pixels[:, :480]).any()
    np.testing.assert_array_equal(swapped[:, 480:], pixels[:, 480:])


def test_a_hand_before_the_face_is_not_painted_over(
    parts: Parts, sources: dict[str, SourceFace]
) -> None:
    pixels = read_person("P003")
    _, face = found(parts, pixels)
    nose = face.landmarks_xyz[4, :2]
    points = np.float32([[0, 60], *[(x, -12 * k) for x in (-24, -12, 0, 12, 24) for k in range(4)]])
    hand = Hand(nose + points, 0.9)
    bare, covered = (
        patch_for(parts, parts.swapper, sources["P010"], pixels, hands=hands)
        for hands in ((), (hand,))
    )
    at = np.rint(hand.points_xy - np.float32(bare.box[:2])).astype(int)
    assert bare.alpha[at[5:, 1], at[5:, 0]].mean() > 0.8
    assert covered.alpha[at[5:, 1], at[5:, 0]].mean() < 0.1
    assert (covered.alpha <= bare.alpha + 1e-6).all()
    forehead = np.rint(face.landmarks_xyz[9, :2] - np.float32(bare.box[:2])).astype(int)
    assert covered.alpha[forehead[1], forehead[0]] > 0.9


def test_the_swap_follows_the_targets_light(parts: Parts, sources: dict[str, SourceFace]) -> None:
    pixels = read_person("P003")
    slope = np.exp(np.linspace(-1.1, 0.1, pixels.shape[1]))[None, :, None]
    lit = np.uint8(np.clip(pixels * slope, 0, 255))
    means = []
    for photo in (pixels, lit):
        _, face = found(parts, photo)
        patch = patch_for(parts, parts.swapper, sources["P010"], photo)
        at = np.rint(face.landmarks_xyz[[50, 280], :2] - np.float32(patch.box[:2])).astype(int)
        soft = cv2.blur(patch.pixels, (15, 15)).mean(2)
        means.append(np.log(soft[at[1, 1], at[1, 0]] / soft[at[0, 1], at[0, 0]]))
    cheeks = np.ptp(found(parts, pixels)[1].landmarks_xyz[[50, 280], 0])
    expected = 1.2 * cheeks / pixels.shape[1]  # log brightness from cheek to cheek
    assert means[1] - means[0] == pytest.approx(expected, rel=0.35)
    assert POINTS == 468
