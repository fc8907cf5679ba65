"""A portrait as a puppet: its face mesh, and rings of points around it out to the picture's edge.

All in pixels of the portrait; one centimetre is what the canonical mesh says it is. The face is
a true solid and turns as one. Around it the head is taken for a ball whose outline stays while
what lies on it turns, the neck for an upright tube, and the picture's edge stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from lendface.engine.mesh.pixelwise import smoothstep
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import OVAL, POINTS, Topology
from lendface.engine.pose import Pose
from lendface.engine.types import Array, Floats, Pixels

from .expression import Expression, build_expression
from .script import Moves

RINGS = (0.07, 0.22, 0.45, 0.72, 1.0)  # from the face's outline (0) to that of the head (1)
OUTER = (0.3, 0.65, 1.0)  # from the head's outline (0) to the edge of the picture (1)
SPOKES = len(OVAL)
AXIS_CM = (0.0, 3.0, 3.6)  # where the skull sits on the spine, canonical mesh, image axes
FLAT_FROM_CM, FLATTER = -1.5, 0.25
OUTLINE_TURNS = 0.5
NECK_RADIUS_CM = 6.0
NECK_LENGTH_CM = 9.5  # below the chin; there the shoulders begin, and they do not turn
NECK_FOLLOWS = 0.75
HEAD_OUTSIDE_CM = 3.0  # hair beyond the face's outline where the portrait does not show it
LARGEST_HEAD = 0.9  # of the way to the picture's edge
FOREIGN = 22.0  # from the plain background, 0..255
GAP_CM = 1.2  # so much background ends the head


@dataclass(frozen=True, eq=False)
class Posed:
    """The puppet at one moment."""

    points_xyz: Floats  # (n, 3) in the picture
    resting_xy: Floats  # (n, 2) in the portrait, with the expression but without the turn: where
    # eyeballs and teeth, which do not follow lids and lips, are looked up
    landmarks_xyz: Floats  # (478, 3)


@dataclass(frozen=True, eq=False)
class Rig:
    """``points_xyz`` (n, 3): first the 468 of the mesh, then the rings, from the face outwards."""

    topology: Topology
    landmarks_xyz: Floats  # (478, 3) of the portrait
    points_xyz: Floats
    triangles: Array  # (m, 3); those of the face come last
    turns: Floats  # (n,) 0..1 how far a point follows turn and nod
    rides: Floats  # (n,) 0..1 how far it follows tilt and drift
    breathes: Floats  # (n,) 0..1
    lit: Floats  # (n,) 0..1 how much of the wandering light it takes
    inherits: Floats  # (n - 468,) 0..1 how much of the outline's expression a ring point takes
    expression: Expression
    cm: float  # pixels
    axis_xyz: Floats  # (3,) what the head turns about

    @property
    def face_from(self) -> int:
        """The first triangle of the face; those before it lie around it."""
        return len(self.triangles) - len(self.topology.triangles)

    def posed(self, moves: Moves) -> Posed:
        """Every point at one moment of the script."""
        resting = self._expressed(moves)
        irises = self.landmarks_xyz[POINTS:] + self.expression.iris_shift(moves)
        points = self._turned(resting, moves, self.turns, self.rides)
        points[:, 1] -= 0.05 * self.cm * moves.breath * self.breathes
        whole = np.ones(len(irises), np.float32)
        landmarks = np.concatenate([points[:POINTS], self._turned(irises, moves, whole, whole)])
        return Posed(points, resting[:, :2].astype(np.float32), landmarks)

    def _expressed(self, moves: Moves) -> Floats:
        shift = self.expression.shift(moves)
        around = np.tile(shift[list(OVAL)], (len(self.inherits) // SPOKES, 1))
        moved = self.points_xyz.copy()
        moved[:POINTS] += shift
        moved[POINTS:] += around * self.inherits[:, None]
        return moved

    def _turned(self, points: Floats, moves: Moves, turns: Floats, rides: Floats) -> Floats:
        yaw, pitch, roll = np.radians([moves.yaw_deg, moves.pitch_deg, moves.roll_deg])
        own = points - self.axis_xyz
        own += turns[:, None] * (own @ _turn(yaw).T @ _nod(pitch).T - own)
        drift = np.float32([*moves.drift_cm, 0]) * self.cm
        own += rides[:, None] * (own @ _tilt(roll).T + drift - own)
        return (own + self.axis_xyz).astype(np.float32)

    @cached_property
    def outline_spokes(self) -> Array:
        """(n - 468,) for each ring point the place of its spoke in ``OVAL``."""
        return np.tile(np.arange(SPOKES), len(self.inherits) // SPOKES)


def build_rig(pixels: Pixels, landmarks_xyz: Floats, topology: Topology) -> Rig:
    """The puppet of a portrait (H, W, 3) RGB, with its landmarks (478, 3)."""
    pose = pose_of(topology, landmarks_xyz)
    landmarks_xyz = _flattened(landmarks_xyz, pose)
    cm, axis = pose.scale, pose.scale * pose.rotation @ np.float32(AXIS_CM) + pose.shift
    outline = landmarks_xyz[list(OVAL)]
    around = _Around(outline, landmarks_xyz[:POINTS].mean(0), cm, axis, pixels)
    face = np.ones(POINTS, np.float32)
    rings = around.points_xyz.reshape(-1, 3)
    return Rig(
        topology=topology,
        landmarks_xyz=landmarks_xyz,
        points_xyz=np.concatenate([landmarks_xyz[:POINTS], rings]).astype(np.float32),
        triangles=np.concatenate([_strips(len(rings) // SPOKES), topology.triangles]),
        turns=np.concatenate([face, around.turns.ravel()]),
        rides=np.concatenate([face, around.rides.ravel()]),
        breathes=np.concatenate([0 * face, around.breathes.ravel()]),
        lit=np.concatenate([face, around.lit.ravel()]),
        inherits=around.inherits.ravel(),
        expression=build_expression(topology, landmarks_xyz, cm),
        cm=cm,
        axis_xyz=axis.astype(np.float32),
    )


def _flattened(landmarks_xyz: Floats, pose: Pose) -> Floats:
    """The sides of the face a little less steep: a turn stretches the few pixels they have."""
    depth = landmarks_xyz[:, 2] / pose.scale - pose.shift[2] / pose.scale
    beyond = np.maximum(depth - FLAT_FROM_CM, 0)
    flat = landmarks_xyz.copy()
    flat[:, 2] -= pose.scale * FLATTER * beyond
    return flat


@dataclass(frozen=True, eq=False)
class _Around:
    """The rings, (rings, spokes, ...), from the face outwards."""

    outline_xyz: Floats  # (spokes, 3)
    middle_xyz: Floats
    cm: float
    axis_xyz: Floats
    pixels: Pixels

    @cached_property
    def points_xyz(self) -> Floats:
        own = self.outline_xyz[:, :2] + self._to_head[..., None] * self._directions
        depth = np.where(self._is_head, self._head_depth, self.axis_xyz[2])
        depth += self._neck * (self._neck_depth(own[..., 0]) - depth)
        return np.concatenate([own, depth[..., None]], -1)

    @cached_property
    def turns(self) -> Floats:
        beyond = 1 - smoothstep(self._outer_shares, 0.0, 1.0)
        head = (1 - (1 - OUTLINE_TURNS) * self._shares**2) * beyond
        neck = NECK_FOLLOWS * self._neck_share * self._within_neck
        return (head + self._neck * (neck - head)).astype(np.float32)

    @cached_property
    def rides(self) -> Floats:
        edge = 1 - smoothstep(self._outer_shares, 0.0, 1.0)
        below = self._neck_share * (1 - smoothstep(self._outer_shares, 0.6, 1.0))
        return (edge * (1 - self._neck) + below * self._neck).astype(np.float32)

    @cached_property
    def breathes(self) -> Floats:
        """The shoulders, but not the edge of the picture."""
        below = 1 - self._neck_share
        return (self._neck * below * (self._outer_shares < 1)).astype(np.float32)

    @cached_property
    def lit(self) -> Floats:
        return (0.25 + 0.6 * (1 - smoothstep(self._outer_shares, 0, 0.5))).astype(np.float32)

    @cached_property
    def inherits(self) -> Floats:
        return (np.clip(1 - self._shares, 0, 1) ** 3).astype(np.float32)

    # Where the rings lie

    @cached_property
    def _directions(self) -> Floats:
        ways = self.outline_xyz[:, :2] - self.middle_xyz[:2]
        return ways / np.linalg.norm(ways, axis=1, keepdims=True)

    @cached_property
    def _neck(self) -> Floats:
        """(spokes,) 0 where hair lies outside the face, 1 where the neck does."""
        down = (self.outline_xyz[:, 1] - self.middle_xyz[1]) / np.ptp(self.outline_xyz[:, 1])
        return smoothstep(down, 0.12, 0.34)

    @cached_property
    def _to_edge(self) -> Floats:
        """(spokes,) pixels from the outline of the face to the edge of the picture."""
        size = np.float32(self.pixels.shape[1::-1]) - 1
        starts, ways = self.outline_xyz[:, :2], self._directions
        ahead = np.where(ways > 0, size - starts, starts)
        return (ahead / np.maximum(np.abs(ways), 1e-6)).min(1).astype(np.float32)

    @cached_property
    def _head(self) -> Floats:
        """(spokes,) pixels from the outline of the face to that of the head or into the neck."""
        seen = find_outline(self.pixels, self.outline_xyz[:, :2], self._directions, self.cm)
        seen = np.where(np.isfinite(seen), seen, HEAD_OUTSIDE_CM * self.cm)
        reach = seen + self._neck * (NECK_LENGTH_CM * self.cm - seen)
        return np.minimum(_rounded(reach), LARGEST_HEAD * self._to_edge)

    @cached_property
    def _to_head(self) -> Floats:
        """(rings, spokes) pixels from the outline of the face to each point."""
        inner = np.float32(RINGS)[:, None] * self._head
        outer = self._head + np.float32(OUTER)[:, None] * (self._to_edge - self._head)
        beyond = self._to_edge + np.hypot(*self.pixels.shape[:2])  # past the corners
        return np.concatenate([inner, outer, beyond[None]])

    @cached_property
    def _shares(self) -> Floats:
        """(rings, spokes) 0 at the outline of the face, 1 at that of the head and beyond."""
        return np.clip(self._to_head / self._head, 0, 1)

    @cached_property
    def _outer_shares(self) -> Floats:
        """(rings, spokes) 0 at the outline of the head, 1 at the edge and beyond."""
        return np.clip((self._to_head - self._head) / (self._to_edge - self._head), 0, 1)

    @cached_property
    def _is_head(self) -> Array:
        return self._to_head <= self._head * 1.0001

    # How deep they lie

    @cached_property
    def _head_depth(self) -> Floats:
        bulge = np.sqrt(np.clip(1 - self._shares**2, 0, 1))
        return self.axis_xyz[2] + (self.outline_xyz[:, 2] - self.axis_xyz[2]) * bulge

    def _neck_depth(self, x_px: Floats) -> Floats:
        across = np.clip((x_px - self.axis_xyz[0]) / (NECK_RADIUS_CM * self.cm), -1, 1)
        return self.axis_xyz[2] - NECK_RADIUS_CM * self.cm * np.sqrt(1 - across**2)

    @cached_property
    def _neck_share(self) -> Floats:
        """(rings, spokes) 1 at the chin's height and above, 0 where the shoulders begin."""
        chin = self.outline_xyz[:, 1].max()
        below = (self.points_xyz[..., 1] - chin) / (NECK_LENGTH_CM * self.cm)
        return 1 - smoothstep(below, -0.1, 1.0)

    @cached_property
    def _within_neck(self) -> Floats:
        away = np.abs(self.points_xyz[..., 0] - self.axis_xyz[0]) / (NECK_RADIUS_CM * self.cm)
        return 1 - smoothstep(away, 1.0, 1.8)


def find_outline(pixels: Pixels, starts_xy: Floats, ways: Floats, cm: float) -> Floats:
    """(n,) pixels from each start along its way to where the plain background begins.

    ``starts_xy`` and ``ways`` (n, 2); infinity where the head reaches the picture's edge or the
    background is not plain.
    """
    foreign = find_foreign(pixels)
    steps = np.arange(0, max(pixels.shape[:2]), 2, dtype=np.float32)
    at = starts_xy[:, None] + steps[:, None] * ways[:, None]
    border = cv2.BORDER_REPLICATE
    seen = cv2.remap(foreign, at.astype(np.float32), None, cv2.INTER_NEAREST, borderMode=border)
    gap = max(1, round(GAP_CM * cm / 2))
    calm = cv2.filter2D(seen, cv2.CV_32F, np.ones((1, gap), np.float32), anchor=(0, 0)) == 0
    found = np.where(calm.any(1), steps[calm.argmax(1)], np.inf)
    return found.astype(np.float32)


def find_foreign(pixels: Pixels) -> Pixels:
    """(h, w) 0 or 1: what differs from the background that the upper border shows."""
    height, width = pixels.shape[:2]
    small = cv2.GaussianBlur(pixels, (0, 0), 2).astype(np.float32)
    ys, xs = np.mgrid[:height, :width].astype(np.float32) / max(height, width)
    terms = np.stack([np.ones_like(xs), xs, ys, xs * ys, xs * xs, ys * ys], -1)
    known = np.zeros((height, width), bool)
    known[: height // 40] = known[: height // 2, : width // 40] = True
    known[: height // 2, -width // 40 :] = True
    known &= (xs * 2654.43 + ys * 8123.7) % 1 < 0.1  # a tenth of them is plenty
    fit, *_ = np.linalg.lstsq(terms[known], small[known], rcond=None)
    away = np.abs(small - terms @ fit.astype(np.float32)).max(-1)
    return (away > FOREIGN).astype(np.uint8)


def _rounded(reach: Floats) -> Floats:
    """Without spikes: single curls and ears must not pull a spoke out."""
    around = np.pad(reach, 2, mode="wrap")
    middle = np.median(np.stack([around[k : k + len(reach)] for k in range(5)]), 0)
    around = np.pad(np.maximum(middle, reach), 1, mode="wrap")
    return (around[:-2] + 2 * around[1:-1] + around[2:]) / 4


def _strips(rings: int) -> Array:
    """(m, 3) triangles between the outline and the rings, the outermost first.

    They wind as those of the mesh do.
    """
    ring_points = [np.array(OVAL)] + [POINTS + r * SPOKES + np.arange(SPOKES) for r in range(rings)]
    strips = []
    for inner, outer in zip(ring_points[-2::-1], ring_points[:0:-1], strict=True):
        next_inner, next_outer = np.roll(inner, -1), np.roll(outer, -1)
        strips.append(np.stack([inner, next_outer, outer], 1))
        strips.append(np.stack([inner, next_inner, next_outer], 1))
    return np.concatenate(strips).astype(np.int32)


def _turn(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def _nod(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, s], [0, -s, c]])


def _tilt(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
