"""Faces made of numbers alone: the canonical mesh in a pose that the test chose."""

from __future__ import annotations

import numpy as np

from lendface.engine.mesh.topology import EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT, POINTS, Topology
from lendface.engine.types import Floats

IRISES = 5  # points of each


def rotation(yaw_deg: float = 0, pitch_deg: float = 0, roll_deg: float = 0) -> Floats:
    """(3, 3): first nod (up is positive), then turn (to the image's right), then tilt clockwise."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    nod = [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    turn = [[np.cos(yaw), 0, -np.sin(yaw)], [0, 1, 0], [np.sin(yaw), 0, np.cos(yaw)]]
    tilt = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    return np.float32(np.array(tilt) @ np.array(turn) @ np.array(nod))


def posed(
    topology: Topology,
    turn: Floats | None = None,
    scale: float = 10.0,
    shift_xyz: tuple[float, float, float] = (100.0, 100.0, 0.0),
) -> Floats:
    """(478, 3) landmarks; ``scale`` is pixels a centimetre, and a face is 18 centimetres high."""
    middles = [topology.vertices[list(ring)].mean(0) for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT)]
    shape = np.concatenate([topology.vertices, np.repeat(middles, IRISES, axis=0)])
    assert len(shape) == POINTS + 2 * IRISES
    turn = np.eye(3, dtype=np.float32) if turn is None else turn
    return np.float32(scale * shape @ turn.T + np.float32(shift_xyz))
