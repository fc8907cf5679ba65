"""The face mesh: 468 points, 898 triangles, and what each of them stands for.

The mesh is MediaPipe's canonical face model. It is one closed sheet: the eye openings and the
mouth opening are covered by triangles too, which here are told apart because nothing of the
source may be painted there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..types import Array, Floats

POINTS = 468  # without the ten iris points

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
EYE_IMAGE_LEFT = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
EYE_IMAGE_RIGHT = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
# The lids around each eye: lower from the outer to the inner corner, then upper back.
LIDS_IMAGE_LEFT = (130, 25, 110, 24, 23, 22, 26, 112, 243, 190, 56, 28, 27, 29, 30, 247)
LIDS_IMAGE_RIGHT = (359, 255, 339, 254, 253, 252, 256, 341, 463, 414, 286, 258, 257, 259, 260, 467)
LIPS_INNER = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
# Upper and lower lip where they meet, from corner to corner.
LIPS_SEAM = (
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
LIPS_OUTER = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
LIPS_BETWEEN = (
    62, 76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 292, 408, 304, 303, 302, 11, 72, 73,
    74, 184, 183, 42, 41, 38, 12, 268, 271, 272, 407, 325, 319, 403, 316, 15, 86, 179, 89, 96,
)  # fmt: skip
LIPS = LIPS_OUTER + LIPS_INNER + LIPS_BETWEEN
OPENINGS = LIPS + EYE_IMAGE_LEFT + EYE_IMAGE_RIGHT  # what moves when a face speaks and blinks
BROW_IMAGE_LEFT = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
BROW_IMAGE_RIGHT = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
NOSE = (168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 129, 358, 48, 278, 198, 420, 122, 351)
NOSE_TIP = (4, 1, 5, 45, 275, 220, 440, 48, 278)
NOSTRILS = (98, 240, 75, 166, 79, 2, 309, 392, 289, 305, 460, 327, 326, 97, 99, 328, 20, 250)

# Points that keep their place on the skull whatever the face does.
RIGID = (
    33, 133, 362, 263, 168, 6, 197, 195, 5, 8, 9, 151, 10, 67, 297, 109, 338, 193, 417, 122, 351,
    196, 419, 103, 332, 54, 284, 21, 251, 127, 356,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Topology:
    """The canonical mesh, turned into the image's axes (y down, z away from the camera)."""

    vertices: Floats  # (468, 3) centimetres
    uv: Floats  # (468, 2) 0..1, v down
    triangles: Array  # (898, 3) int32

    @classmethod
    def from_canonical(cls, vertices: Floats, uv: Floats, triangles: Array) -> Topology:
        """From MediaPipe's own axes: y up, the face looking towards +z."""
        return cls(vertices * np.float32([1, -1, -1]), uv, triangles.astype(np.int32))

    @cached_property
    def eye_triangles(self) -> Array:
        """(898,) bool: the eye openings."""
        return self._inside(EYE_IMAGE_LEFT) | self._inside(EYE_IMAGE_RIGHT)

    @cached_property
    def mouth_triangles(self) -> Array:
        """(898,) bool: the opening between the lips."""
        return self._inside(LIPS_INNER)

    @cached_property
    def opening_by_triangle(self) -> Array:
        """(898,) uint8: 1 for those of the eye openings, 2 for the mouth's, else 0."""
        return np.uint8(self.eye_triangles) + 2 * np.uint8(self.mouth_triangles)

    @cached_property
    def neighbours(self) -> Array:
        """(468, 468) bool: which points share an edge."""
        near = np.zeros((POINTS, POINTS), bool)
        for a, b in ((0, 1), (1, 2), (2, 0)):
            near[self.triangles[:, a], self.triangles[:, b]] = True
        return near | near.T

    @cached_property
    def heights(self) -> Floats:
        """(468,) 0 on the eye line, 1 at the chin, below 0 towards the crown."""
        down = self.vertices[:, 1]
        eyes = down[[33, 133, 362, 263]].mean()
        return (down - eyes) / (down[152] - eyes)

    @cached_property
    def rings_from_oval(self) -> Array:
        """(468,) int: how many edges lie between a point and the outline."""
        rings = np.full(POINTS, -1)
        front = np.zeros(POINTS, bool)
        front[list(OVAL)] = True
        ring = 0
        while front.any():
            rings[front] = ring
            front = self.neighbours[front].any(0) & (rings < 0)
            ring += 1
        return rings

    def _inside(self, ring: tuple[int, ...]) -> Array:
        return np.isin(self.triangles, ring).all(1)
