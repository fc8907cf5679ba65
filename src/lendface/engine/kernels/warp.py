"""A picture moved along a field of ways."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .quads import cubic_weights, put_mix16

BEFORE, BEHIND = 2, 4  # the last one is read and not used
ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)


@compiled(
    "void(float32[:,:,::1], boolean[:,::1], float32[:,:,::1], int64, int64, int64,float32[:,:,::1])"
)
def join_ways(
    around: Floats, is_face: Array, way: Floats, top: int, left: int, cell: int, joined: Floats
) -> None:
    """``joined`` (h, w, 2) becomes the mean way in each cell of ``cell`` x ``cell`` pixels.

    On the face, which lies at ``top`` and ``left``, ``way`` counts, else ``around``, which has
    the size of ``joined``.
    """
    height, width = is_face.shape
    part = ONE / np.float32(cell * cell)
    for y in range(joined.shape[0]):
        for x in range(joined.shape[1]):
            sum_x = sum_y = ZERO
            for row in range(cell * y - top, cell * (y + 1) - top):
                for column in range(cell * x - left, cell * (x + 1) - left):
                    if 0 <= row < height and 0 <= column < width and is_face[row, column]:
                        sum_x += way[row, column, 0]
                        sum_y += way[row, column, 1]
                    else:
                        sum_x += around[y, x, 0]
                        sum_y += around[y, x, 1]
            joined[y, x, 0] = part * sum_x
            joined[y, x, 1] = part * sum_y


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], boolean[:,::1], int64, int64, float32,"
    "float32[:,:,::1], float32[:,::1])"
)
def move(
    picture: Floats, way: Floats, is_face: Array, top: int, left: int, fade_in: np.float32,
    moved: Floats, changed: Floats,
) -> None:  # fmt: skip
    """``moved`` (h, w, 3): each pixel shows what lay one ``way`` back; cubic.

    ``picture`` is the one before with its edges repeated: ``BEFORE`` pixels above and to the left,
    ``BEHIND`` below and to the right. ``changed`` (h, w) 0..1 grows with the way's length,
    ``fade_in`` a pixel. Where it is 0 and no face is, the picture stays as it was. The face lies
    at ``top`` and ``left``.
    """
    height, width = changed.shape
    for y in range(height):
        has_face = 0 <= y - top < is_face.shape[0]
        for x in range(width):
            across, down = way[y, x, 0], way[y, x, 1]
            share = np.sqrt(across * across + down * down) * fade_in - HALF
            changed[y, x] = min(max(share, ZERO), ONE)
            on_face = has_face and 0 <= x - left < is_face.shape[1] and is_face[y - top, x - left]
            if share > ZERO or on_face:
                _sample(picture, np.float32(x) - across, np.float32(y) - down, moved, y, x)
            else:
                for c in range(3):
                    moved[y, x, c] = picture[y + BEFORE, x + BEFORE, c]


@inlined
def _sample(
    picture: Floats, at_x: np.float32, at_y: np.float32, out: Floats, y: int, x: int
) -> None:
    # Farther out than a pixel all is the repeated edge.
    at_x = min(max(at_x, -ONE), np.float32(out.shape[1]))
    at_y = min(max(at_y, -ONE), np.float32(out.shape[0]))
    left, top = int(at_x + ONE), int(at_y + ONE)  # of the four by four pixels, counted with edges
    across = cubic_weights(at_x + ONE - np.float32(left))
    along = cubic_weights(at_y + ONE - np.float32(top))
    down = 3 * picture.shape[1]
    at, to = top * down + 3 * left, (y * out.shape[1] + x) * 3
    put_mix16(picture, at, 3, down, across, along, out, to)
