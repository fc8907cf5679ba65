"""A picture moved along a field of ways."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .quads import cubic_weights, put_mix16

F, U = np.float32, np.uintp
OUT = 2  # pixels beyond the edge that a mean of four by four may begin
READ = 6  # pixels of a row that are read for four
ZERO, QUARTER, HALF, THREE_QUARTERS, ONE = F(0), F(0.25), F(0.5), F(0.75), F(1)
START, NEXT, PAIR, LAST, QUAD = U(0), U(1), U(2), U(3), U(4)


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
        row = cell * y - top
        for x in range(joined.shape[1]):
            column = cell * x - left
            if not (-cell < row < height and -cell < column < width):
                joined[y, x, 0], joined[y, x, 1] = around[y, x, 0], around[y, x, 1]
                continue
            if cell == 2 and 0 <= row < height - 1 and 0 <= column < width - 1:
                upper = is_face[row, column] and is_face[row, column + 1]
                if upper and is_face[row + 1, column] and is_face[row + 1, column + 1]:
                    for c in range(2):
                        sums = way[row, column, c] + way[row, column + 1, c]
                        sums += way[row + 1, column, c] + way[row + 1, column + 1, c]
                        joined[y, x, c] = part * sums
                    continue
            sum_x = sum_y = ZERO
            for j in range(row, row + cell):
                for i in range(column, column + cell):
                    if 0 <= j < height and 0 <= i < width and is_face[j, i]:
                        sum_x += way[j, i, 0]
                        sum_y += way[j, i, 1]
                    else:
                        sum_x += around[y, x, 0]
                        sum_y += around[y, x, 1]
            joined[y, x, 0] = part * sum_x
            joined[y, x, 1] = part * sum_y


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], int64, boolean[:,::1], int64, int64, float32,"
    "float32[:,:,::1], float32[:,::1])"
)
def move(
    picture: Floats, way: Floats, cell: int, is_face: Array, top: int, left: int,
    fade_in: np.float32, moved: Floats, changed: Floats,
) -> None:  # fmt: skip
    """``moved`` (h, w, 3): each pixel shows what lay one ``way`` back; cubic.

    ``way`` is known in cells of ``cell``, one or two, pixels, and is linear between their middles.
    ``picture`` (h, w, 3) is the one before; beyond its edges they are repeated. ``changed``
    (h, w) 0..1 grows with the way's length, ``fade_in`` a pixel. Where it is 0 and no face is,
    the picture stays as it was. The face lies at ``top`` and ``left``.
    """
    height, width = changed.shape
    cells, size = way.shape[1], U(width)
    late = np.empty(width, np.int32)
    wide = np.empty(2 * cells + 4, F)
    ways = np.empty((2, cell * cells), F)
    starts, tops = np.empty(width, np.int32), np.empty(width, np.int32)
    across, along = np.empty(4 * width, F), np.empty(4 * width, F)
    last_x, last_y = F(width), F(height)
    for y in range(height):
        _ways_of_row(way, cell, y, wide, ways)
        way_x, way_y, change = ways[0, :width], ways[1, :width], changed[y]
        for x in range(START, size):
            length = np.sqrt(way_x[x] * way_x[x] + way_y[x] * way_y[x])
            change[x] = min(max(length * fade_in - HALF, ZERO), ONE)
        # Farther out than a pixel all is the repeated edge. Of the four by four pixels, counted
        # from two pixels out, ``starts`` and ``tops`` are the first.
        for x in range(START, size):
            at = min(max(F(np.int32(x)) - way_x[x], -ONE), last_x) + ONE
            first = np.int32(at)
            starts[x] = first
            w0, w1, w2, w3 = cubic_weights(at - F(first))
            across[QUAD * x], across[QUAD * x + NEXT] = w0, w1
            across[QUAD * x + PAIR], across[QUAD * x + LAST] = w2, w3
        for x in range(START, size):
            at = min(max(F(y) - way_y[x], -ONE), last_y) + ONE
            first = np.int32(at)
            tops[x] = first
            w0, w1, w2, w3 = cubic_weights(at - F(first))
            along[QUAD * x], along[QUAD * x + NEXT] = w0, w1
            along[QUAD * x + PAIR], along[QUAD * x + LAST] = w2, w3
        has_face = 0 <= y - top < is_face.shape[0]
        count = 0
        for x in range(width):
            on_face = has_face and 0 <= x - left < is_face.shape[1] and is_face[y - top, x - left]
            if on_face or change[x] > ZERO:
                first_x, first_y = np.int64(starts[x]) - OUT, np.int64(tops[x]) - OUT
                if 0 <= first_x <= width - READ and 0 <= first_y <= height - 4:
                    at_pixel, to = 3 * (first_y * width + first_x), 3 * (y * width + x)
                    put_mix16(picture, at_pixel, 3 * width, across, along, 4 * x, moved, to)
                else:
                    late[count] = x
                    count += 1
            else:
                for c in range(3):
                    moved[y, x, c] = picture[y, x, c]
        for k in range(count):
            x = late[k]
            _sample_at_edge(
                picture, starts[x] - OUT, tops[x] - OUT, across, along, 4 * x, moved, y, x
            )


@inlined
def _sample_at_edge(
    picture: Floats, left: int, top: int, across: Floats, along: Floats, at: int, out: Floats,
    y: int, x: int,
) -> None:  # fmt: skip
    last_y, last_x = picture.shape[0] - 1, picture.shape[1] - 1
    for c in range(3):
        total = ZERO
        for j in range(4):
            row, line = min(max(top + j, 0), last_y), ZERO
            for i in range(4):
                line += across[at + i] * picture[row, min(max(left + i, 0), last_x), c]
            total += along[at + j] * line
        out[y, x, c] = total


@inlined
def _ways_of_row(way: Floats, cell: int, y: int, wide: Floats, ways: Floats) -> None:
    """``ways`` (2, w): across and down, at each pixel of a row."""
    rows, cells = way.shape[0], way.shape[1]
    if cell == 1:
        for x in range(cells):
            ways[0, x], ways[1, x] = way[y, x, 0], way[y, x, 1]
        return
    above = (y - 1) >> 1
    share = QUARTER if y & 1 else THREE_QUARTERS
    upper = way[max(above, 0)].reshape(2 * cells)
    lower = way[min(above + 1, rows - 1)].reshape(2 * cells)
    inside = wide[2 : 2 + 2 * cells]
    for x in range(2 * cells):
        inside[x] = upper[x] + share * (lower[x] - upper[x])
    for c in range(2):
        wide[c], wide[2 * cells + 2 + c] = wide[2 + c], wide[2 * cells + c]
    for c in range(2):
        line, part = ways[c], wide[c : c + 2 * cells + 3]
        for x in range(START, U(cells)):
            before, here, after = part[PAIR * x], part[PAIR * x + PAIR], part[PAIR * x + QUAD]
            line[PAIR * x] = here + QUARTER * (before - here)
            line[PAIR * x + NEXT] = here + QUARTER * (after - here)
