"""The light on a face: the slow part of its colours, on a small grid over the texture square.

Colours are taken as ``log(x + 8)`` of RGB 0..255, so that light is a sum and dark pixels do not
run away. The grid is a normalised convolution over skin only: brows, eyes, lips, beards and
highlights neither darken nor brighten it, and parts that are not seen are filled from those
that are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from ..beyond import continued, shown_part, value_at
from ..geometry import crop_of, eye_distance_px, invert, move_landmarks, next_face_roi
from ..types import Array, Floats, Picture, Pixels
from .pixelwise import LUMA, largest_channel
from .raster import point_normals
from .surface import EYE_DISTANCE_UV, Surface
from .topology import POINTS, Topology

GRID_SIDE = 16  # the light is smooth: sigma is 1.7 cells
SAMPLE_SIDE = 48
SIGMA_EYE_DISTANCES = 0.35
LOG_OFFSET = 8.0
BEARD_DARKER = 0.30  # log luma below the cheek above it
OUTLIER = 0.30  # log; farther from the slow light than this and it is not skin ...
OUTLIER_TIMES = 2.5  # ... unless the whole face is that uneven


def to_log(rgb: Floats) -> Floats:
    """RGB 0..255 to log colours."""
    return cv2.log(np.maximum(rgb, 0).astype(np.float32) + LOG_OFFSET)


def from_log(values: Floats) -> Floats:
    """Log colours to RGB; may exceed 255."""
    return cv2.exp(values) - LOG_OFFSET


def add_light(rgb: Floats, share: Floats, more: Floats) -> None:
    """Adds ``more`` (3,) log to RGB (h, w, 3), in place, as far as ``share`` (h, w) 0..1 says."""
    left, top, width, height = cv2.boundingRect((share > 0).view(np.uint8))
    if more.any() and width:
        at = np.s_[top : top + height, left : left + width]
        rgb[at] = from_log(to_log(rgb[at]) + share[at][..., None] * more)


@dataclass(frozen=True, eq=False)
class LightMeter:
    """Measures the light of faces given as a small crop with landmarks in it."""

    topology: Topology

    def measure_in(
        self, picture: Picture, landmarks_xyz: Floats, size_px: int, free: Array | None = None
    ) -> Floats:
        """The same for a face in a whole picture, by way of a crop ``size_px`` wide."""
        crop_to_frame = crop_of(next_face_roi(landmarks_xyz), size_px)
        crop = continued(picture.warped(crop_to_frame, size_px), crop_to_frame, picture.size_wh)
        shown = shown_part(crop_to_frame, size_px, picture.size_wh)
        return self.measure(crop, move_landmarks(landmarks_xyz, invert(crop_to_frame)), shown, free)

    def measure(
        self,
        crop: Pixels,
        landmarks_xyz: Floats,
        shown: Array | None = None,
        free: Array | None = None,
    ) -> Floats:
        """(GRID_SIDE, GRID_SIDE, 3) log colours; rows run down the face, columns across it.

        ``crop`` (n, n, 3) RGB with the face in it, ``landmarks_xyz`` (>= 468, 3) in its pixels;
        ``shown`` (n, n) bool is what counts of it, and ``free`` (side, side) bool what counts of
        the texture square; by default all.
        """
        points = landmarks_xyz[:POINTS]
        _, facing = point_normals(points, self.topology.triangles)
        values = self._skin.values_of(np.concatenate([points[:, :2], facing[:, None]], 1))
        cell_px = eye_distance_px(points[:, :2]) / (EYE_DISTANCE_UV * SAMPLE_SIDE)
        radius = max(1, round(cell_px / 2))
        soft = cv2.blur(crop, (2 * radius + 1, 2 * radius + 1))
        places = np.ascontiguousarray(values[:, None, :2], np.float32)
        sampled = cv2.remap(soft, places, None, cv2.INTER_LINEAR)[:, 0]
        x, y, cosine = values.T
        last = crop.shape[0] - 1
        inside = (x >= 0) & (y >= 0) & (x <= last) & (y <= last)
        if shown is not None:
            inside &= value_at(shown, x, y)
        if free is not None:
            size = (SAMPLE_SIDE, SAMPLE_SIDE)
            share = cv2.resize(free.astype(np.float32), size, interpolation=cv2.INTER_AREA)
            inside &= share.ravel()[self._skin.places] > 0.99
        weight = inside * np.clip(cosine - 0.05, 0, 0.25)
        return self._smooth(to_log(sampled), weight.astype(np.float32))

    def detail_of(self, colours: Floats) -> Floats:
        """(side, side, 3) log colours of a whole texture square, less their own slow light."""
        sampled = cv2.resize(colours, (SAMPLE_SIDE, SAMPLE_SIDE), interpolation=cv2.INTER_AREA)
        skin = sampled.reshape(-1, 3)[self._skin.places]
        slow = self._smooth(skin, np.ones(len(skin), np.float32))
        return colours - upsampled(slow, colours.shape[0])

    def _smooth(self, colours: Floats, weight: Floats) -> Floats:
        """From the skin's texels, colours (n, 3) and weight (n,), to the grid."""
        weight = weight * ~self._is_beard(colours @ LUMA, weight)
        slow = self._blurred(colours, weight).reshape(-1, 3)[self._skin.places]
        off = largest_channel(np.abs(colours - slow))
        # Hard light has steep slopes of its own, so what is odd depends on the face.
        known = off[weight > 0.05]
        usual = float(np.median(known)) if len(known) else 0.0
        weight = weight * np.clip(2 - off / max(OUTLIER, OUTLIER_TIMES * usual), 0, 1)
        slow = self._blurred(colours, weight)
        return cv2.resize(slow, (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA)

    def _is_beard(self, luma: Floats, weight: Floats) -> Array:
        """(n,) lower-face texels clearly darker than the cheeks of the same column."""
        skin = self._skin
        cheek = weight * skin.is_cheek
        sums = [np.bincount(skin.columns, each, SAMPLE_SIDE) for each in (cheek, cheek * luma)]
        total, above = skin.kernel.max() * (skin.kernel @ np.stack(sums, 1)).T
        expected = (above / np.maximum(total, 1e-6))[skin.columns]
        is_told = (total > 1e-3)[skin.columns]
        return skin.is_low & is_told & (luma < expected - BEARD_DARKER)

    def _blurred(self, colours: Floats, weight: Floats) -> Floats:
        """(SAMPLE_SIDE, SAMPLE_SIDE, 3) weighted Gaussian mean of the skin's texels.

        Where nothing is near, the mean of all.
        """
        total = float(weight.sum())
        if total < 1e-6:
            weight, total = np.ones_like(weight), float(len(weight))
        mean = weight @ colours / total
        near = np.zeros((SAMPLE_SIDE * SAMPLE_SIDE, 4), np.float32)
        near[self._skin.places, :3] = colours * weight[:, None]
        near[self._skin.places, 3] = weight
        for _ in range(2):  # down the columns, then along the rows
            near = self._skin.kernel @ near.reshape(SAMPLE_SIDE, -1)
            near = near.reshape(SAMPLE_SIDE, SAMPLE_SIDE, 4).swapaxes(0, 1)
        prior = np.float32(2e-3)
        return (near[..., :3] + prior * mean) / (near[..., 3:] + prior)

    @cached_property
    def _skin(self) -> _Skin:
        return _skin_of(self.topology)


@dataclass(frozen=True, eq=False)
class _Skin:
    """The n texels of the small texture square that show skin, and where they lie on the mesh."""

    places: Array  # (n,) in the square, row by row
    points: Array  # (n, 3) of the texel's triangle
    shares: Floats  # (n, 3) of those points
    columns: Array  # (n,)
    is_cheek: Array  # (n,)
    is_low: Array  # (n,) where a beard grows
    kernel: Floats  # (SAMPLE_SIDE, SAMPLE_SIDE) a Gaussian beside each row or column; 0 beyond

    def values_of(self, by_point: Floats) -> Floats:
        """(n, k): values given per point (468, k), carried over the triangles."""
        return np.einsum("nck,nc->nk", by_point[self.points], self.shares)


@lru_cache(maxsize=2)
def _skin_of(topology: Topology) -> _Skin:
    surface = Surface(topology, SAMPLE_SIDE)
    points, shares = surface.corners
    places = np.flatnonzero(surface.skin & surface.is_face)
    heights = surface.heights.ravel()[places]
    sigma = surface.sigma_px(SIGMA_EYE_DISTANCES)
    reach = round(4 * sigma)
    bell = cv2.getGaussianKernel(2 * reach + 1, sigma, cv2.CV_32F)[:, 0]
    rows = np.pad(np.eye(SAMPLE_SIDE, dtype=np.float32), ((0, 0), (reach, reach)))
    kernel = np.stack([np.convolve(row, bell, "valid") for row in rows])
    return _Skin(
        places,
        points.reshape(-1, 3)[places],
        shares.reshape(-1, 3)[places],
        places % SAMPLE_SIDE,
        (heights > 0.15) & (heights < 0.5),
        heights > 0.5,
        kernel.astype(np.float32),
    )


def spread_light(grid: Floats, uv: Floats) -> Floats:
    """The light at texture places: ``grid`` (g, g, k), ``uv`` (h, w, 2) 0..1 -> (h, w, k)."""
    at = uv * grid.shape[0] - 0.5
    return cv2.remap(grid, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def upsampled(grid: Floats, side: int) -> Floats:
    """The light for every texel of a square texture."""
    return cv2.resize(grid, (side, side), interpolation=cv2.INTER_LINEAR)
