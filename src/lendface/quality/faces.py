"""How a face sits in the picture: gaze, head pose and landmarks, output against target."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lendface.engine.geometry import EYE_CORNERS, FACE_POINTS, eye_distance_px
from lendface.engine.mesh.shape import eye_openings
from lendface.engine.mesh.topology import POINTS
from lendface.engine.pose import Pose
from lendface.engine.types import Floats

IRISES = (468, 473)  # middles, of the image-left and the image-right eye
OPEN_EYE = 0.15  # lid opening over eye width; below it the iris is a guess
SEEN_EYE = 0.6  # of the other eye's width; a narrower one is turned away
BROW_TOP, CHIN = 10, 152


def gaze_error(target_xyz: Floats, output_xyz: Floats) -> float | None:
    """How far the irises moved within their eyes, in eye widths; landmarks are (478, 3).

    An iris's place is told in the eye's own axes, from corner to corner and across, so that a
    moved or turned head leaves it the same. The mean over the eyes that are open and not turned
    away in the target; None where there is none.
    """
    seen = _eyes_to_judge(target_xyz)
    if not seen:
        return None
    errors = [np.linalg.norm(_gaze(output_xyz, eye) - _gaze(target_xyz, eye)) for eye in seen]
    return float(np.mean(errors))


def _eyes_to_judge(landmarks_xyz: Floats) -> list[int]:
    widths = [_width(landmarks_xyz, corners) for corners in EYE_CORNERS]
    openings = eye_openings(landmarks_xyz)
    return [
        eye
        for eye in range(2)
        if openings[eye] >= OPEN_EYE and widths[eye] >= SEEN_EYE * max(widths)
    ]


def _width(landmarks_xyz: Floats, corners: Sequence[int]) -> float:
    first, last = landmarks_xyz[list(corners), :2]
    return float(np.linalg.norm(last - first))


def _gaze(landmarks_xyz: Floats, eye: int) -> Floats:
    """(2,) the iris along and across the line of the eye's corners, in eye widths."""
    first, last = landmarks_xyz[list(EYE_CORNERS[eye]), :2]
    along = last - first
    place = (landmarks_xyz[IRISES[eye], :2] - first) / max(float(along @ along), 1e-6)
    return np.float32([place @ along, place @ np.float32([-along[1], along[0]])])


def rotation_between(target: Pose, output: Pose) -> Floats:
    """(3, 3) the rotation that takes the target's head to the output's, in the picture's axes."""
    return output.rotation.astype(np.float64) @ target.rotation.T


def angle_deg(rotation: Floats) -> float:
    """How far a rotation (3, 3) turns, degrees 0..180.

    Huynh, "Metrics for 3D rotations: comparison and analysis", 2009, the sixth.
    """
    return math.degrees(math.acos(float(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))


def mean_rotation(rotations: Sequence[Floats]) -> Floats:
    """(3, 3) the rotation that is nearest to all of them in the mean square of their entries.

    Hartley, Trumpf, Dai and Li, "Rotation averaging", 2013, the chordal mean.
    """
    u, _, vt = np.linalg.svd(np.sum(rotations, axis=0))
    return u * [1, 1, np.sign(np.linalg.det(u @ vt))] @ vt


def pose_errors_deg(rotations: Sequence[Floats]) -> tuple[list[float], float]:
    """Head pose error in each frame of one person, and the constant that was taken out of it.

    ``rotations`` (3, 3) each take the target's head to the output's. The net tells pose from
    depth, and depth from the looks of a face: another beard or nose reads a few degrees up or
    down, in each frame the same, though every landmark stays (a plain paste of the source's
    photo shows it too). So the mean rotation over the film is taken out as the new identity's,
    and told beside.
    """
    constant = mean_rotation(rotations)
    return [angle_deg(rotation @ constant.T) for rotation in rotations], angle_deg(constant)


def turn_deg(pose: Pose) -> float:
    """The angle between the way a face looks and the camera, degrees 0..180; tilt is no turn."""
    return math.degrees(math.acos(float(np.clip(pose.rotation[2, 2], -1, 1))))


def landmark_error(target_xyz: Floats, output_xyz: Floats) -> float:
    """Mean distance of the face's landmarks in the picture, in the target's eye distances."""
    apart = np.linalg.norm(output_xyz[:FACE_POINTS, :2] - target_xyz[:FACE_POINTS, :2], axis=1)
    return float(apart.mean()) / max(eye_distance_px(target_xyz), 1e-6)


def face_height_px(landmarks_xyz: Floats) -> float:
    """Hair line to chin in the picture, whatever the head's tilt."""
    points_xy = landmarks_xyz[:POINTS, :2]
    return float(np.linalg.norm(points_xy[BROW_TOP] - points_xy[CHIN]))
