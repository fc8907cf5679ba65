"""Painting triangles: which one is seen at each pixel, and where that pixel lies elsewhere."""

from __future__ import annotations

import cv2
import numpy as np

from .. import kernels
from ..types import Array, Floats

SUBPIXEL_BITS = 4
SLIVER_AREA = 2.0  # twice the area, square pixels


def paint_ids(points_xy: Floats, triangles: Array, order: Array, size_wh: tuple[int, int]) -> Array:
    """(h, w) int32: the last triangle of ``order`` that covers each pixel, -1 where none does.

    ``points_xy`` (n, 2) pixels; ``triangles`` (m, 3); ``order`` says which are painted, and the
    later one wins, so hand them over far to near.
    """
    ids = np.full(size_wh[::-1], -1, np.int32)
    corners = np.rint(points_xy[triangles] * (1 << SUBPIXEL_BITS)).astype(np.int32)
    for index in order.tolist():
        cv2.fillConvexPoly(ids, corners[index], index, cv2.LINE_8, SUBPIXEL_BITS)
    return ids


def painted_ids(
    points_xy: Floats, triangles: Array, order: Array, size_wh: tuple[int, int]
) -> Array:
    """The same as ``paint_ids``, compiled, as (h, w) int16."""
    ids = np.empty(size_wh[::-1], np.int16)
    corners = np.rint(points_xy[triangles] * (1 << SUBPIXEL_BITS)).astype(np.int32)
    kernels.raster.paint(corners, order, ids)
    return ids


def fit_affines(src_xy: Floats, dst: Floats, triangles: Array) -> Floats:
    """(m, k, 3) float32: for each triangle the affine map from ``src_xy`` to ``dst``.

    ``src_xy`` (n, 2), ``dst`` (n, k). A sliver maps everything to its middle: the pixels on its
    edge lie outside it, and following its slope there would lead far away.
    """
    src, values = src_xy[triangles].astype(np.float64), dst[triangles].astype(np.float64)
    edges, changes = src[:, 1:] - src[:, :1], values[:, 1:] - values[:, :1]
    (a, b), (c, d) = edges[:, 0].T, edges[:, 1].T
    area = a * d - b * c
    inverse = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2)
    safe = np.where(np.abs(area) < SLIVER_AREA, np.inf, area)
    slopes = np.swapaxes(inverse @ changes / safe[:, None, None], 1, 2)  # (m, k, 2)
    shifts = values.mean(1) - (slopes @ src.mean(1)[..., None])[..., 0]
    return np.concatenate([slopes, shifts[..., None]], -1).astype(np.float32)


def is_sliver(points_xy: Floats, triangles: Array) -> Array:
    """(m,) bool: triangles with hardly any area; painted first, they only close gaps."""
    edges = points_xy[triangles[:, 1:], :2] - points_xy[triangles[:, :1], :2]
    return np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]) < SLIVER_AREA


def map_pixels(ids: Array, affines: Floats) -> Floats:
    """(h, w, k) float32: each pixel's place by the affine map of its triangle, -1 where none.

    ``ids`` as of :func:`paint_ids`, ``affines`` (m, k, 3).
    """
    table = np.concatenate([affines, np.full((1, *affines.shape[1:]), 0, np.float32)])
    table[-1, :, 2] = -1
    height, width = ids.shape
    xs = np.arange(width, dtype=np.float32)
    ys = np.arange(height, dtype=np.float32)[:, None]
    places = np.empty((height, width, affines.shape[1]), np.float32)
    for k, (across, down, shift) in enumerate(np.moveaxis(table, 0, -1).copy()):
        value = np.take(across, ids, mode="wrap")  # -1 is the last row
        value *= xs
        value += np.take(down, ids, mode="wrap") * ys
        value += np.take(shift, ids, mode="wrap")
        places[..., k] = value
    return places


def point_normals(points_xyz: Floats, triangles: Array) -> tuple[Floats, Floats]:
    """How far triangles and points face the camera: (m,) and (n,) cosines, 1 is straight on.

    ``points_xyz`` in image axes (z away from the camera); negative means turned away.
    """
    (ax, ay, az), (bx, by, bz) = (
        (points_xyz[triangles[:, k]] - points_xyz[triangles[:, 0]]).T for k in (1, 2)
    )
    # Area-weighted; the winding is the canonical mesh's.
    normals = np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    corners, count = triangles.T.ravel(), len(points_xyz)
    points = np.stack([np.bincount(corners, np.tile(each, 3), count) for each in normals])
    return -_unit(normals)[2], -_unit(points)[2].astype(points_xyz.dtype)


def facing_of(points_xyz: Floats, triangles: Array) -> tuple[Floats, Floats]:
    """The same as ``point_normals``, compiled."""
    of_triangles = np.empty(len(triangles), np.float32)
    of_points = np.empty(len(points_xyz), np.float32)
    points = np.ascontiguousarray(points_xyz, np.float32)
    kernels.raster.face_camera(points, triangles, of_triangles, of_points)
    return of_triangles, of_points


def _unit(vectors: Floats) -> Floats:
    """(3, n)"""
    return vectors / np.maximum(np.sqrt((vectors * vectors).sum(0)), 1e-9)
