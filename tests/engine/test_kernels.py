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
from lendface.engine.kernels import compiled
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
from lendface.pipeline.parts import Progress, Watch
from lendface.pipeline.warming import compile_once
from lendface.progress import Lines
from material import Material

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


KEEP = """
from lendface.app import keep_kernels
from lendface.settings import load_settings
keep_kernels(load_settings())
"""
SAY = """
from lendface.pipeline.parts import Watch
from lendface.pipeline.warming import compile_once
compile_once(Watch(lambda at: print(at.stage, at.done, at.total > 20)), here=False)
"""


def where_a_kernel_is_kept(temporary: Path, program: str = COMPILE_ONE, **more: str) -> str:
    """For a user without a home, in a process of its own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    homeless = kept | {"HOME": "/nonexistent", "TMPDIR": str(temporary)} | more
    done = subprocess.run(
        [sys.executable, "-c", program],
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


@pytest.mark.slow
def test_kernels_lie_with_the_data_where_a_folder_for_it_was_chosen(tmp_path: Path) -> None:
    data, caches = tmp_path / "data", tmp_path / "caches"
    chosen = {"LENDFACE_DATA": str(data), "XDG_CACHE_HOME": str(caches)}
    folder = where_a_kernel_is_kept(tmp_path, KEEP + COMPILE_ONE, **chosen)
    assert data / "cache" in Path(folder).parents
    assert not caches.exists()
    assert data.stat().st_mode & 0o077 == 0
    del chosen["LENDFACE_DATA"]
    folder = where_a_kernel_is_kept(tmp_path, KEEP + COMPILE_ONE, **chosen)
    assert caches in Path(folder).parents
    (data / "cache").chmod(0o777)  # machine code is not taken from where others may write
    chosen["LENDFACE_DATA"] = str(data)
    assert caches in Path(where_a_kernel_is_kept(tmp_path, KEEP + COMPILE_ONE, **chosen)).parents


def test_that_they_are_compiled_is_said_where_they_are_kept_nowhere_yet(tmp_path: Path) -> None:
    assert where_a_kernel_is_kept(tmp_path, SAY) == "compile 0 True"
    for _ in kernels.load_all():
        pass
    told: list[Progress] = []
    compile_once(Watch(told.append), here=True)
    assert (kernels.count_missing(), told) == (0, [])


def test_people_read_that_it_is_once() -> None:
    line = Lines()._line(Progress("compile", 3, 40), 1.0)
    assert line.startswith("compiling, once")
    assert line.endswith("3 of 40")


def test_while_one_is_compiled_others_are_counted_where_they_are_kept() -> None:
    """One thread compiles, or loads what is kept, while another one asks."""
    folder = compiled.cache_folder()
    assert folder is not None
    with compiled.kept_in(folder):
        assert compiled.cache_folder() == folder


@pytest.mark.slow
def test_the_first_swap_says_so_before_it_stands_still(tmp_path: Path, material: Material) -> None:
    """All of them are compiled, which takes half a minute."""
    data = tmp_path / "data"
    kept = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    words = ["swap", material.film_person, material.photo, "-o", tmp_path / "out.png"]
    for is_first in (True, False):
        done = subprocess.run(
            [sys.executable, "-m", "lendface", *map(str, words), "--force"],
            env=kept | {"LENDFACE_DATA": str(data), "LENDFACE_CONSENT": "attest"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert ("compiling, once" in done.stderr) is is_first
    assert any((data / "cache").rglob("*.nbi"))


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
    kernels.warp.move(picture, way, 1, is_face, 10, 2, np.float32(12), moved, changed)
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
    return Texture((mip,), np.zeros(3, np.float32)).packed().mips[0]


def test_skin_is_detail_under_light_as_the_formula_says(random: np.random.Generator) -> None:
    size = 60
    mip = random.normal(0, 0.4, (32, 32, 4)).astype(np.float32)
    light = random.normal(4, 0.2, (30, 30, 4)).astype(np.float32)
    light[..., 3] = 1
    is_face, uv = in_a_disc(size), (places(size) + 0.5) / size
    manner, every = np.float32([0.3, 1.2, 0.8]), np.zeros((size, size), np.float32)
    given, painted = np.empty((2, size, size, 4), np.float32)
    kernels.skin.sample(is_face, uv, packed(mip), given)
    lit = np.ascontiguousarray(np.moveaxis(light, -1, 0).repeat(2, 1).repeat(2, 2))
    kernels.skin.sketch(is_face, given, lit, 1, manner, every, np.float32(1), painted)
    texels = bilinear(mip, uv * 32 - 0.5)
    is_feature = np.clip(2 * texels[..., 3:], 0, 1)
    detail = np.ascontiguousarray(texels[..., :3])
    expected = np.moveaxis(lit, 0, -1)[..., :3] + calmed(detail, manner, is_feature)
    off = np.abs(painted[is_face][:, :3] - expected[is_face])
    assert off.max() < 0.08  # OpenCV takes places in steps of 1/32
    assert off.mean() < 0.01


def test_the_target_is_lit_by_its_slow_and_passing_light_and_the_tone(
    random: np.random.Generator,
) -> None:
    slow = random.normal(4, 1, (9, 7, 4)).astype(np.float32)
    slow[..., 3] = random.uniform(0, 1, (9, 7)) > 0.5
    passing, tone = random.normal(0, 1, (9, 7, 3)).astype(np.float32), np.float32([1, 2, 3])
    light = np.empty((4, 10, 12), np.float32)
    kernels.skin.light_up(slow, passing, tone, light)
    expected = slow.copy()
    expected[..., :3] += slow[..., 3:] * (passing + tone)
    wider = np.pad(expected, ((0, 1), (0, 5), (0, 0)), mode="edge")
    np.testing.assert_allclose(light, np.moveaxis(wider, -1, 0), rtol=1e-5)


def test_a_sheet_with_finer_steps_gives_the_mean_of_those_on_the_face() -> None:
    mip = np.zeros((8, 8, 4), np.float32)
    mip[..., 0] = np.arange(8) / 8
    ids, is_face = np.zeros((4, 4), np.int16), np.ones((2, 2), bool)
    ids[:, 1] = -1
    affines = np.zeros((1, 5, 3), np.float32)
    affines[0, 0] = [1 / 8, 0, 0.5 / 8]
    texels = np.empty((2, 2, 4), np.float32)
    kernels.skin.sample_finer(ids, affines, is_face, packed(mip), texels)
    np.testing.assert_allclose(texels[..., 0], [[0, 2.5 / 8]] * 2, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1)])
def test_a_patch_of_a_single_row_or_column_is_painted(shape: tuple[int, int]) -> None:
    """At the picture's edge hardly anything of a face may be left."""
    is_face, mip = np.ones(shape, bool), np.zeros((1, 1, 4), np.float32)
    texels = np.empty((*shape, 4), np.float32)
    kernels.skin.sample(is_face, np.full((*shape, 2), 0.5, np.float32), packed(mip), texels)
    out = painted_flat(is_face, texels, 1)
    np.testing.assert_allclose(out, np.exp(4) - 8, rtol=1e-4)


def painted_flat(is_face: Array, texels: Floats, step: int) -> Floats:
    """RGB under a light of 4, log, that is known everywhere."""
    height, width = (-(-side // step) for side in is_face.shape)
    light = np.full((4, height + 1, width + kernels.skin.TILE), 4, np.float32)
    light[3] = 1
    manner, tone = np.float32([0.3, 1.2, 0.8]), np.zeros((2, 2, 4), np.float32)
    grid, out = np.float32([0.25, -0.375] * 2), np.empty((*is_face.shape, 3), np.float32)
    one = np.float32(1)
    beyond = np.zeros(3, np.float32)
    kernels.skin.paint(is_face, texels, light, step, manner, tone, grid, 9 * one, one, beyond, out)
    return out


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
    picture = np.zeros((size + 3, size + 5, 3), np.float32)
    picture[2 : size + 2 : step, 4 : size + 4 : step] = np.exp(own) - 8
    found, slow = np.empty_like(own), np.empty((*own.shape[:2], 4), np.float32)
    luma = np.empty(own.shape[:2], np.float32)
    off, counts = np.zeros((8, 8, 3), np.float32), np.zeros((2, 1024), np.int32)
    sums, ranges = np.zeros((2, 4)), np.float32([-4, 128, 0, 128])
    kernels.skin.compare(
        picture, 2, 4, uv, is_face, eyes, mouth, depth, light, usual, step, few, ranges, found,
        slow, luma, off, counts, sums,
    )  # fmt: skip
    np.testing.assert_allclose(found, own, atol=1e-4)
    some = np.s_[::step, ::step]
    expected = bilinear(light, uv[some] * 16 - 0.5)[..., :3]
    on_face, inner = is_face[some], (is_face & (eyes < 0.5))[some]
    inside = inner & (depth[some] > 0.1)
    np.testing.assert_allclose(slow[on_face][:, :3], expected[on_face], atol=0.03)
    np.testing.assert_allclose(luma[on_face], luma_of(own - expected)[on_face], atol=0.03)
    np.testing.assert_allclose(luma[~on_face], luma_of(own - light[0, 0, :3])[~on_face], atol=0.03)
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
    some = np.s_[::step, ::step]
    sketch = np.ascontiguousarray(painted[some])
    kernels.skin.compare_rim(own, sketch, depth, facing, step, small, manner, coarse)
    difference = own - painted[some][..., :3]
    off = np.maximum(difference / 0.55, -difference / 0.45).max(-1)
    weight = (1 - smoothstep(depth[some], 0.05, 0.2)) * (depth[some] > 0.01)
    weight *= np.clip(2 - off, 0, 1) * np.clip(3 * facing[some], 0, 1) * (1 - painted[some][..., 3])
    weighted = np.dstack([difference * weight[..., None], weight]).astype(np.float32)
    expected = cv2.resize(weighted, (8, 8), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(coarse, expected, atol=1e-5)


@pytest.mark.parametrize("step", [1, 2])
def test_tone_is_added_and_white_held_as_the_formula_says(
    step: int, random: np.random.Generator
) -> None:
    height, width, white, knee = 40, 150, np.float32(5.5), np.float32(0.15)
    texels = random.normal(0, 0.2, (height, width, 4)).astype(np.float32)
    coarse = random.normal(5.3, 0.1, (-(-height // step) + 1, -(-width // step), 4))
    tone, is_face = random.normal(0, 0.1, (10, 38, 4)).astype(np.float32), in_a_disc(width)[:height]
    light = np.ones((4, coarse.shape[0], coarse.shape[1] + kernels.skin.TILE), np.float32)
    light[:3, :, : coarse.shape[1]] = np.moveaxis(coarse, -1, 0)[:3]
    light[:3, :, coarse.shape[1] :] = light[:3, :, coarse.shape[1] - 1, None]
    out, grid = np.empty((height, width, 3), np.float32), np.float32([0.25, -0.375] * 2)
    beyond, manner = np.float32([4, 4.1, 4.2]), np.float32([0.3, 1.2, 0.8])
    kernels.skin.paint(is_face, texels, light, step, manner, tone, grid, white, knee, beyond, out)
    at = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    is_feature = np.clip(2 * texels[..., 3:], 0, 1)
    lit = np.ascontiguousarray(np.moveaxis(light, 0, -1)[..., :3])
    painted = bilinear(lit, at / step) + calmed(texels[..., :3], manner, is_feature)
    toned = painted + (1 - is_feature) * bilinear(tone, 0.25 * at - 0.375)[..., :3]
    above = np.maximum(toned.max(-1, keepdims=True) - (white - knee), 0)
    expected = np.exp(toned - (above - knee * np.tanh(above / knee))) - 8
    np.testing.assert_allclose(out[is_face], expected[is_face], rtol=0.01)
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
    around = cv2.dilate(facing, np.ones((3, 3), np.uint8))
    alpha *= np.maximum(smoothstep(around, *edge[1]), smoothstep(depth, *edge[2]))
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


def test_what_is_finest_is_what_a_small_gaussian_takes(random: np.random.Generator) -> None:
    luma = random.uniform(0, 255, (31, 45)).astype(np.float32)
    where, out = in_a_disc(45)[:31], np.empty((31, 45), np.float32)
    counts = np.zeros(64, np.int32)
    kernels.noise.fine(luma, where, 2, np.float32(1), out, counts)
    np.testing.assert_allclose(out, luma - cv2.GaussianBlur(luma, (0, 0), 1.0), atol=1e-2)
    sizes = np.minimum(np.abs(out[::2, ::2][where[::2, ::2]]).astype(int), 63)
    assert counts.tolist() == np.bincount(sizes, minlength=64).tolist()


@pytest.mark.parametrize("shape", [(31, 45), (1, 3), (3, 1), (2, 2)])
def test_steps_between_neighbours_are_summed_as_the_formula_says(
    shape: tuple[int, int], random: np.random.Generator
) -> None:
    luma = random.uniform(0, 255, shape).astype(np.float32)
    mask, steps = (random.uniform(0, 1, shape) > 0.3).astype(np.float32), np.zeros(2)
    kernels.noise.sharpness(luma, mask, steps)
    expected = []
    for values in (luma, cv2.blur(luma, (5, 5))):
        down, across = np.diff(values, axis=0), np.diff(values, axis=1)
        vertical, horizontal = mask[1:] * mask[:-1], mask[:, 1:] * mask[:, :-1]
        expected.append((vertical * down**2).sum() + (horizontal * across**2).sum())
    np.testing.assert_allclose(steps, expected, rtol=1e-3)


def test_luma_of_a_part_of_a_picture(random: np.random.Generator) -> None:
    picture, out = random.uniform(0, 255, (9, 11, 3)).astype(np.float32), np.empty((5, 6), "f4")
    kernels.noise.luma(picture, 2, 3, out)
    np.testing.assert_allclose(out, luma_of(picture[2:7, 3:9]), rtol=1e-5)


def test_a_way_known_on_every_other_pixel_is_linear_between(random: np.random.Generator) -> None:
    picture = cv2.GaussianBlur(random.uniform(0, 255, (40, 51, 3)), (0, 0), 2).astype(np.float32)
    way = random.normal(0, 2, (20, 26, 2)).astype(np.float32)
    fine = np.ascontiguousarray(cv2.resize(way, (52, 40))[:, :51])
    is_face, results = np.ones((40, 51), bool), []
    for cell, given in ((1, fine), (2, way)):
        moved, changed = np.empty_like(picture), np.empty((40, 51), np.float32)
        kernels.warp.move(picture, given, cell, is_face, 0, 0, np.float32(12), moved, changed)
        results.append((moved, changed))
    np.testing.assert_allclose(results[1][0], results[0][0], atol=0.05)
    np.testing.assert_allclose(results[1][1], results[0][1], atol=1e-3)


def test_hair_is_told_as_the_formula_says(random: np.random.Generator) -> None:
    difference = random.uniform(-1.5, 1.5, (20, 30)).astype(np.float32)
    uv = random.uniform(0, 1, (40, 60, 2)).astype(np.float32)[::2, ::2]
    out = np.empty_like(difference)
    eyes, chin = np.float32(0.4), np.float32(0.9)
    limits = np.float32([(0.3, 0.65), (0.65, 1), (0.2, 0.32), (0.3, 0.38), (-0.5, -0.35)])
    kernels.look.tell_hair(difference, uv, eyes, chin, limits, out)
    height = (uv[..., 1] - eyes) / (chin - eyes)
    strange = np.maximum(smoothstep(-difference, *limits[0]), smoothstep(difference, *limits[1]))
    side = smoothstep(np.abs(uv[..., 0] - 0.5), *limits[3]) * smoothstep(-height, *limits[4])
    expected = strange * np.maximum(smoothstep(-height, *limits[2]), side)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_values_are_pressed_as_the_formula_says(random: np.random.Generator) -> None:
    values = random.normal(0, 1, (9, 11, 3)).astype(np.float32)
    expected = 0.5 * np.tanh(0.6 * values / 0.5)
    kernels.skin.press(values, np.float32(0.6), np.float32(0.5))
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_plane_of_light_is_found_beside_what_does_not_belong(
    random: np.random.Generator,
) -> None:
    places = np.float32([(1, x, y) for x in np.linspace(-0.5, 0.5, 20) for y in (-0.4, 0, 0.4)])
    true = random.normal(0, 1, (3, 3)).astype(np.float32)
    values = (places @ true + random.normal(0, 0.01, (60, 3))).astype(np.float32)
    values[:15] += 3
    slope, usual = np.zeros((3, 3), np.float32), np.zeros(1, np.float32)
    slope[0] = np.median(values, axis=0)
    one, least = np.float32(1.5), np.float32(0.02)
    trust = np.full(60, 100, np.float32)
    stiff = np.float32([1e-3, 2, 2])
    kernels.look.fit_plane(places, trust, values, stiff, 12, one, least, slope, usual)
    np.testing.assert_allclose(slope, true, atol=0.1)
    assert usual[0] < 0.05
