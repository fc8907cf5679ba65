"""Mesh, blendshapes and recognizer on synthetic people."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest

from lendface.engine.geometry import crop_of, face_roi, five_points, next_face_roi
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Mesh
from lendface.models import SAME_PERSON_COSINE, Blendshapes, FaceMesh, ModelKit
from lendface.models.blendshapes import NAMES, POINTS
from lendface.models.sface import TEMPLATE_XY

PEOPLE = ("P003", "P005", "P010")
MIDLINE = [0, 1, 2, 4, 5, 8, 9, 10, 13, 14, 17, 152, 168]


def detected_mesh(kit: ModelKit, picture: ArrayPicture) -> tuple[Floats, Mesh]:
    """The detector's five points and the mesh."""
    face = kit.detector.detect(picture)[0]
    place = crop_of(face_roi(face.box_xyxy, face.points_xy), 256)
    return face.points_xy, kit.landmarker.landmarks(picture, place)


def eye_distance(points_xy: Floats) -> float:
    return float(np.linalg.norm(points_xy[1] - points_xy[0]))


@pytest.mark.parametrize("who", PEOPLE)
def test_detector_and_mesh_agree(
    kit: ModelKit, person: Callable[..., ArrayPicture], who: str
) -> None:
    points_xy, mesh = detected_mesh(kit, person(who, "studio_portrait"))
    five = five_points(mesh.landmarks_xyz)
    assert mesh.score > 0.99
    assert np.linalg.norm(five - points_xy, axis=1).max() < 0.25 * eye_distance(five)
    assert np.linalg.norm(five - points_xy, axis=1).mean() < 0.12 * eye_distance(five)


def test_the_mesh_does_not_wander_when_it_is_read_again(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    picture = person("P003", "studio_portrait")
    _, first = detected_mesh(kit, picture)
    second = kit.landmarker.landmarks(picture, crop_of(next_face_roi(first.landmarks_xyz), 256))
    third = kit.landmarker.landmarks(picture, crop_of(next_face_roi(second.landmarks_xyz), 256))
    step = np.linalg.norm((third.landmarks_xyz - second.landmarks_xyz)[:, :2], axis=1)
    assert step.mean() < 0.01 * eye_distance(five_points(second.landmarks_xyz))


def test_points_count_from_the_centres_of_pixels(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    """The midline of a face and of its mirror picture meet in the middle of the crop."""
    sums = []
    for who in ("P001", "P003", "P005", "P007", "P009", "P010"):
        picture = person(who, "studio_portrait")
        face = kit.detector.detect(picture)[0]
        crop = picture.warped(crop_of(face_roi(face.box_xyxy, face.points_xy), 256), 256)
        whole = np.float32([[1, 0, 0], [0, 1, 0]])
        seen, mirrored = (
            kit.landmarker.landmarks(ArrayPicture(np.ascontiguousarray(each)), whole)
            for each in (crop, crop[:, ::-1])
        )
        sums.append((seen.landmarks_xyz + mirrored.landmarks_xyz)[MIDLINE, 0].mean())
    assert np.mean(sums) == pytest.approx(255, abs=0.5)


def test_depth_is_in_the_unit_of_the_picture(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    _, mesh = detected_mesh(kit, person("P003", "studio_portrait"))
    nose_to_ears = mesh.landmarks_xyz[[127, 356], 2].mean() - mesh.landmarks_xyz[1, 2]
    width = mesh.landmarks_xyz[356, 0] - mesh.landmarks_xyz[127, 0]
    assert 0.4 * width < nose_to_ears < 1.2 * width


def test_no_face_gets_a_low_score(kit: ModelKit) -> None:
    grey = ArrayPicture(np.full((300, 300, 3), 128, np.uint8))
    mesh = kit.landmarker.landmarks(grey, np.float32([[1, 0, 20], [0, 1, 20]]))
    assert mesh.score < 0.1


def test_many_faces_in_one_run_are_those_of_single_runs(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    net = kit.landmarker
    assert isinstance(net, FaceMesh)
    crops = []
    for who in PEOPLE:
        picture = person(who, "studio_portrait")
        face = kit.detector.detect(picture)[0]
        crops.append((picture, crop_of(face_roi(face.box_xyxy, face.points_xy), 256)))
    together = net.landmarks_of(crops)
    for mesh, (picture, place) in zip(together, crops, strict=True):
        alone = net.landmarks(picture, place)
        np.testing.assert_allclose(mesh.landmarks_xyz, alone.landmarks_xyz, atol=0.01)
        assert mesh.score == pytest.approx(alone.score, abs=1e-4)
    assert net.landmarks_of([]) == []


@pytest.mark.parametrize("who", ["P001", "P007", "P009"])
def test_a_smile_is_read_as_a_smile(
    kit: ModelKit, person: Callable[..., ArrayPicture], who: str
) -> None:
    net = Blendshapes.load()
    read = {}
    for photo in ("studio_portrait", "amateur_selfie"):  # calm; smiling
        _, mesh = detected_mesh(kit, person(who, photo))
        read[photo] = dict(zip(NAMES, net.weights(mesh.landmarks_xyz), strict=True))
    for side in ("Left", "Right"):
        assert read["studio_portrait"][f"mouthSmile{side}"] < 0.2
        assert read["amateur_selfie"][f"mouthSmile{side}"] > 0.6
        assert read["studio_portrait"][f"eyeBlink{side}"] < 0.4
    assert all(0 <= value <= 1 for each in read.values() for value in each.values())


def test_the_blendshape_net_takes_146_points_and_names_52_weights() -> None:
    assert len(POINTS) == len(set(POINTS)) == 146
    assert len(NAMES) == len(set(NAMES)) == 52


def test_one_person_is_recognised_and_others_are_not(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    embeddings = {}
    for who in PEOPLE:
        for photo in ("studio_portrait", "amateur_selfie"):
            picture = person(who, photo)
            _, mesh = detected_mesh(kit, picture)
            points_xy = five_points(mesh.landmarks_xyz)
            embeddings[who, photo] = kit.recognizer.embed(picture, points_xy)
    for (one, a), (other, b) in combinations(embeddings.items(), 2):
        cosine = float(a @ b)
        assert (cosine > SAME_PERSON_COSINE + 0.1) == (one[0] == other[0]), (one, other, cosine)
        assert one[0] == other[0] or cosine < SAME_PERSON_COSINE


def test_an_embedding_has_unit_length_and_does_not_depend_on_size_or_turn(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    picture = person("P003", "studio_portrait")
    points_xy, _ = detected_mesh(kit, picture)
    upright = kit.recognizer.embed(picture, points_xy)
    on_its_side = ArrayPicture(np.ascontiguousarray(np.rot90(picture.pixels)))
    moved = np.stack([points_xy[:, 1], picture.size_wh[0] - 1 - points_xy[:, 0]], axis=1)
    assert (upright.shape, upright.dtype) == ((128,), np.float32)
    assert np.linalg.norm(upright) == pytest.approx(1, abs=1e-5)
    assert float(upright @ kit.recognizer.embed(on_its_side, moved)) > 0.99


def test_a_face_already_on_the_template_is_taken_as_it_is(kit: ModelKit) -> None:
    rng = np.random.default_rng(7)
    picture = ArrayPicture(rng.integers(0, 256, (112, 112, 3), np.uint8))
    again = kit.recognizer.embed(picture, TEMPLATE_XY)
    wider = ArrayPicture(np.pad(picture.pixels, ((9, 0), (5, 0), (0, 0))))
    assert float(again @ kit.recognizer.embed(wider, TEMPLATE_XY + np.float32([5, 9]))) > 0.999


def test_a_strong_reduction_averages_pixels() -> None:
    """A fine chequer board turns grey; a plain warp would show its squares."""
    board = (np.indices((400, 400)).sum(axis=0) % 2 * 255).astype(np.uint8)
    picture = ArrayPicture(np.repeat(board[..., None], 3, axis=2))
    crop = picture.warped(np.float32([[8, 0, 8], [0, 8, 8]]), 40)
    assert crop.shape == (40, 40, 3)
    assert np.abs(crop[2:-2, 2:-2].astype(int) - 128).max() <= 8
