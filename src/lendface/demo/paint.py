"""One frame of the puppet: its skin, what shows between lids and lips, light and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from lendface.engine.mesh.raster import fit_affines, is_sliver, map_pixels, paint_ids
from lendface.engine.mesh.topology import OVAL, POINTS
from lendface.engine.types import Array, Floats, Pixels

from .openings import Eye, Mouth
from .rig import Posed, Rig
from .script import Moves, Script

FINER = 2  # triangles are painted on a grid this much finer: those of the lips are small
LIGHT_CELL_PX = 8
LIGHT_SIGMA_CELLS = 2.0
LIGHT_ROUNDS = 8  # of smoothing over the mesh: a face model has hard edges beside the nose
LIGHT_WRAP = 0.5  # a large lamp reaches round the edge
LIGHT_MEAN = 0.6  # share of its light that leaves the portrait's own brightness
WARMTH = np.float32([0.06, 0.0, -0.09])  # log, at the warmest, of a light of 1
FOLD_PX = 7.0  # of the portrait, between neighbours in the frame
NOISE_MARGIN_PX = 64


@dataclass(frozen=True, eq=False)
class Painter:
    """Paints frames of a portrait (H, W, 3) RGB; ``frame_wh`` is how large they are."""

    rig: Rig
    pixels: Pixels
    script: Script
    frame_wh: tuple[int, int]

    def paint(self, posed: Posed, moves: Moves, index: int) -> Pixels:
        """(h, w, 3) RGB. ``index`` only chooses the noise."""
        at = self.to_frame(posed.points_xyz[:, :2])
        fine_ids = self._paint_ids(at, posed.points_xyz)
        light = self._light_of_points(posed.points_xyz, moves)
        places = self._look_up(fine_ids, at, posed, light)
        for eye in self._eyes:
            eye.glance(places, at, moves.gaze)
        picture = cv2.remap(
            self.pixels,
            np.ascontiguousarray(places[..., :2]),
            None,
            cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        ).astype(np.float32)
        _soften_folds(picture, places)
        self._mouth.paint(picture, fine_ids, at, posed.resting_xy)
        for eye in self._eyes:
            eye.paint_lashes(picture, at, moves.closed, self._scale)
        picture *= self._light_of_pixels(places[..., 2], moves.warmth)
        picture += self._noise(index)
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

    def to_frame(self, points: Floats) -> Floats:
        """Points (n, 2) or (n, 3) of the portrait in pixels of the frame."""
        moved = points * self._scale
        moved[:, :2] += (self._scale - 1) / 2  # (0, 0) is the centre of a pixel in both
        return moved.astype(np.float32)

    @property
    def _scale(self) -> float:
        return self.frame_wh[0] / self.pixels.shape[1]

    # Which triangle is seen where

    def _paint_ids(self, at: Floats, points_xyz: Floats) -> Array:
        """(FINER h, FINER w) the triangle of the rig that each fine pixel shows."""
        triangles, face = self.rig.triangles, slice(self.rig.face_from, None)
        fine = (at + 0.5) * FINER - 0.5
        ahead = _areas(fine, triangles) < 0  # as the canonical mesh winds, seen from the front
        depth = points_xyz[triangles[face], 2].mean(1)
        depth[is_sliver(fine, triangles[face])] = np.inf
        order = np.concatenate(
            [np.arange(self.rig.face_from), self.rig.face_from + np.argsort(-depth)]
        )
        size = (self.frame_wh[0] * FINER, self.frame_wh[1] * FINER)
        return paint_ids(fine, triangles, order[ahead[order]], size)

    def _look_up(self, fine_ids: Array, at: Floats, posed: Posed, light: Floats) -> Floats:
        """(h, w, 3): x and y in the portrait, and the light, for each pixel of the frame."""
        triangles = self.rig.triangles
        fine = (at + 0.5) * FINER - 0.5
        skin = np.column_stack([self.rig.points_xyz[:, :2], light])
        affines = fit_affines(fine, skin, triangles)
        # An eyeball does not follow the lids that slide over it.
        behind = np.column_stack([posed.resting_xy, light])
        affines[self._is_opening] = fit_affines(fine, behind, triangles[self._is_opening])
        affines[..., 2] += affines[..., :2].sum(-1) * (FINER - 1) / 2
        affines[..., :2] *= FINER
        middle = slice(FINER // 2, None, FINER)
        return map_pixels(fine_ids[middle, middle], affines)

    @cached_property
    def _is_opening(self) -> Array:
        topology = self.rig.topology
        none = np.zeros(self.rig.face_from, bool)
        return np.concatenate([none, topology.eye_triangles | topology.mouth_triangles])

    @cached_property
    def _eyes(self) -> tuple[Eye, Eye]:
        return Eye.pair(self.rig.landmarks_xyz, self.rig.cm)

    @cached_property
    def _mouth(self) -> Mouth:
        first = self.rig.face_from
        inside = first + np.flatnonzero(self.rig.topology.mouth_triangles)
        return Mouth(self.rig.landmarks_xyz, self.rig.cm, self.pixels, inside, FINER)

    # Light and noise

    def _light_of_points(self, points_xyz: Floats, moves: Moves) -> Floats:
        """(n,) log brightness that the wandering light adds at each point."""
        cosines = self._smooth @ _normals(points_xyz[:POINTS], self.rig.topology.triangles)
        cosines /= np.maximum(np.linalg.norm(cosines, axis=1, keepdims=True), 1e-9)
        wrapped = (cosines @ np.float32(moves.light_from) + LIGHT_WRAP) / (1 + LIGHT_WRAP)
        face = np.maximum(wrapped, 0) - LIGHT_MEAN
        outline = face[list(OVAL)][self.rig.outline_spokes]
        around = face.mean() + self.rig.inherits * (outline - face.mean())
        return self.script.light * np.concatenate([face, around]) * self.rig.lit

    @cached_property
    def _smooth(self) -> Floats:
        """(468, 468): each point's mean over its neighbourhood."""
        near = self.rig.topology.neighbours + np.eye(POINTS)
        return np.linalg.matrix_power(near / near.sum(1, keepdims=True), LIGHT_ROUNDS)

    def _light_of_pixels(self, light: Floats, warmth: float) -> Floats:
        """(h, w, 3) factors."""
        width, height = self.frame_wh
        size = (max(1, width // LIGHT_CELL_PX), max(1, height // LIGHT_CELL_PX))
        small = cv2.resize(light, size, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), LIGHT_SIGMA_CELLS)
        factors = np.exp(small[..., None] + self.script.light * warmth * WARMTH).astype(np.float32)
        return cv2.resize(factors, (width, height), interpolation=cv2.INTER_LINEAR)

    def _noise(self, index: int) -> Floats:
        """(h, w, 3): a window of one field of noise, elsewhere in each frame."""
        dice = np.random.default_rng([self.script.seed, 99, index])
        x, y = dice.integers(0, NOISE_MARGIN_PX, 2)
        width, height = self.frame_wh
        return self._noise_field[y : y + height, x : x + width]

    @cached_property
    def _noise_field(self) -> Floats:
        width, height = (side + NOISE_MARGIN_PX for side in self.frame_wh)
        dice = np.random.default_rng([self.script.seed, 98])
        grain = dice.standard_normal((height, width, 3), np.float32)
        grain = cv2.GaussianBlur(grain, (0, 0), 0.6)  # as a camera's own processing leaves it
        return grain * (self.script.noise / grain.std())


def _soften_folds(picture: Floats, places: Floats) -> None:
    """Smooth, in place, the steps where one part of the head hides another."""
    jumps = np.zeros(places.shape[:2], bool)
    for plane in (places[..., 0], places[..., 1]):
        down = np.abs(plane[1:] - plane[:-1]) > FOLD_PX
        across = np.abs(plane[:, 1:] - plane[:, :-1]) > FOLD_PX
        jumps[1:] |= down
        jumps[:-1] |= down
        jumps[:, 1:] |= across
        jumps[:, :-1] |= across
    soft = np.minimum(1, 1.3 * cv2.GaussianBlur(jumps.astype(np.float32), (0, 0), 0.7))
    picture += soft[..., None] * (cv2.GaussianBlur(picture, (0, 0), 0.9) - picture)


def _areas(points_xy: Floats, triangles: Array) -> Floats:
    """(m,) twice the area; the sign says which way round a triangle is seen."""
    a, b, c = (points_xy[triangles[:, k]] for k in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return ux * vy - uy * vx


def _normals(points_xyz: Floats, triangles: Array) -> Floats:
    """(n, 3) unit vectors out of the face, image axes."""
    a, b, c = (points_xyz[triangles[:, k]] for k in range(3))
    each = np.cross(b - a, c - a)
    normals = np.zeros_like(points_xyz)
    for k in range(3):
        np.add.at(normals, triangles[:, k], each)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
