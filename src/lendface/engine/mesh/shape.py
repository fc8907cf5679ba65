"""The shape of a face without its expression, and how a target's may lean towards a source's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..geometry import eye_distance_px
from ..pose import Pose, fit_pose
from ..types import Array, Floats
from .pixelwise import smoothstep
from .raster import point_normals
from .topology import (
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS,
    LIPS_SEAM,
    OPENINGS,
    OVAL,
    POINTS,
    RIGID,
    Topology,
)

RISE_RINGS = 2  # full effect this many edges inside the outline
JAW = (-0.05, 0.35)  # eye line 0, chin 1: from where to where the outline begins to move
JAW_LIMIT = 0.12  # eye distances
LOWER = (0.3, 0.7)  # eye line 0, chin 1: from where to where a difference in height counts less ...
LOWER_KEEPS = 0.6  # ... and what is left of it: a longer chin is told no better from an open mouth
FRONTAL = (0.77, 0.94)  # cosine of the turn, 40 to 20 degrees
FACES_US = (0.10, 0.50)  # cosine to the camera of a part of a turned face
JAW_ROUNDS = 6  # of smoothing along the outline
LIP_WIDTH, EYE_WIDTH = (0.85, 1.15), (0.85, 1.15)
LIP_CORNERS = (61, 291)
LIP_WIDENS = 0.4  # of the difference in width: who has a wide mouth is taken to smile
LIP_FULLNESS = (0.8, 1.25)
# The middle of each lip, from its outer edge to where the lips meet.
LIP_MIDDLES = ((0, 13), (17, 14))
LIP_MOVE = 0.08  # eye distances; lips that are moved farther no longer open where the chin does
SMOOTHNESS = 3.0  # weight of the neighbours against a point's own shift
STIFF = 1 + SMOOTHNESS
ROUNDS = 60  # (3/4)^60 is 3e-8


def pose_of(topology: Topology, landmarks_xyz: Floats) -> Pose:
    """How a face lies in the picture, from the points that the face itself cannot move."""
    rigid = list(RIGID)
    return fit_pose(topology.vertices[rigid], landmarks_xyz[rigid])


def posed_straight(topology: Topology, faces: Iterable[Floats]) -> Floats:
    """(n, 468, 3) centimetres: faces (478, 3) as they look from the front."""
    return np.stack([pose_of(topology, face).to_canonical(face[:POINTS]) for face in faces])


def median_shape(topology: Topology, faces: Iterable[Floats]) -> Floats:
    """(468, 3) centimetres: median over faces (478, 3) of one person, posed straight."""
    return np.median(posed_straight(topology, faces), axis=0).astype(np.float32)


def bearable_share(topology: Topology, landmarks_xyz: Floats, pose: Pose) -> Floats:
    """(468, 1) 0..1: how far each point of a face may move in this view.

    In a turned face what makes its outline, the far cheek, lips and nose, must stay where it is
    seen: there the mesh is folded and a guess. Lips and eyes move as bodies.
    """
    frontal = float(smoothstep(pose.rotation[2, 2], *FRONTAL))
    share = np.ones((POINTS, 1), np.float32)
    if frontal >= 1:
        return share
    _, facing = point_normals(landmarks_xyz[:POINTS], topology.triangles)
    share[:, 0] = frontal + (1 - frontal) * smoothstep(facing, *FACES_US)
    for body in (LIPS, EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT):
        share[list(body)] = share[list(body)].mean()
    return share


def eye_openings(landmarks_xyz: Floats) -> tuple[float, float]:
    """Height over width of the image-left and the image-right eye; about 0.3 open, 0 closed."""
    left, right = (
        float(
            np.mean([np.linalg.norm(points[k] - points[-k]) for k in range(3, 6)])
            / max(float(np.linalg.norm(points[0] - points[8])), 1e-6)
        )
        for points in (landmarks_xyz[list(ring)] for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT))
    )
    return left, right


@dataclass(frozen=True, eq=False)
class ShapeShift:
    """Turns the difference of two shapes into one that carries identity but no expression."""

    topology: Topology

    def between(self, target_shape: Floats, source_shape: Floats) -> Floats:
        """(468, 3) centimetres to add to the target; 0 on the upper outline.

        The lips move as one body that is made wider, and each of them as full as the source's, from
        where they meet outwards; each eye moves as one that is also tilted. So no opening changes
        and the gaze stays; all else follows smoothly. Jaw and cheeks take their shift along the
        outline, across the view alone and not far. A film that shows somebody talking, or a photo
        of a laugh, has its jaw down in the median, too, so of a difference in height the lower face
        takes a part only.
        """
        wanted = source_shape - target_shape
        fixed = self._without_expression(wanted, target_shape, source_shape)
        shift = self._smoothed(fixed)
        shift[_RING] = self._outline(shift[_RING], target_shape)
        shift[:, 1] *= self._upright
        return (shift * self._rise[:, None]).astype(np.float32)

    def _outline(self, shift: Floats, target: Floats) -> Floats:
        """(36, 3) the outline's shift, smoothed along it and held short."""
        shift = shift * np.float32([1, 1, 0])
        for _ in range(JAW_ROUNDS):
            shift = (np.roll(shift, 1, 0) + 2 * shift + np.roll(shift, -1, 0)) / 4
        return held_short(shift, JAW_LIMIT * eye_distance_px(target))  # the shape is in centimetres

    def _smoothed(self, fixed: Floats) -> Floats:
        """Each free point between its own shift and the mean of its neighbours' shifts.

        Jacobi's iteration and not a dense solver: BLAS runs that on several threads that wait
        for each other in a loop, which on a busy machine took minutes instead of milliseconds.
        """
        neighbours, share = self._around
        smooth = fixed
        for _ in range(ROUNDS):
            mean = (smooth[neighbours] * share[..., None]).sum(1)
            smooth = np.where(self._hard[:, None], fixed, (fixed + SMOOTHNESS * mean) / STIFF)
        return smooth

    def _without_expression(self, wanted: Floats, target: Floats, source: Floats) -> Floats:
        shift = wanted.copy()
        lips = list(LIPS)
        scale = np.clip(_span(source, LIP_CORNERS)[0] / _span(target, LIP_CORNERS)[0], *LIP_WIDTH)
        shift[lips] = held_short(wanted[lips].mean(0), LIP_MOVE * eye_distance_px(target))
        shift[lips, 0] += LIP_WIDENS * (scale - 1) * (target[lips, 0] - target[lips, 0].mean())
        shift[lips, 1] += _fuller(target, source)
        for ring in (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT):
            eye, corners = list(ring), (ring[0], ring[8])
            (wide, rise), (own_wide, own_rise) = (
                _span(shape, corners) for shape in (source, target)
            )
            along = target[eye, 0] - target[eye, 0].mean()
            shift[eye] = wanted[eye].mean(0)
            shift[eye, 0] += (np.clip(wide / own_wide, *EYE_WIDTH) - 1) * along
            shift[eye, 1] += (rise / wide - own_rise / own_wide) * along
        return shift

    @cached_property
    def _hard(self) -> Array:
        hard = np.zeros(POINTS, bool)
        hard[list(OPENINGS)] = True
        return hard

    @cached_property
    def _around(self) -> tuple[Array, Floats]:
        """(468, k) neighbours of each point, padded with the point itself, and their shares."""
        near = [np.flatnonzero(row) for row in self.topology.neighbours]
        width = max(len(row) for row in near)
        neighbours = np.arange(POINTS)[:, None].repeat(width, 1)
        share = np.zeros((POINTS, width), np.float32)
        for point, row in enumerate(near):
            neighbours[point, : len(row)] = row
            share[point, : len(row)] = 1 / len(row)
        return neighbours, share

    @cached_property
    def _rise(self) -> Floats:
        edge = smoothstep(self.topology.heights, *JAW)
        return edge + (1 - edge) * smoothstep(self.topology.rings_from_oval, 0, RISE_RINGS)

    @cached_property
    def _upright(self) -> Floats:
        """(468,) how much of a difference in height each point takes."""
        share = 1 - (1 - LOWER_KEEPS) * smoothstep(self.topology.heights, *LOWER)
        share[list(LIPS)] = share[list(LIPS)].mean()  # they move as a body
        return share


def held_short(shift: Floats, most: float) -> Floats:
    """Shifts (..., 3) of the same way, none of them longer than ``most``."""
    length = np.linalg.norm(shift, axis=-1, keepdims=True)
    return shift * most * np.tanh(length / most) / np.maximum(length, 1e-6)


def _fuller(target: Floats, source: Floats) -> Floats:
    """(lips,) centimetres down that make each lip of ``target`` as full as that of ``source``."""
    unit, own_unit = eye_distance_px(source), eye_distance_px(target)
    across, down = target[list(LIPS), 0], target[list(LIPS), 1]
    moved = np.zeros(len(LIPS), np.float32)
    for middle, seam, sign in zip(LIP_MIDDLES, LIPS_SEAM, (-1, 1), strict=True):
        full, own = (float(abs(np.diff(shape[list(middle), 1])[0])) for shape in (source, target))
        ratio = np.clip((full / unit) / max(own / own_unit, 1e-6), *LIP_FULLNESS)
        line = target[sorted(seam, key=lambda point: float(target[point, 0]))]
        off = down - np.interp(across, line[:, 0], line[:, 1])
        moved += np.where(sign * off > 0, (ratio - 1) * off, 0)
    return moved


def _span(shape: Floats, corners: tuple[int, int]) -> tuple[float, float]:
    """How wide something is from corner to corner, and how much higher it ends, in its units."""
    across = shape[corners[1]] - shape[corners[0]]
    sign = 1 if across[0] >= 0 else -1
    return max(float(abs(across[0])), 1e-6), sign * float(across[1])


_RING = list(OVAL)
