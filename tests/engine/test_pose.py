"""Where a head is and which way it looks."""

from __future__ import annotations

import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine.mesh.shape import median_shape, pose_of
from lendface.engine.mesh.topology import POINTS, Topology
from lendface.engine.pose import fit_pose

NOSE_TIP, NOSE_BRIDGE = 1, 168


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, -20, 0), (0, 0, 170), (-45, 15, 60)])
def test_a_known_pose_is_found_again(
    topology: Topology, angles: tuple[float, float, float]
) -> None:
    turn = rotation(*angles)
    pose = fit_pose(topology.vertices, posed(topology, turn, 7.5, (40, 300, -9))[:POINTS])
    assert pose.scale == pytest.approx(7.5, rel=1e-5)
    np.testing.assert_allclose(pose.rotation, turn, atol=1e-5)
    np.testing.assert_allclose(pose.shift, (40, 300, -9), atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_pose_never_mirrors_not_even_a_mirrored_face(topology: Topology, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 3, (POINTS, 3))
    mirrored = topology.vertices * np.float32([-1, 1, 1]) + noise
    pose = fit_pose(topology.vertices, mirrored.astype(np.float32))
    assert np.linalg.det(pose.rotation) == pytest.approx(1, abs=1e-4)


def test_three_points_in_a_plane_are_enough() -> None:
    three = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    pose = fit_pose(three, 2 * three @ rotation(20, 0, 0).T)
    assert np.linalg.det(pose.rotation) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(pose.rotation, rotation(20, 0, 0), atol=1e-5)


def test_the_signs_of_turn_nod_and_tilt(topology: Topology) -> None:
    right = posed(topology, rotation(yaw_deg=25))
    assert right[NOSE_TIP, 0] > right[NOSE_BRIDGE, 0] + 5  # the nose points to the image's right
    assert pose_of(topology, right).yaw_pitch_roll_deg == pytest.approx((25, 0, 0), abs=1e-2)
    up = posed(topology, rotation(pitch_deg=15))
    assert pose_of(topology, up).yaw_pitch_roll_deg == pytest.approx((0, 15, 0), abs=1e-2)
    tilted = posed(topology, rotation(roll_deg=30))
    assert tilted[263, 1] > tilted[33, 1] + 20  # clockwise: the image-right eye sinks
    assert pose_of(topology, tilted).yaw_pitch_roll_deg == pytest.approx((0, 0, 30), abs=1e-2)


def test_the_way_to_the_canonical_face_is_the_inverse(topology: Topology) -> None:
    face = posed(topology, rotation(-20, 10, 5), 12)
    pose = pose_of(topology, face)
    np.testing.assert_allclose(pose.to_canonical(face[:POINTS]), topology.vertices, atol=1e-3)
    moved = topology.vertices + np.float32([0.5, -1, 2])
    shift = pose.turned(np.tile(np.float32([0.5, -1, 2]), (POINTS, 1)))
    np.testing.assert_allclose(pose.to_canonical(face[:POINTS] + shift), moved, atol=1e-3)


def test_a_moving_mouth_does_not_move_the_head(topology: Topology) -> None:
    face = posed(topology, rotation(10, 5, 0))
    still = pose_of(topology, face)
    face[[13, 14, 17, 152, 61, 291]] += np.float32([0, 25, 0])
    np.testing.assert_array_equal(pose_of(topology, face).rotation, still.rotation)


def test_the_median_shape_forgets_poses_and_rare_expressions(topology: Topology) -> None:
    faces = [posed(topology, rotation(yaw, yaw / 2, 0), 8 + yaw / 10) for yaw in range(-20, 21, 5)]
    faces[0][14] += np.float32([0, 60, 0])
    np.testing.assert_allclose(median_shape(topology, faces), topology.vertices, atol=1e-3)
