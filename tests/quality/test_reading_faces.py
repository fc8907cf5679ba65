"""Gaze, pose and landmarks, read from synthetic people and moved by a known amount."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest

from lendface.engine.geometry import move_landmarks
from lendface.engine.picture import ArrayPicture
from lendface.engine.pose import Pose
from lendface.engine.types import Floats, Pixels
from lendface.pipeline.parts import Parts
from lendface.quality.faces import (
    IRISES,
    angle_deg,
    face_height_px,
    gaze_error,
    landmark_error,
    pose_errors_deg,
    rotation_between,
    turn_deg,
)
from lendface.quality.reading import FaceReader, FaceReading
from people import read_person


@pytest.fixture(scope="module")
def reader(parts: Parts) -> FaceReader:
    return FaceReader.of(parts)


@cache
def landmarks_of(parts: Parts, who: str) -> Floats:
    (mesh,) = parts.enroller.find_meshes(ArrayPicture(read_person(who)))
    return mesh.landmarks_xyz


def read(reader: FaceReader, parts: Parts, who: str, pixels: Pixels) -> FaceReading:
    reading = reader.read(ArrayPicture(pixels), landmarks_of(parts, who))
    assert reading is not None
    return reading


@pytest.fixture(scope="module")
def straight(reader: FaceReader, parts: Parts) -> FaceReading:
    return read(reader, parts, "P003", read_person("P003"))


def looking(landmarks_xyz: Floats, aside: float) -> Floats:
    """The same face with its irises moved along the eyes, in eye widths."""
    moved = landmarks_xyz.copy()
    for iris, (first, last) in zip(IRISES, ((33, 133), (362, 263)), strict=True):
        moved[iris, :2] += aside * (landmarks_xyz[last] - landmarks_xyz[first])[:2]
    return moved


def rotated(degrees: float) -> Pose:
    matrix, _ = cv2.Rodrigues(np.float64([0, np.radians(degrees), 0]))
    return Pose(1.0, matrix.astype(np.float32), np.zeros(3, np.float32))


def test_a_face_is_like_itself_in_everything(straight: FaceReading) -> None:
    points = straight.landmarks_xyz
    assert gaze_error(points, points) == 0
    assert landmark_error(points, points) == 0
    assert angle_deg(rotation_between(straight.pose, straight.pose)) == pytest.approx(0, abs=0.05)


def test_a_gaze_moved_by_a_tenth_of_the_eye_is_an_error_of_a_tenth(straight: FaceReading) -> None:
    points = straight.landmarks_xyz
    assert gaze_error(points, looking(points, 0.1)) == pytest.approx(0.1, abs=1e-3)


def test_a_turned_picture_has_the_same_gaze(straight: FaceReading) -> None:
    points = straight.landmarks_xyz
    turn = cv2.getRotationMatrix2D((200, 200), 30, 1.4).astype(np.float32)
    assert gaze_error(points, move_landmarks(points, turn)) == pytest.approx(0, abs=1e-3)


def test_closed_eyes_have_no_gaze(straight: FaceReading) -> None:
    shut = straight.landmarks_xyz.copy()
    for upper, lower in ((160, 144), (159, 145), (158, 153), (387, 373), (386, 374), (385, 380)):
        shut[upper] = shut[lower]
    assert gaze_error(shut, straight.landmarks_xyz) is None


def test_the_angle_between_two_heads_is_told_in_degrees() -> None:
    assert angle_deg(rotation_between(rotated(10), rotated(-5))) == pytest.approx(15, abs=0.01)
    assert turn_deg(rotated(-40)) == pytest.approx(40, abs=0.01)


def test_what_all_frames_have_in_common_is_no_pose_error() -> None:
    turns = [rotation_between(rotated(a), rotated(a + 6 + e)) for a, e in ((0, 1), (9, -1))]
    errors, constant = pose_errors_deg(turns)
    assert errors == pytest.approx([1, 1], abs=0.02)
    assert constant == pytest.approx(6, abs=0.02)


def test_a_portrait_looks_into_the_camera(straight: FaceReading) -> None:
    assert turn_deg(straight.pose) < 20
    assert 100 < face_height_px(straight.landmarks_xyz) < 400


def test_landmarks_are_compared_in_eye_distances(straight: FaceReading) -> None:
    moved = straight.landmarks_xyz + np.float32([straight.eye_px / 10, 0, 0])
    assert landmark_error(straight.landmarks_xyz, moved) == pytest.approx(0.1, rel=1e-3)


def test_a_tilted_picture_reads_as_the_same_person_and_face(
    reader: FaceReader, parts: Parts, straight: FaceReading
) -> None:
    pixels = read_person("P003")
    middle = (pixels.shape[1] / 2, pixels.shape[0] / 2)
    by_four = cv2.getRotationMatrix2D(middle, 4, 1)
    tilted = read(reader, parts, "P003", cv2.warpAffine(pixels, by_four, pixels.shape[1::-1]))
    assert straight.embedding @ tilted.embedding > 0.9
    assert np.linalg.norm(straight.descriptor - tilted.descriptor) < 0.25
    turn = rotation_between(straight.pose, tilted.pose)
    assert angle_deg(turn) == pytest.approx(4, abs=0.7)
    assert gaze_error(straight.landmarks_xyz, tilted.landmarks_xyz) == pytest.approx(0, abs=0.03)


def test_where_there_is_no_face_nothing_is_read(reader: FaceReader, parts: Parts) -> None:
    grey = ArrayPicture(np.full((480, 480, 3), 120, np.uint8))
    assert reader.read(grey, landmarks_of(parts, "P003")) is None
