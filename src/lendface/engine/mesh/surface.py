"""The texture square: where each texel lies on the mesh, worked out once per size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..types import Array, Floats
from .raster import fit_affines, map_pixels, paint_ids
from .topology import (
    BROW_IMAGE_LEFT,
    BROW_IMAGE_RIGHT,
    EYE_IMAGE_LEFT,
    EYE_IMAGE_RIGHT,
    LIPS_INNER,
    LIPS_OUTER,
    NOSTRILS,
    OVAL,
    Topology,
)

EYE_DISTANCE_UV = 0.30  # between the eye centres of the canonical mesh, in texture units


SMALL_DISC = 14  # texels; a larger one is found faster by distances


@dataclass(frozen=True, eq=False)
class Surface:
    """A texture of ``size`` x ``size`` texels over the canonical mesh."""

    topology: Topology
    size: int

    @cached_property
    def ids(self) -> Array:
        """(size, size) int32: the triangle of each texel, -1 outside the face."""
        every = np.arange(len(self.topology.triangles))
        side = (self.size, self.size)
        return paint_ids(self._uv_px, self.topology.triangles, every, side)

    @cached_property
    def is_face(self) -> Array:
        return self.ids >= 0

    def spread(self, values: Floats) -> Floats:
        """(size, size, k): values given per point (468, k), carried over the triangles."""
        affines = fit_affines(self._uv_px, values, self.topology.triangles)
        return map_pixels(self.ids, affines)

    def polygon(self, ring: tuple[int, ...]) -> Array:
        """(size, size) bool: the inside of a closed ring of points."""
        mask = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(mask, [np.rint(self._uv_px[list(ring)]).astype(np.int32)], 1)
        return mask.astype(bool)

    def hull(self, points: tuple[int, ...]) -> Array:
        """(size, size) bool: the convex hull of some points."""
        mask = np.zeros((self.size, self.size), np.uint8)
        around = cv2.convexHull(np.rint(self._uv_px[list(points)]).astype(np.int32))
        cv2.fillConvexPoly(mask, around, 1)
        return mask.astype(bool)

    def grown(self, mask: Array, eye_distances: float) -> Array:
        """A mask made wider, or narrower where the number is negative."""
        radius = max(1, round(abs(eye_distances) * EYE_DISTANCE_UV * self.size))
        if radius <= SMALL_DISC:
            disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
            change = cv2.dilate if eye_distances > 0 else cv2.erode
            return change(mask.astype(np.uint8), disc).astype(bool)
        is_wider = eye_distances > 0
        mask = mask.astype(bool)
        away = (~mask if is_wider else mask).astype(np.uint8)
        if away.all():  # nothing to measure the distance from
            return mask.copy()
        far = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_5) > radius
        return ~far if is_wider else far

    def sigma_px(self, eye_distances: float) -> float:
        return eye_distances * EYE_DISTANCE_UV * self.size

    def soft(self, values: Floats, eye_distances: float, weight: Floats | None = None) -> Floats:
        """Weighted Gaussian mean of (size, size) or (size, size, k), by default over the face.

        Where nothing is near it is 0: plain skin.
        """
        near = self.is_face.astype(np.float32) if weight is None else weight.astype(np.float32)
        sigma = self.sigma_px(eye_distances)
        total = wide_blur(near, sigma) + 1e-3
        if values.ndim == 3:
            near, total = near[..., None], total[..., None]
        return wide_blur(values * near, sigma) / total

    @cached_property
    def eyes(self) -> Array:
        return self.polygon(EYE_IMAGE_LEFT) | self.polygon(EYE_IMAGE_RIGHT)

    @cached_property
    def brows(self) -> Array:
        return self.hull(BROW_IMAGE_LEFT) | self.hull(BROW_IMAGE_RIGHT)

    @cached_property
    def lips(self) -> Array:
        return self.polygon(LIPS_OUTER)

    @cached_property
    def mouth(self) -> Array:
        return self.polygon(LIPS_INNER)

    @cached_property
    def features(self) -> Array:
        """Brows, eyes, nostrils and lips with their surroundings: everything that is not skin."""
        return (
            self.grown(self.brows, 0.10)
            | self.grown(self.eyes, 0.10)
            | self.grown(self.lips, 0.08)
            | self.grown(self.hull(NOSTRILS), 0.03)
        )

    @cached_property
    def skin(self) -> Array:
        """Where skin is expected: the face without its features and its outermost rim."""
        inner = self.grown(self.polygon(OVAL), -0.05)
        return inner & ~self.features

    @cached_property
    def heights(self) -> Floats:
        """(size, size) 0 at the eye line, 1 at the chin, negative on the forehead."""
        uv = self.topology.uv
        eyes = uv[[33, 133, 362, 263], 1].mean()
        rows = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size
        return np.repeat((rows[:, None] - eyes) / (uv[152, 1] - eyes), self.size, 1)

    @cached_property
    def corners(self) -> tuple[Array, Floats]:
        """For each texel its triangle's three points (size, size, 3) and their shares."""
        points = self.topology.triangles[np.maximum(self.ids, 0)]
        rows, columns = np.mgrid[: self.size, : self.size]
        at = (np.stack([columns, rows], -1) + 0.5) / self.size
        a, b, c = (self.topology.uv[points[..., k]] for k in range(3))
        area = _cross(b - a, c - a)
        second, third = _cross(at - a, c - a) / area, _cross(b - a, at - a) / area
        return points, np.stack([1 - second - third, second, third], -1).astype(np.float32)

    @cached_property
    def _uv_px(self) -> Floats:
        return self.topology.uv * self.size - 0.5


def _cross(a: Floats, b: Floats) -> Floats:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def wide_blur(values: Floats, sigma_px: float) -> Floats:
    """Gaussian of (h, w) or (h, w, k); a wide one on fewer texels, for it is smooth anyway."""
    step = 1
    while sigma_px / (2 * step) > 3:
        step *= 2
    if step == 1:
        return cv2.GaussianBlur(values, (0, 0), sigma_px)
    size = values.shape[1::-1]
    few = cv2.resize(values, (size[0] // step, size[1] // step), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(few, (0, 0), sigma_px / step), size)
