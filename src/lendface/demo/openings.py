"""What shows between the lids and between the lips."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from lendface.engine.mesh.pixelwise import smoothstep
from lendface.engine.mesh.topology import EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT, LIPS_INNER
from lendface.engine.types import Array, Floats, Pixels

from .expression import GAZE_CM

IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))  # middle first
IRIS_KEPT = 1.15  # of its radius; so much moves without being stretched

LASHES = 0.9
LASH_CM = 0.13
LASH_DARK = np.float32([0.72, 0.78, 0.8])  # how much of each colour it takes

MOUTH_RGB = np.float32([34, 14, 13])
TONGUE_RGB = np.float32([118, 58, 56])
TEETH_RGB = np.float32([200, 188, 174])
TEETH_CM = 0.50  # they show this far below the line between the closed lips
TOOTH_CM = 0.80
TONGUE_CM = (0.7, 1.25)  # below the same line: from dark to seen
ARCH = 0.30  # teeth and tongue are this much nearer to the lip line at the mouth's corners
SHADE_CM = 0.28  # the lips' shadow
EDGE_CM = 0.035
LEAST_OPENING_PX = 0.6
PLAIN_LUMA = 140.0  # of a face in ordinary light


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye of the portrait, in its pixels."""

    ring: tuple[int, ...]  # the points of the lids' edge, from a corner along the lower lid
    ring_xy: Floats  # (16, 2)
    iris_xy: Floats  # (5, 2) middle first
    reach_px: tuple[float, float]  # farthest glance
    cm: float

    @classmethod
    def pair(cls, landmarks_xyz: Floats, cm: float) -> tuple[Eye, Eye]:
        reach = (GAZE_CM[0] * cm, GAZE_CM[1] * cm)
        rings, irises = (EYE_IMAGE_LEFT, EYE_IMAGE_RIGHT), _irises_by_ring(landmarks_xyz)
        first, second = (
            cls(ring, landmarks_xyz[list(ring), :2], landmarks_xyz[list(iris), :2], reach, cm)
            for ring, iris in zip(rings, irises, strict=True)
        )
        return first, second

    def glance(self, places: Floats, at: Floats, gaze: tuple[float, float]) -> None:
        """Move the iris: change, in place, where an eye's pixels (h, w, 2+) are looked up.

        ``at`` (n, 2): the points in the picture.
        """
        places = places[window(at[list(self.ring)], 2)]
        x, y = places[..., 0], places[..., 1]
        (left, top), (right, bottom) = self.ring_xy.min(0), self.ring_xy.max(0)
        rows, columns = np.nonzero((x > left) & (x < right) & (y > top) & (y < bottom))
        x, y = x[rows, columns], y[rows, columns]
        upper, lower = self._lids(x)
        inside = (y > upper) & (y < lower)
        rows, columns, x, y = rows[inside], columns[inside], x[inside], y[inside]
        new_x, share = self._shifted(x, gaze[0] * self.reach_px[0])
        upper, lower = self._lids(new_x)
        new_y = y - share * gaze[1] * self.reach_px[1]
        places[rows, columns, 0] = new_x
        places[rows, columns, 1] = np.clip(new_y, np.minimum(y, upper), np.maximum(y, lower))

    def paint_lashes(self, picture: Floats, at: Floats, closed: float, scale: float) -> None:
        """The line of lashes over lids that meet, in place; ``at`` (n, 2) points in the picture."""
        strength = LASHES * float(smoothstep(np.float32(closed), 0.55, 1.0))
        if strength <= 0:
            return
        line = at[[self.ring[0], *self.ring[:7:-1]]]
        box = window(line, 6)
        alpha = np.zeros(picture[box].shape[:2], np.uint8)
        width = max(1, round(LASH_CM * self.cm * scale))
        points = np.rint((line - [box[1].start, box[0].start]) * 16).astype(np.int32)
        cv2.polylines(alpha, [points], False, 255, width, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(alpha.astype(np.float32) / 255, (0, 0), max(0.6, width * 0.45))
        picture[box] *= 1 - strength * soft[..., None] * LASH_DARK

    def _shifted(self, x: Floats, shift: float) -> tuple[Floats, Floats]:
        """Where to look instead; and 0..1 how much of the glance a place takes part in."""
        middle, reach = self.iris_xy[0, 0], IRIS_KEPT * np.ptp(self.iris_xy[1:, 0]) / 2
        ends = (self.ring_xy[:, 0].min(), self.ring_xy[:, 0].max())
        there = [ends[0], middle - reach + shift, middle + reach + shift, ends[1]]
        here = [ends[0], middle - reach, middle + reach, ends[1]]
        return np.interp(x, there, here), np.interp(x, there, [0, 1, 1, 0])

    def _lids(self, x: Floats) -> tuple[Floats, Floats]:
        """The height of the upper and the lower lid's edge at each x."""
        lower, upper = self.ring_xy[:9], np.concatenate([self.ring_xy[:1], self.ring_xy[:7:-1]])
        curves = [edge[np.argsort(edge[:, 0])] for edge in (upper, lower)]
        heights = [np.interp(x, edge[:, 0], edge[:, 1]) for edge in curves]
        return heights[0], heights[1]


def window(points_xy: Floats, margin_px: int) -> tuple[slice, slice]:
    """Rows and columns around some points of a picture."""
    low = np.maximum(np.floor(points_xy.min(0)).astype(int) - margin_px, 0)
    high = np.ceil(points_xy.max(0)).astype(int) + margin_px + 1
    return slice(int(low[1]), int(high[1])), slice(int(low[0]), int(high[0]))


def _irises_by_ring(landmarks_xyz: Floats) -> tuple[tuple[int, ...], tuple[int, ...]]:
    left = landmarks_xyz[list(EYE_IMAGE_LEFT), 0].mean()
    first, second = sorted(IRISES, key=lambda iris: abs(landmarks_xyz[iris[0], 0] - left))
    return first, second


@dataclass(frozen=True, eq=False)
class Mouth:
    """Teeth, tongue and the dark, which no closed mouth shows; fixed to the skull."""

    landmarks_xyz: Floats  # (478, 3) of the portrait
    cm: float  # pixels of the portrait
    portrait: Pixels
    triangles: Array  # ids of those between the lips
    finer: int  # how much finer the id grid is than the picture

    def paint(self, picture: Floats, fine_ids: Array, at: Floats, resting_xy: Floats) -> None:
        """Paint what shows between the lips into ``picture`` (h, w, 3), in place.

        ``at`` (n, 2): the points in the picture; ``resting_xy`` (n, 2): in the portrait.
        """
        ring = list(LIPS_INNER)
        if np.ptp(at[[13, 14], 1]) < LEAST_OPENING_PX:
            return
        box = window(at[ring], 3)
        shows, depth_cm = self._coverage(fine_ids, box, at, resting_xy)
        to_portrait, *_ = np.linalg.lstsq(
            np.column_stack([at[ring], np.ones(len(ring))]), resting_xy[ring], rcond=None
        )
        ys, xs = np.mgrid[box]
        places = np.stack([xs, ys, np.ones_like(xs)], -1) @ to_portrait
        inside = self._colours(places[..., 0], places[..., 1])
        inside *= (0.12 + 0.88 * smoothstep(depth_cm, 0, SHADE_CM))[..., None]
        picture[box] += shows[..., None] * (inside - picture[box])

    def _coverage(
        self, fine_ids: Array, box: tuple[slice, slice], at: Floats, resting_xy: Floats
    ) -> tuple[Floats, Floats]:
        """(h, w) 0..1 how much of a pixel lies between the lips, and how far from them, in cm."""
        fine_box = tuple(slice(part.start * self.finer, part.stop * self.finer) for part in box)
        mask = np.isin(fine_ids[fine_box], self.triangles).astype(np.uint8)
        away = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_5)
        size = (mask.shape[1] // self.finer, mask.shape[0] // self.finer)
        ends = [61, 291]
        shrunk = np.linalg.norm(np.diff(at[ends], axis=0)) / np.ptp(resting_xy[ends, 0])
        cm = self.cm * float(shrunk)
        soft = cv2.GaussianBlur(
            mask.astype(np.float32), (0, 0), max(EDGE_CM * cm, 0.5) * self.finer
        )
        shows = cv2.resize(soft, size, interpolation=cv2.INTER_AREA)
        return shows, cv2.resize(away, size, interpolation=cv2.INTER_AREA) / (self.finer * cm)

    def _colours(self, x: Floats, y: Floats) -> Floats:
        """(h, w, 3) RGB for places in the portrait."""
        across = (x - self._line[:, 0].mean()) / (np.ptp(self._line[:, 0]) / 2)
        below = (y - np.interp(x, self._line[:, 0], self._line[:, 1])) / self.cm
        below = below + ARCH * TEETH_CM * across**2
        colours = np.broadcast_to(MOUTH_RGB, (*x.shape, 3))
        tongue = smoothstep(below, *TONGUE_CM) * (1 - smoothstep(np.abs(across), 0.35, 0.85))
        colours = colours + tongue[..., None] * (TONGUE_RGB - colours)
        teeth = (1 - smoothstep(below, TEETH_CM - 0.06, TEETH_CM + 0.04))[..., None]
        return (colours + teeth * (self._teeth(across, x) - colours)) * self._exposure

    def _teeth(self, across: Floats, x: Floats) -> Floats:
        from_middle = np.abs(x - self._line[:, 0].mean()) / (self.cm * TOOTH_CM)
        to_gap = np.abs(from_middle - np.rint(from_middle))
        gaps = 1 - 0.16 * (1 - smoothstep(to_gap, 0.0, 0.09))
        round_the_corner = 1 - 0.75 * smoothstep(np.abs(across), 0.15, 0.95)
        return TEETH_RGB * (gaps * round_the_corner)[..., None]

    @cached_property
    def _line(self) -> Floats:
        """(11, 2) the line between the closed lips, from left to right."""
        lower, upper = list(LIPS_INNER[:11]), [LIPS_INNER[0], *LIPS_INNER[:9:-1]]
        return (self.landmarks_xyz[lower, :2] + self.landmarks_xyz[upper, :2]) / 2

    @cached_property
    def _exposure(self) -> float:
        hull = cv2.convexHull(np.rint(self.landmarks_xyz[:, :2]).astype(np.int32))
        mask = np.zeros(self.portrait.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, hull, 255)
        luma = float(np.dot(cv2.mean(self.portrait, mask)[:3], (0.299, 0.587, 0.114)))
        return float(np.clip(luma / PLAIN_LUMA, 0.55, 1.1))
