"""Glasses: found for a person, drawn on people who have none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.mesh import glasses as worn
from lendface.engine.mesh.glasses import find_glasses, glasses_cover, read_plate
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Array, Floats, Pixels, SourceFace
from people import PEOPLE, read_person

ORIGIN = np.zeros(2, np.float32)
LENS = np.float32([[3.35, -2.5, 2.45, 1.7, 3.0]])  # centimetres before the head
RIM_CM = 0.18


def lens_lines() -> tuple[Floats, Floats]:
    outline, _ = worn._outline(LENS)
    return outline[0] * np.float32([-1, 1]), outline[0]


def with_glasses(
    pixels: Pixels, landmarks: Floats, topology: Topology, tint: float = 1.0
) -> tuple[Array, Array, Array]:
    """The picture with dark rims drawn on, where they are, and what lies behind the lenses."""
    pose = pose_of(topology, landmarks)
    rims, inside = (np.zeros(pixels.shape[:2], np.uint8) for _ in range(2))
    bridge = np.float32([[-0.95, -3.2], [0, -3.4], [0.95, -3.2]])

    def places(line: Floats) -> Array:
        points = np.concatenate([line, worn._depth(line[:, :1])], 1)
        return np.rint(worn._project(points, pose)).astype(np.int32)

    width = max(1, round(RIM_CM * pose.scale))
    for lens in lens_lines():
        cv2.fillPoly(inside, [places(lens)], 1)
        cv2.polylines(rims, [places(lens)], True, 1, width)
    cv2.polylines(rims, [places(bridge)], False, 1, width)
    shown = np.where(inside[..., None] > 0, pixels * np.float32(tint), pixels)
    shown = np.where(rims[..., None] > 0, np.float32([30, 28, 30]), shown)
    return cv2.GaussianBlur(np.float32(shown), (0, 0), 0.7), rims > 0, inside > 0


def looks(pixels: Array, landmarks: Floats, topology: Topology, count: int = 6) -> list[Pixels]:
    noise = np.random.default_rng(2)
    pictures = [np.clip(pixels + noise.normal(0, 2, pixels.shape), 0, 255) for _ in range(count)]
    return [
        read_plate(ArrayPicture(each.astype(np.uint8)), landmarks, topology) for each in pictures
    ]


@pytest.fixture(params=PEOPLE)
def who(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def landmarks(who: str, sources: dict[str, SourceFace]) -> Floats:
    return sources[who].portraits[0].mesh.landmarks_xyz


def test_a_face_without_glasses_has_none(who: str, landmarks: Floats, topology: Topology) -> None:
    assert find_glasses(looks(read_person(who), landmarks, topology), 0) is None
    assert find_glasses(looks(read_person(who), landmarks, topology, 1), 0) is None


def test_rims_are_found_where_they_are(who: str, landmarks: Floats, topology: Topology) -> None:
    pixels, _, _ = with_glasses(read_person(who), landmarks, topology)
    found = find_glasses(looks(pixels, landmarks, topology), 0)
    assert found is not None
    for lens, drawn in zip(found.lenses, lens_lines(), strict=True):
        apart = np.linalg.norm(lens[:, None] - drawn[None], axis=-1).min(1)
        assert np.median(apart) < 0.2  # centimetres; the points of a line lie 0.4 apart
    assert found.opaque == 0


def test_rims_stay_and_the_skin_behind_clear_lenses_does_not(
    who: str, landmarks: Floats, topology: Topology
) -> None:
    pixels, rims, inside = with_glasses(read_person(who), landmarks, topology)
    found = find_glasses(looks(pixels, landmarks, topology), 0)
    assert found is not None
    cover = glasses_cover(found, pose_of(topology, landmarks), pixels, ORIGIN)
    behind = inside & (cv2.dilate(rims.astype(np.uint8), np.ones((13, 13))) == 0)
    assert cover[rims].mean() > 0.6
    assert cover[behind].mean() < 0.05
    below = np.arange(len(pixels))[:, None] > landmarks[4, 1]  # the nose's tip
    assert (cover[below[:, 0]] == 0).all()


def test_dark_lenses_stay_as_a_whole(who: str, landmarks: Floats, topology: Topology) -> None:
    pixels, _, inside = with_glasses(read_person(who), landmarks, topology, tint=0.25)
    found = find_glasses(looks(pixels, landmarks, topology), 0)
    assert found is not None
    assert found.opaque > 0.9
    cover = glasses_cover(found, pose_of(topology, landmarks), pixels, ORIGIN)
    assert cover[inside].mean() > 0.9


def test_nothing_is_found_in_nothing() -> None:
    assert find_glasses([], 0) is None
    blank = np.full((worn.HEIGHT, worn.WIDTH), 120, np.uint8)
    assert find_glasses([blank] * 6, 0) is None
