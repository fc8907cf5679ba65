"""Compiled loops do what the plain formulas beside them say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface.engine import kernels
from lendface.engine.mesh.pixelwise import averaged, blurred, luma_of, smoothstep
from lendface.engine.mesh.raster import (
    facing_of,
    fit_affines,
    map_pixels,
    paint_ids,
    painted_ids,
    point_normals,
)
from lendface.engine.mesh.texture import Texture
from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Array, Floats
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


COMPILE_ONE = """
import numpy as np
from lendface.engine import kernels
from lendface.engine.kernels.compiled import cache_folder
values, shares = np.float32([[1], [2], [4]]), np.float32([[0.5, 0.25, 0.25]])
out = np.empty((1, 1), np.float32)
kernels.raster.carry(values, np.int32([[0, 1, 2]]), shares, out)
assert out[0, 0] == 2
folder = cache_folder()
print(folder if folder and any(folder.rglob("*.nbi")) else None)
"""


def where_a_kernel_is_kept(temporary: Path) -> str:
    """For a user without a home, in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    homeless = kept | {"HOME": "/nonexistent", "TMPDIR": str(temporary)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE_ONE],
        env=homeless,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_who_has_no_home_keeps_kernels_in_a_private_temporary_folder(tmp_path: Path) -> None:
    folder = Path(where_a_kernel_is_kept(tmp_path))
    own = tmp_path / f"lendface-cache-{os.getuid()}"
    assert own in folder.parents
    assert own.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_may_write_to_is_not_trusted_and_kernels_compile_without(
    tmp_path: Path,
) -> None:
    own = tmp_path / f"lendface-cache-{os.getuid()}"
    own.mkdir()
    own.chmod(0o777)
    assert where_a_kernel_is_kept(tmp_path) == "None"
    assert not any(own.iterdir())


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
    edges = 2 * (kernels.warp.BEFORE, kernels.warp.BEHIND)
    wider = cv2.copyMakeBorder(picture, *edges, cv2.BORDER_REPLICATE)
    kernels.warp.move(wider, way, is_face, 10, 2, np.float32(12), moved, changed)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    places = np.dstack([xs - way[..., 0], ys - way[..., 1]])
    plain = cv2.remap(picture, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    length = np.hypot(way[..., 0], way[..., 1])
    np.testing.assert_allclose(changed, np.clip(12 * length - 0.5, 0, 1), atol=1e-4)
    goes = changed > 0
    np.testing.assert_allclose(moved[goes], plain[goes], atol=0.02)
    assert (moved[:, :20] == picture[:, :20]).all()


def bilinear(grid: Floats, places_xy: Floats) -> Floats:
    at = places_xy.astype(np.float32)
    return cv2.remap(grid, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def calmed(detail: Floats, limits: Floats, is_feature: Floats) -> Floats:
    """Bright detail pressed to one limit and dark detail to another, but for dark features."""
    bright_limit, dark_limit, saturation = (float(limit) for limit in limits)
    luma = luma_of(detail)[..., None]
    shade = np.minimum(luma, 0)
    bright = bright_limit * np.tanh(np.maximum(luma, 0) / bright_limit)
    dark = dark_limit * np.tanh(shade / dark_limit)
    return bright + dark + is_feature * (shade - dark) + saturation * (detail - luma)


def places(size: int) -> Floats:
    ys, xs = np.mgrid[:size, :size].astype(np.float32)
    return np.dstack([xs, ys])


def in_a_disc(size: int) -> Array:
    return np.linalg.norm(places(size) - size / 2, axis=-1) < 0.4 * size


def packed(mip: Floats) -> Array:
    return Texture((mip,), np.zeros(3, np.float32)).packed_mips[0]


def test_skin_is_detail_under_light_as_the_formula_says(random: np.random.Generator) -> None:
    size = 60
    mip = random.normal(0, 0.4, (32, 32, 4)).astype(np.float32)
    light = random.normal(4, 0.2, (30, 30, 4)).astype(np.float32)
    light[..., 3] = 1
    is_face, uv = in_a_disc(size), (places(size) + 0.5) / size
    luma = np.linspace(-4, 4, 4097, dtype=np.float32)
    pressed = np.where(luma > 0, 0.3 * np.tanh(luma / 0.3), 1.2 * np.tanh(luma / 1.2))
    ids, affines = np.zeros((size, size), np.int16), np.zeros((1, 5, 3), np.float32)
    painted = np.empty((size, size, 4), np.float32)
    share, mip16 = np.float32(0.8), packed(mip)
    kernels.skin.paint(ids, affines, is_face, uv, mip16, light, 2, pressed, share, painted)
    texels = bilinear(mip, uv * 32 - 0.5)
    is_feature = np.clip(2 * texels[..., 3:], 0, 1)
    detail = np.ascontiguousarray(texels[..., :3])
    expected = bilinear(light, 0.5 * places(size))[..., :3]
    expected += calmed(detail, np.float32([0.3, 1.2, 0.8]), is_feature)
    off = np.abs(painted[is_face][:, :3] - expected[is_face])
    assert off.max() < 0.08  # OpenCV takes places in steps of 1/32
    assert off.mean() < 0.01


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_a_patch_of_a_single_row_or_column_is_painted(shape: tuple[int, int]) -> None:
    """At the picture's edge hardly anything of a face may be left."""
    light, mip = np.full((*shape, 4), 4, np.float32), np.zeros((1, 1, 4), np.float32)
    light[..., 3] = 1
    uv, is_face = np.full((*shape, 2), 0.5, np.float32), np.ones(shape, bool)
    ids, affines = np.zeros(shape, np.int16), np.zeros((1, 5, 3), np.float32)
    painted = np.empty((*shape, 4), np.float32)
    pressed = np.linspace(-4, 4, 4097, dtype=np.float32)
    kernels.skin.paint(
        ids, affines, is_face, uv, packed(mip), light, 1, pressed, np.float32(1), painted
    )
    assert (painted[..., :3] == 4).all()


def test_the_target_is_compared_with_its_light_as_the_formula_says(
    random: np.random.Generator,
) -> None:
    size, step, few = 64, 2, 4
    uv = (places(size) + 0.5) / size
    is_face, depth = in_a_disc(size), random.uniform(0, 0.5, (size, size)).astype(np.float32)
    eyes, mouth = np.zeros((2, size, size), np.float32)
    eyes[20:30, 20:30] = 1
    light = random.normal(4, 0.2, (16, 16, 4)).astype(np.float32)
    usual = random.normal(0, 0.1, (32, 32, 4)).astype(np.float32)
    own = random.normal(4, 0.3, (size // step, size // step, 3)).astype(np.float32)
    slow, luma = np.empty((*own.shape[:2], 4), np.float32), np.empty(own.shape[:2], np.float32)
    off, counts = np.zeros((8, 8, 3), np.float32), np.zeros((2, 1024), np.int32)
    sums, ranges = np.zeros((2, 4)), np.float32([-4, 128, 0, 128])
    kernels.skin.compare(
        own, uv, is_face, eyes, mouth, depth, light, usual, step, few, ranges, slow, luma, off,
        counts, sums,
    )  # fmt: skip
    some = np.s_[::step, ::step]
    expected = bilinear(light, uv[some] * 16 - 0.5)[..., :3]
    on_face, inner = is_face[some], (is_face & (eyes < 0.5))[some]
    inside = inner & (depth[some] > 0.1)
    np.testing.assert_allclose(slow[on_face][:, :3], expected[on_face], atol=0.03)
    np.testing.assert_allclose(luma, luma_of(own - expected), atol=0.03)
    look = bilinear(usual, uv[some] * 32 - 0.5)
    plain = (own - expected - look[..., :3]) * (look[..., 3] * inner)[..., None]
    cells = cv2.resize(plain, (8, 8), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(off, cells, atol=0.01)
    assert counts.sum(1).tolist() == [inside.sum()] * 2
    middle = np.cumsum(counts[0]).searchsorted(inside.sum() / 2) / 128 - 4
    assert abs(middle - np.median(luma[inside])) < 0.02
    np.testing.assert_allclose(sums[:, 3], [inner.sum(), inside.sum()])
    np.testing.assert_allclose(sums[1, :3] / sums[1, 3], expected[inside].mean(0), atol=0.01)


def test_the_rim_is_compared_as_the_formula_says(random: np.random.Generator) -> None:
    size, step, small = 48, 2, 6
    painted = random.normal(4, 0.2, (size, size, 4)).astype(np.float32)
    painted[..., 3] = random.uniform(0, 1, (size, size))
    own = random.normal(4, 0.2, (size // step, size // step, 3)).astype(np.float32)
    depth, facing = random.uniform(0, 0.4, (2, size, size)).astype(np.float32)
    coarse = np.zeros((size // small, size // small, 4), np.float32)
    manner = np.float32([0.05, 0.2, 0.55, 0.45])
    kernels.skin.compare_rim(own, painted, depth, facing, step, small, manner, coarse)
    some = np.s_[::step, ::step]
    difference = own - painted[some][..., :3]
    off = np.maximum(difference / 0.55, -difference / 0.45).max(-1)
    weight = (1 - smoothstep(depth[some], 0.05, 0.2)) * (depth[some] > 0.01)
    weight *= np.clip(2 - off, 0, 1) * np.clip(3 * facing[some], 0, 1) * (1 - painted[some][..., 3])
    weighted = np.dstack([difference * weight[..., None], weight]).astype(np.float32)
    expected = cv2.resize(weighted, (8, 8), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(coarse, expected, atol=1e-5)


def test_tone_is_added_and_white_held_as_the_formula_says(random: np.random.Generator) -> None:
    size, white, knee = 40, np.float32(5.5), np.float32(0.15)
    painted = random.normal(5.4, 0.2, (size, size, 4)).astype(np.float32)
    painted[..., 3] = random.uniform(0, 1, (size, size))
    tone, is_face = random.normal(0, 0.1, (10, 10, 4)).astype(np.float32), in_a_disc(size)
    out, grid = np.empty((size, size, 3), np.float32), np.float32([0.25, -0.375] * 2)
    beyond = np.float32([4, 4.1, 4.2])
    kernels.skin.tone_and_hold(painted, tone, is_face, grid, white, knee, beyond, out)
    toned = (
        painted[..., :3]
        + (1 - painted[..., 3:]) * bilinear(tone, 0.25 * places(size) - 0.375)[..., :3]
    )
    above = np.maximum(toned.max(-1, keepdims=True) - (white - knee), 0)
    expected = toned - (above - knee * np.tanh(above / knee))
    np.testing.assert_allclose(out[is_face], expected[is_face], atol=0.01)
    assert (out[~is_face] == beyond).all()


def test_the_face_joins_the_picture_as_the_formula_says(random: np.random.Generator) -> None:
    size, top, left = 40, 6, 3
    bent = random.uniform(0, 255, (60, 50, 3)).astype(np.float32)
    changed = random.uniform(0, 1, (60, 50)).astype(np.float32)
    skin = random.uniform(0, 255, (size, size, 3)).astype(np.float32)
    grain, depth, facing, openings, hair = random.uniform(0, 1, (5, size, size)).astype(np.float32)
    edge = np.float32([(0.1, 0.5), (0.2, 0.6), (0.4, 0.9)])
    pixels, shown = bent.copy(), changed.copy()
    kernels.join.join(
        pixels, shown, skin, grain, np.float32(0.7), openings, depth, facing, hair, 1, edge,
        top, left,
    )  # fmt: skip
    alpha = smoothstep(depth, *edge[0]) * (1 - hair)
    alpha *= np.maximum(smoothstep(facing, *edge[1]), smoothstep(depth, *edge[2]))
    inner = np.s_[top : top + size, left : left + size]
    much = changed.copy()
    much[inner] = np.maximum(changed[inner], alpha)
    noisy = skin + np.minimum(grain, 0.7)[..., None]
    painted = noisy + openings[..., None] * (bent[inner] - noisy)
    expected = bent.copy()
    expected[inner] += (alpha / much[inner])[..., None] * (painted - bent[inner])
    np.testing.assert_allclose(shown, much, atol=1e-5)
    np.testing.assert_allclose(pixels, np.clip(expected, 0, 255), atol=1e-2)


def test_means_on_fewer_pixels_are_those_on_all(random: np.random.Generator) -> None:
    smooth = cv2.GaussianBlur(random.normal(0, 300, (120, 160)), (0, 0), 8).astype(np.float32)
    on_half = averaged(np.ascontiguousarray(smooth[::2, ::2]), 7, 2)
    assert np.abs(on_half - cv2.blur(smooth, (7, 7))[::2, ::2]).max() < 0.05 * np.ptp(smooth)
    rough = random.normal(0, 10, (120, 160)).astype(np.float32)
    exact = cv2.GaussianBlur(rough, (0, 0), 9.0)
    assert np.abs(blurred(rough, 9.0) - exact)[30:-30, 30:-30].max() < 0.4 * exact.std()
