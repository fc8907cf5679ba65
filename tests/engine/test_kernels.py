"""Compiled loops do what the plain formulas beside them say."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from lendface.engine import kernels
from lendface.engine.mesh.raster import (
    facing_of,
    fit_affines,
    map_pixels,
    paint_ids,
    painted_ids,
    point_normals,
)
from lendface.engine.mesh.topology import Topology
from lendface.models import load_topology

SIDE = 160


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology()


@pytest.fixture(scope="module")
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_numba_is_imported_only_when_a_kernel_is_needed() -> None:
    code = "import sys, lendface.app, lendface.cli; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_triangles_cover_the_pixels_that_opencv_gives_them(
    topology: Topology, random: np.random.Generator
) -> None:
    for scale in (0.2, 0.9, 1.4):  # the last one goes beyond the picture on all sides
        points = (scale * (topology.uv - 0.5) + 0.5) * SIDE + random.normal(0, 1, topology.uv.shape)
        order = random.permutation(len(topology.triangles))
        plain = paint_ids(points.astype(np.float32), topology.triangles, order, (SIDE, SIDE))
        ids = painted_ids(points.astype(np.float32), topology.triangles, order, (SIDE, SIDE))
        # OpenCV cuts an edge where the picture ends, which may shift it there by a pixel.
        assert (ids == plain).mean() > (0.9999 if scale < 1 else 0.995)


def test_maps_of_triangles_are_fitted_and_spread_as_the_formula_says(
    topology: Topology, random: np.random.Generator
) -> None:
    points = (topology.uv * SIDE + random.normal(0, 1, topology.uv.shape)).astype(np.float32)
    values = random.normal(0, 1, (len(points), 2)).astype(np.float32)
    affines = np.empty((len(topology.triangles), 2, 3), np.float32)
    kernels.raster.fit(points, values, topology.triangles, affines)
    expected = fit_affines(points, values, topology.triangles)
    np.testing.assert_allclose(affines, expected, rtol=1e-3, atol=1e-3)
    every = np.arange(len(topology.triangles))
    ids = painted_ids(points, topology.triangles, every, (SIDE, SIDE))
    spread = np.empty((SIDE, SIDE, 2), np.float32)
    kernels.raster.spread(ids, np.ascontiguousarray(expected), spread)
    plain = np.where(ids[..., None] < 0, 0, map_pixels(ids, expected))
    np.testing.assert_allclose(spread, plain, rtol=1e-3, atol=1e-3)


def test_triangles_and_points_face_the_camera_as_the_formula_says(topology: Topology) -> None:
    expected = point_normals(topology.vertices, topology.triangles)
    for seen, plain in zip(facing_of(topology.vertices, topology.triangles), expected, strict=True):
        np.testing.assert_allclose(seen, plain, atol=1e-5)


def test_a_picture_moves_as_a_cubic_remap_moves_it(random: np.random.Generator) -> None:
    height, width = 90, 120
    picture = random.uniform(0, 255, (height, width, 3)).astype(np.float32)
    way = cv2.GaussianBlur(random.normal(0, 40, (height, width, 2)), (0, 0), 6).astype(np.float32)
    way[:, :20] = 0
    is_face = np.zeros((40, 50), bool)
    is_face[5:-5, 5:-5] = True
    moved, changed = np.empty_like(picture), np.empty((height, width), np.float32)
    kernels.warp.move(picture, way, is_face, 10, 2, np.float32(12), moved, changed)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    places = np.dstack([xs - way[..., 0], ys - way[..., 1]])
    plain = cv2.remap(picture, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    length = np.hypot(way[..., 0], way[..., 1])
    np.testing.assert_allclose(changed, np.clip(12 * length - 0.5, 0, 1), atol=1e-4)
    goes = changed > 0
    np.testing.assert_allclose(moved[goes], plain[goes], atol=0.02)
    assert (moved[:, :20] == picture[:, :20]).all()
