"""What a person usually looks like, and what stands out from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.appearance import LEAST_LOOKS, learn, read
from lendface.engine.mesh.occlusion import Occluders
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import OVAL, Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Appearance, Array, Face, Floats, Pixels, SourceFace
from people import read_person, swaying

WHO = "P003"
SKIN_ARM = (150, 105, 85)
CUP, MICROPHONE, SLEEVE = (235, 235, 230), (25, 25, 28), (60, 40, 35)


@pytest.fixture(scope="module")
def landmarks(sources: dict[str, SourceFace]) -> Floats:
    return sources[WHO].portraits[0].mesh.landmarks_xyz


@pytest.fixture(scope="module")
def appearance(landmarks: Floats, topology: Topology) -> Appearance:
    pixels = read_person(WHO)
    noise = np.random.default_rng(1)
    pictures = [
        np.clip(pixels * (0.8 + 0.03 * k) + noise.normal(0, 2, pixels.shape), 0, 255)
        for k in range(LEAST_LOOKS + 2)
    ]
    looks = [read(ArrayPicture(each.astype(np.uint8)), landmarks, topology) for each in pictures]
    learnt = learn(looks, topology)
    assert learnt is not None
    return learnt


def covered(appearance: Appearance, topology: Topology, landmarks: Floats, pixels: Array) -> Floats:
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    light = np.zeros((16, 16, 3), np.float32)
    face = Face(1, np.concatenate([low, high]), landmarks, 1.0, 1.0, light)
    origin = np.zeros(2, np.float32)
    occluders = Occluders(topology, appearance, None)
    pose = pose_of(topology, landmarks)
    eye_px = eye_distance_px(landmarks[:, :2])
    cover = occluders.cover(face, pose, np.float32(pixels), origin, eye_px)
    return np.zeros(pixels.shape[:2], np.float32) if cover is None else cover


def oval(landmarks: Floats, shape: tuple[int, ...]) -> Array:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[list(OVAL), :2]).astype(np.int32)], 1)
    return mask > 0


def with_bar(
    pixels: Pixels, start: Floats, end: Floats, width: float, colour: tuple[int, ...]
) -> tuple[Array, Array]:
    """A soft-edged bar before a face, and where it is."""
    mask = np.zeros(pixels.shape[:2], np.uint8)
    ends = [tuple(np.rint(point).astype(int).tolist()) for point in (start, end)]
    cv2.line(mask, *ends, 1, max(1, round(width)))
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
    return pixels * (1 - soft) + soft * np.float32(colour), mask > 0


def test_too_few_looks_teach_nothing(landmarks: Floats, topology: Topology) -> None:
    look = read(ArrayPicture(read_person(WHO)), landmarks, topology)
    assert learn([look] * (LEAST_LOOKS - 1), topology) is None


def test_nothing_is_before_an_uncovered_face(
    appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    assert covered(appearance, topology, landmarks, read_person(WHO)).max() == 0


def test_other_light_is_no_thing(
    appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    pixels = read_person(WHO)
    across = np.linspace(0.6, 1.1, pixels.shape[1])[None, :, None]
    lit = pixels * across * np.float32([1.0, 0.85, 0.7])
    assert covered(appearance, topology, landmarks, lit).mean() < 0.002


def test_a_shadow_on_a_cheek_is_no_thing(
    appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    pixels = read_person(WHO)
    eye = eye_distance_px(landmarks[:, :2])
    mask = np.zeros(pixels.shape[:2], np.float32)
    cheek = tuple(np.rint(landmarks[50, :2]).astype(int).tolist())
    cv2.circle(mask, cheek, round(0.5 * eye), 1.0, cv2.FILLED)
    shade = 1 - 0.22 * cv2.GaussianBlur(mask, (0, 0), 0.15 * eye)[..., None]
    assert covered(appearance, topology, landmarks, pixels * shade).mean() < 0.002


def test_closed_eyes_and_an_open_mouth_are_no_things(
    appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    pixels = read_person(WHO).copy()
    eye = eye_distance_px(landmarks[:, :2])
    for inner, outer in ((133, 33), (362, 263)):  # a dark mouth, skin over the eyes
        middle = landmarks[[inner, outer], :2].mean(0)
        skin = pixels[tuple(np.rint(landmarks[50, 1::-1]).astype(int))].tolist()
        cv2.ellipse(pixels, (middle, (0.5 * eye, 0.2 * eye), 0), skin, cv2.FILLED)
    mouth = landmarks[[13, 14], :2].mean(0)
    cv2.ellipse(pixels, (mouth, (0.5 * eye, 0.3 * eye), 0), (45, 20, 20), cv2.FILLED)
    assert covered(appearance, topology, landmarks, pixels).max() == 0


@pytest.mark.parametrize("colour", [MICROPHONE, CUP, SLEEVE])
def test_what_comes_in_over_the_chin_is_covered_and_little_else(
    colour: tuple[int, ...], appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    eye = eye_distance_px(landmarks[:, :2])
    chin = landmarks[17, :2]
    pixels, shown = with_bar(
        read_person(WHO), chin, chin + np.float32([0.3, 3]) * eye, 0.6 * eye, colour
    )
    cover = covered(appearance, topology, landmarks, pixels)
    face = oval(landmarks, pixels.shape)
    beside = face & (cv2.dilate(shown.astype(np.uint8), np.ones((13, 13))) == 0)
    assert cover[shown & face].mean() > 0.9
    assert cover[beside].mean() < 0.01


def test_a_thin_strand_of_hair_over_a_cheek_is_covered(
    appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    eye = eye_distance_px(landmarks[:, :2])
    start, end = landmarks[54, :2] - [0, 0.3 * eye], landmarks[50, :2] + [0, 0.8 * eye]
    pixels, shown = with_bar(read_person(WHO), start, end, 0.07 * eye, (40, 30, 25))
    cover = covered(appearance, topology, landmarks, pixels)
    assert cover[shown & oval(landmarks, pixels.shape)].mean() > 0.6


def test_a_strange_spot_that_does_not_reach_the_rim_is_left_to_the_swap(
    appearance: Appearance, topology: Topology, landmarks: Floats
) -> None:
    """A reflection, a plaster: nothing floats before the middle of a face."""
    pixels = read_person(WHO).copy()
    place = np.rint(landmarks[[50, 4], :2].mean(0)).astype(int).tolist()
    cv2.circle(pixels, place, 9, (250, 250, 240), cv2.FILLED)
    assert covered(appearance, topology, landmarks, pixels).max() == 0


def test_a_face_in_motion_teaches_the_same(topology: Topology, landmarks: Floats) -> None:
    """Turned and moved with its landmarks, a texel keeps its colour."""
    frames = swaying(read_person(WHO), 1)
    one = read(ArrayPicture(frames[0]), landmarks, topology)
    moved = np.roll(frames[0], (6, 9), (0, 1))
    other = read(ArrayPicture(moved), landmarks + np.float32([9, 6, 0]), topology)
    known = one.seen > 128
    off = np.abs(one.colours.astype(int) - other.colours)[known]
    assert np.percentile(off, 95) <= 3


def test_what_lies_beyond_the_picture_is_not_seen(landmarks: Floats, topology: Topology) -> None:
    pixels = read_person(WHO)
    nose = round(float(landmarks[4, 0]))
    whole = read(ArrayPicture(pixels), landmarks, topology)
    half = read(ArrayPicture(np.ascontiguousarray(pixels[:, :nose])), landmarks, topology)
    middle = whole.seen.shape[1] // 2
    assert half.seen[:, middle + 3 :].max() == 0
    np.testing.assert_array_equal(half.seen[:, : middle - 8], whole.seen[:, : middle - 8])
    off = half.colours[half.seen > 0].astype(int) - whole.colours[half.seen > 0]
    assert np.abs(off).max() < 60  # nothing of the black is blended in
    assert np.abs(off).mean() < 2
