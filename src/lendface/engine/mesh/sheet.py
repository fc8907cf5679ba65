"""The moved mesh laid over one patch of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import kernels
from ..types import Array, Box, Floats
from .raster import facing_of, is_sliver, map_pixels, painted_ids
from .topology import Topology

STEEP_BEHIND = 0.12  # of the face's width
FINE_WIDTH_PX = 300


@dataclass(frozen=True, eq=False)
class Sheet:
    """The moved mesh laid over the patch; every array is (h, w, ...)."""

    is_face: Array
    eyes: Floats  # 0..1 how much of a pixel is eye opening
    mouth: Floats  # 0..1 ... opening between the lips
    uv: Floats  # 0..1 texture places
    way_xy: Floats  # pixels from where the target shows the same point of its face
    facing: Floats  # cosine to the camera
    ids: Array  # int16 triangles on a grid one to three times as fine, -1 off the face
    affines: Floats  # (898, 5, 3) from that grid to texture places, ways and facing

    @property
    def finer(self) -> int:
        """How many steps of the fine grid make a pixel."""
        return self.ids.shape[0] // self.is_face.shape[0]

    @cached_property
    def fine_uv(self) -> Floats:
        """Texture places on the fine grid."""
        return map_pixels(self.ids, self.affines[:, :2])

    @property
    def is_inner(self) -> Array:
        return self.is_face & (self.eyes + self.mouth < 0.5)

    @property
    def target_xy(self) -> Floats:
        """(h, w, 2) where the target shows the same point of its face, patch pixels."""
        return own_places(self.is_face.shape[1], self.is_face.shape[0]) - self.way_xy


def own_places(width: int, height: int) -> Floats:
    """(height, width, 2): the x and y of each pixel itself."""
    places = np.empty((height, width, 2), np.float32)
    places[..., 0] = np.arange(width)
    places[..., 1] = np.arange(height)[:, None]
    return places


def lay(topology: Topology, points_xy: Floats, moved_xyz: Floats, box: Box) -> Sheet:
    """The sheet for a patch: ``points_xy`` (468, 2) as found, ``moved_xyz`` (468, 3) as painted.

    Both are in pixels of the patch, ``box`` says how large it is.
    """
    # The way each point went and not where it was: that is smooth, so slivers do no harm.
    way = moved_xyz[:, :2] - points_xy
    facing, of_points = facing_of(moved_xyz, topology.triangles)
    values = np.concatenate([topology.uv, way, of_points[:, None]], 1, dtype=np.float32)
    # A finer sheet for a small face: thin triangles, as beside the nose, would fall through.
    finer = int(np.clip(round(FINE_WIDTH_PX / np.ptp(moved_xyz[:, 0])), 1, 3))
    order = _painting_order(topology, moved_xyz, facing)
    at = ((moved_xyz[:, :2] + 0.5) * finer - 0.5).astype(np.float32)
    ids = painted_ids(at, topology.triangles, order, (box.width * finer, box.height * finer))
    affines = np.empty((len(topology.triangles), 5, 3), np.float32)
    kernels.raster.fit(at, values, topology.triangles, affines)
    plain, pair = (box.height, box.width), (box.height, box.width, 2)
    is_face, eyes, mouth = np.empty(plain, bool), _empty(plain), _empty(plain)
    uv, way_xy, facing_camera = _empty(pair), _empty(pair), _empty(plain)
    openings = topology.opening_by_triangle
    kernels.raster.lay(ids, affines, openings, is_face, eyes, mouth, uv, way_xy, facing_camera)
    return Sheet(is_face, eyes, mouth, uv, way_xy, facing_camera, ids, affines)


def _empty(shape: tuple[int, ...]) -> Floats:
    return np.empty(shape, np.float32)


def _painting_order(topology: Topology, moved_xyz: Floats, facing: Floats) -> Array:
    """Far to near, without the triangles that are seen from behind."""
    depth = moved_xyz[topology.triangles, 2].mean(1)
    # Where a steep triangle and a flat one share an edge, the flat one shows what is seen there.
    nearness = STEEP_BEHIND * float(np.ptp(moved_xyz[:, 0])) * facing - depth
    order = np.argsort(np.where(is_sliver(moved_xyz, topology.triangles), -np.inf, nearness))
    return order[facing[order] > 0]
