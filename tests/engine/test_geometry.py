"""Fits, crops and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine.geometry import (
    Roi,
    crop_of,
    fit_similarity,
    five_points,
    invert,
    join,
    move_landmarks,
    move_points,
    next_face_roi,
    scale_of,
)
from lendface.engine.mesh.topology import POINTS, Topology

PLACES = [Roi(50, 40, 100, 0.0), Roi(-20, 700, 33, 1.2), Roi(320.5, 180.25, 256, -3.0)]


@pytest.mark.parametrize("roi", PLACES)
def test_there_and_back_is_where_one_was(roi: Roi) -> None:
    crop_to_frame = crop_of(roi, 128)
    points = np.random.default_rng(1).uniform(0, 127, (20, 2)).astype(np.float32)
    there = move_points(points, crop_to_frame)
    np.testing.assert_allclose(move_points(there, invert(crop_to_frame)), points, atol=2e-3)
    np.testing.assert_allclose(
        join(crop_to_frame, invert(crop_to_frame)), [[1, 0, 0], [0, 1, 0]], atol=2e-3
    )


@pytest.mark.parametrize("roi", PLACES)
def test_the_corners_of_a_crop_are_those_of_its_square(roi: Roi) -> None:
    edges = np.float32([[-0.5, -0.5], [127.5, -0.5], [127.5, 127.5], [-0.5, 127.5]])
    corners = move_points(edges, crop_of(roi, 128))
    np.testing.assert_allclose(corners.mean(0), (roi.x, roi.y), atol=1e-3)
    first = corners[1] - corners[0]
    assert np.linalg.norm(first) == pytest.approx(roi.side, rel=1e-4)
    turn = np.arctan2(first[1], first[0]) - roi.angle
    assert (turn + np.pi) % (2 * np.pi) - np.pi == pytest.approx(0, abs=1e-4)


def test_a_similarity_is_found_and_never_mirrors() -> None:
    points = np.random.default_rng(2).normal(0, 50, (9, 2)).astype(np.float32)
    known = crop_of(Roi(10, 20, 300, 0.7), 100)
    np.testing.assert_allclose(
        fit_similarity(points, move_points(points, known)), known, rtol=1e-4, atol=1e-3
    )
    mirrored = fit_similarity(points, points * np.float32([-1, 1]))
    assert np.linalg.det(mirrored[:, :2]) >= 0


def test_depth_is_scaled_as_width_is() -> None:
    matrix = crop_of(Roi(0, 0, 50, 0.3), 100)
    moved = move_landmarks(np.float32([[3, 4, 8]]), matrix)
    assert scale_of(matrix) == pytest.approx(0.5)
    assert moved[0, 2] == pytest.approx(4)


def test_the_next_crop_holds_the_face_level_with_its_margin(topology: Topology) -> None:
    face = posed(topology, rotation(roll_deg=35), 6, (200, 150, 0))
    roi = next_face_roi(face)
    assert roi.angle == pytest.approx(np.radians(35), abs=1e-3)
    own = move_points(face[:POINTS, :2], invert(crop_of(roi, 256)))
    assert np.ptp(own, axis=0).max() == pytest.approx(256 / 1.5, rel=1e-3)
    np.testing.assert_allclose((own.min(0) + own.max(0)) / 2, 127.5, atol=0.1)


def test_five_points_come_in_the_order_of_an_upright_picture(topology: Topology) -> None:
    left_eye, right_eye, nose, left_mouth, right_mouth = five_points(posed(topology))
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert left_eye[1] == pytest.approx(right_eye[1], abs=0.1)
    assert left_eye[1] < nose[1] < left_mouth[1]
