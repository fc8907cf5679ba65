"""The light on a face: the slow part of its colours, on a small grid over the texture square.

Colours are taken as ``log(x + 8)`` of RGB 0..255, so that light is a sum and dark pixels do not
run away. The grid is a normalised convolution over skin only: brows, eyes, lips, beards and
highlights neither darken nor brighten it, and parts that are not seen are filled from those
that are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from ..geometry import crop_of, eye_distance_px, invert, move_landmarks, next_face_roi
from ..types import Floats, Picture, Pixels
from .pixelwise import luma_of
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


@dataclass(frozen=True, eq=False)
class LightMeter:
    """Measures the light of faces given as a small crop with landmarks in it."""

    topology: Topology

    def measure_in(self, picture: Picture, landmarks_xyz: Floats, size_px: int) -> Floats:
        """The same for a face in a whole picture, by way of a crop ``size_px`` wide."""
        crop_to_frame = crop_of(next_face_roi(landmarks_xyz), size_px)
        crop = picture.warped(crop_to_frame, size_px)
        return self.measure(crop, move_landmarks(landmarks_xyz, invert(crop_to_frame)))

    def measure(self, crop: Pixels, landmarks_xyz: Floats) -> Floats:
        """(GRID_SIDE, GRID_SIDE, 3) log colours; rows run down the face, columns across it.

        ``crop`` (n, n, 3) RGB with the face in it, ``landmarks_xyz`` (>= 468, 3) in its pixels.
        """
        points = landmarks_xyz[:POINTS]
        _, facing = point_normals(points, self.topology.triangles)
        values = self._surface_of(np.concatenate([points[:, :2], facing[:, None]], 1))
        cell_px = eye_distance_px(points[:, :2]) / (EYE_DISTANCE_UV * SAMPLE_SIDE)
        radius = max(1, round(cell_px / 2))
        soft = cv2.blur(crop, (2 * radius + 1, 2 * radius + 1))
        places = np.ascontiguousarray(values[..., :2], np.float32)
        sampled = cv2.remap(soft, places, None, cv2.INTER_LINEAR)
        inside = ((values[..., :2] >= 0) & (values[..., :2] <= crop.shape[0] - 1)).all(-1)
        weight = self._surface.skin * inside * np.clip(values[..., 2] - 0.05, 0, 0.25)
        return self._smooth(to_log(sampled), weight.astype(np.float32))

    def detail_of(self, colours: Floats) -> Floats:
        """(side, side, 3) log colours of a whole texture square, less their own slow light."""
        sampled = cv2.resize(colours, (SAMPLE_SIDE, SAMPLE_SIDE), interpolation=cv2.INTER_AREA)
        slow = self._smooth(sampled, self._surface.skin.astype(np.float32))
        return colours - upsampled(slow, colours.shape[0])

    def _smooth(self, colours: Floats, weight: Floats) -> Floats:
        luma = luma_of(colours)
        weight = weight * ~self._is_beard(luma, weight)
        slow = _normalised_blur(colours, weight, self._sigma)
        off = np.abs(colours - slow).max(-1)
        # Hard light has steep slopes of its own, so what is odd depends on the face.
        usual = float(np.median(off[weight > 0.05])) if (weight > 0.05).any() else 0.0
        weight = weight * np.clip(2 - off / max(OUTLIER, OUTLIER_TIMES * usual), 0, 1)
        slow = _normalised_blur(colours, weight, self._sigma)
        return cv2.resize(slow, (GRID_SIDE, GRID_SIDE), interpolation=cv2.INTER_AREA)

    def _is_beard(self, luma: Floats, weight: Floats) -> Floats:
        """Lower-face texels clearly darker than the cheeks of the same column."""
        heights = self._surface.heights
        cheek = weight * ((heights > 0.15) & (heights < 0.5))
        blur = {"sigmaX": self._sigma, "borderType": cv2.BORDER_CONSTANT}
        total = cv2.GaussianBlur(cheek.sum(0, keepdims=True), (0, 0), **blur)
        above = cv2.GaussianBlur((cheek * luma).sum(0, keepdims=True), (0, 0), **blur)
        expected = above / np.maximum(total, 1e-6)
        return (heights > 0.5) & (total > 1e-3) & (luma < expected - BEARD_DARKER)

    def _surface_of(self, values: Floats) -> Floats:
        ids, bary = self._corners
        return (values[ids] * bary[..., None]).sum(2)

    @cached_property
    def _surface(self) -> Surface:
        return Surface(self.topology, SAMPLE_SIDE)

    @property
    def _sigma(self) -> float:
        return self._surface.sigma_px(SIGMA_EYE_DISTANCES)

    @cached_property
    def _corners(self) -> tuple[Floats, Floats]:
        """For each texel its triangle's three points and their weights; they do not change."""
        surface = self._surface
        triangle = np.maximum(surface.ids, 0)
        points = self.topology.triangles[triangle]
        rows, columns = np.mgrid[:SAMPLE_SIDE, :SAMPLE_SIDE]
        at = (np.stack([columns, rows], -1) + 0.5) / SAMPLE_SIDE
        a, b, c = (self.topology.uv[points[..., k]] for k in range(3))
        area = _cross(b - a, c - a)
        second, third = _cross(at - a, c - a) / area, _cross(b - a, at - a) / area
        return points, np.stack([1 - second - third, second, third], -1).astype(np.float32)


def spread_light(grid: Floats, uv: Floats) -> Floats:
    """The light at texture places: ``grid`` (g, g, k), ``uv`` (h, w, 2) 0..1 -> (h, w, k)."""
    at = uv * grid.shape[0] - 0.5
    return cv2.remap(grid, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def upsampled(grid: Floats, side: int) -> Floats:
    """The light for every texel of a square texture."""
    return cv2.resize(grid, (side, side), interpolation=cv2.INTER_LINEAR)


def _normalised_blur(colours: Floats, weight: Floats, sigma: float) -> Floats:
    """Weighted Gaussian mean; where nothing is near, the mean of all."""
    weight = weight.astype(np.float32)
    total = float(weight.sum())
    if total < 1e-6:
        weight, total = np.ones_like(weight), float(weight.size)
    mean = (colours * weight[..., None]).sum((0, 1)) / total
    border = cv2.BORDER_CONSTANT
    near = cv2.GaussianBlur(colours * weight[..., None], (0, 0), sigma, borderType=border)
    support = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=border)[..., None]
    prior = 2e-3
    return ((near + prior * mean) / (support + prior)).astype(np.float32)


def _cross(a: Floats, b: Floats) -> Floats:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
