"""The moved mesh laid over one patch of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..types import Array, Box, Floats
from .raster import fit_affines, is_sliver, map_pixels, paint_ids, point_normals
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
    fine_uv: Floats  # the same on a grid one to three times as fine
    way_xy: Floats  # pixels from where the target shows the same point of its face
    facing: Floats  # cosine to the camera

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
    values = np.concatenate([topology.uv, way, np.zeros((len(points_xy), 1))], 1)
    facing, values[:, 4] = point_normals(moved_xyz.astype(np.float32), topology.triangles)
    # A finer sheet for a small face: thin triangles, as beside the nose, would fall through.
    finer = int(np.clip(round(FINE_WIDTH_PX / np.ptp(moved_xyz[:, 0])), 1, 3))
    order = _painting_order(topology, moved_xyz, facing)
    at = ((moved_xyz[:, :2] + 0.5) * finer - 0.5).astype(np.float32)
    ids = paint_ids(at, topology.triangles, order, (box.width * finer, box.height * finer))
    affines = fit_affines(at, values.astype(np.float32), topology.triangles)
    middle = slice(finer // 2, None, finer)
    is_face = ids >= 0
    size = (box.width, box.height)

    def coarse(values: Array) -> Floats:
        return cv2.resize(values.astype(np.float32), size, interpolation=cv2.INTER_AREA)

    rest = map_pixels(ids[middle, middle], _on_coarser(affines, finer))
    return Sheet(
        is_face=is_face[middle, middle],
        eyes=coarse(is_face & topology.eye_triangles[ids]),
        mouth=coarse(is_face & topology.mouth_triangles[ids]),
        uv=rest[..., :2],
        fine_uv=map_pixels(ids, affines[:, :2]),
        way_xy=rest[..., 2:4],
        facing=rest[..., 4],
    )


def _on_coarser(affines: Floats, finer: int) -> Floats:
    """The maps (m, k, 3) from a grid ``finer`` times as fine, as maps from the pixels' middles.

    Of an even number of steps none lies in the middle of a pixel.
    """
    slopes, shifts = affines[..., :2], affines[..., 2:]
    shifts = shifts + (finer - 1) / 2 * slopes.sum(-1, keepdims=True)
    return np.concatenate([finer * slopes, shifts], -1)


def _painting_order(topology: Topology, moved_xyz: Floats, facing: Floats) -> Array:
    """Far to near, without the triangles that are seen from behind."""
    depth = moved_xyz[topology.triangles, 2].mean(1)
    # Where a steep triangle and a flat one share an edge, the flat one shows what is seen there.
    nearness = STEEP_BEHIND * float(np.ptp(moved_xyz[:, 0])) * facing - depth
    order = np.argsort(np.where(is_sliver(moved_xyz, topology.triangles), -np.inf, nearness))
    return order[facing[order] > 0]
