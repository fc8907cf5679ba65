"""The picture around a face, moved a little so that jaw and cheeks may take another outline."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from .. import kernels
from ..types import Array, Box, Floats
from .pixelwise import averaged, smoothstep
from .raster import painted_ids
from .sheet import Sheet
from .topology import OVAL

REACH = 0.45  # eye distances from the outline within which the picture gives way
RINGS = (-0.25, 0.0, 0.35, 0.7, 1.0)  # of the reach; the first lies inside the face
COARSE = (14.0, 4)  # a step as large as this part of the eye distance, and the largest, pixels
SEEN_PX = 0.1  # a shift of the outline this small is none
FADE_IN = np.float32(12)  # moved by 1/24 a pixel shows the old picture, by 1/8 the moved one


@dataclass(frozen=True, eq=False)
class Bend:
    """Where the picture gives way to a face whose outline moves."""

    box: Box  # all that may change: the face and its surroundings
    face_box: Box  # the face alone; inside of ``box``
    rings_xy: Floats  # (5 * 36, 2) pixels of the frame, from inside the outline outwards
    shifts_xy: Floats  # (5 * 36, 2) pixels they moved; 0 on the last ring
    step: int  # pixels; what changes so smoothly need not be worked out for each

    def grown(self, points_xy: Floats, size_wh: tuple[int, int]) -> Bend:
        """The same with points (n, 2) of the frame in its box."""
        return replace(self, box=_grown(self.box, points_xy).clipped(size_wh))

    @property
    def cell(self) -> int:
        """Evened out over more, ways are known on every other pixel."""
        return min(self.step, 2)

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the face's rows and columns lie in the box."""
        x, y = self.face_box.x0 - self.box.x0, self.face_box.y0 - self.box.y0
        return slice(y, y + self.face_box.height), slice(x, x + self.face_box.width)

    def apply(self, picture: Floats, sheet: Sheet) -> tuple[Floats, Floats]:
        """(h, w, 3) the picture after the move, and (h, w) 0..1 where it is another one.

        ``picture`` (h, w, 3) is what ``box`` shows, ``sheet`` the face on ``face_box``.
        """
        return self.moved(picture, sheet, self.ways(sheet))

    def moved(self, picture: Floats, sheet: Sheet, ways: Floats) -> tuple[Floats, Floats]:
        """The same, by ``ways`` (gh, gw, 2): how far each cell of ``cell`` pixels has come."""
        moved, changed = np.empty_like(picture), np.empty(picture.shape[:2], np.float32)
        top, left = (part.start for part in self.inner)
        kernels.warp.move(
            picture, ways, self.cell, sheet.is_face, top, left, FADE_IN, moved, changed
        )
        return moved, changed

    def ways(self, sheet: Sheet) -> Floats:
        """(gh, gw, 2) pixels by which the picture moves, on cells of ``cell``: what the face and
        its outline ask for, evened out over some pixels, because a fold would tear it."""
        cell = self.cell
        size = tuple(-(-side // cell) for side in (self.box.width, self.box.height))
        around, way = self._shift(size), np.empty((*size[::-1], 2), np.float32)
        top, left = (part.start for part in self.inner)
        kernels.warp.join_ways(around, sheet.is_face, sheet.way_xy, top, left, cell, way)
        # Taking means of cells and going back to pixels evens it out too.
        return averaged(way, 2 * self.step + 1, cell, softened=(1 - 1 / cell**2) / 4)

    def _shift(self, size: tuple[int, ...]) -> Floats:
        """(h, w, 2) pixels by which the picture moved, outside of the face and on its rim; on a
        grid of ``size`` cells."""
        coarse = tuple(-(-side // self.step) for side in (self.box.width, self.box.height))
        scale = np.float32(coarse) / np.float32([self.box.width, self.box.height])
        at = (self.rings_xy - np.float32(self.box[:2]) + 0.5) * scale - 0.5
        ids = painted_ids(at, TRIANGLES, EVERY_TRIANGLE, coarse)
        affines = np.empty((len(TRIANGLES), 2, 3), np.float32)
        kernels.raster.fit(at, self.shifts_xy, TRIANGLES, affines)
        shift = np.empty((*ids.shape, 2), np.float32)
        kernels.raster.spread(ids, affines, shift)
        return cv2.resize(shift, size)


def bend_around(
    points_xy: Floats, moved_xy: Floats, face_box: Box, size_wh: tuple[int, int], eye_px: float
) -> Bend:
    """The bend for a face found at ``points_xy`` and painted at ``moved_xy``, both (468, 2).

    Where the outline stays, the picture around the face stays too and ``box`` is the face's.
    """
    outline, shift = moved_xy[_RING], moved_xy[_RING] - points_xy[_RING]
    away = outline - outline.mean(0)
    away *= REACH * eye_px / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    fades = 1 - smoothstep(np.float32(RINGS), 0, 1)
    goes = np.linalg.norm(shift, axis=1) > SEEN_PX
    return Bend(
        box=_grown(face_box, (outline + away)[goes]).clipped(size_wh),
        face_box=face_box,
        rings_xy=np.concatenate([outline + part * away for part in RINGS]).astype(np.float32),
        shifts_xy=np.concatenate([fade * shift for fade in fades]).astype(np.float32),
        step=max(1, min(int(eye_px / COARSE[0]), COARSE[1])),
    )


def _grown(box: Box, points_xy: Floats) -> Box:
    """The box with the points in it."""
    low, high = (np.float32(corner)[None] for corner in (box[:2], box[2:]))
    low = np.floor(np.concatenate([low, points_xy]).min(0)).astype(int)
    high = np.ceil(np.concatenate([high, points_xy + 1]).max(0)).astype(int)
    return Box(*low.tolist(), *high.tolist())


def _ring_triangles() -> Array:
    here = np.arange(len(OVAL))
    after, outside = (here + 1) % len(OVAL), here + len(OVAL)
    outside_after = after + len(OVAL)
    strip = np.concatenate(
        [np.stack([here, after, outside], 1), np.stack([after, outside_after, outside], 1)]
    )
    strips = [strip + len(OVAL) * k for k in range(len(RINGS) - 1)]
    return np.concatenate(strips).astype(np.int32)


_RING = list(OVAL)
TRIANGLES = _ring_triangles()
EVERY_TRIANGLE = np.arange(len(TRIANGLES))
