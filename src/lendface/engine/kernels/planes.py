"""Decoded planes as the engine sees them."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled

F, U = np.float32, np.uintp
ZERO, QUARTER, ONE, WHITE = F(0), F(0.25), F(1), F(255)
START, NEXT, PAIR, THREE = U(0), U(1), U(2), U(3)


@compiled(
    "void(Array(uint8, 2, 'A', True), Array(uint8, 2, 'A', True), Array(uint8, 2, 'A', True),"
    "int64, int64, float32, float32, float32[:,::1], float32[:,:,::1])"
)
def to_rgb(
    luma: Array, first: Array, second: Array, top: int, left: int, lean_even: np.float32,
    lean_odd: np.float32, matrix: Floats, rgb: Floats,
) -> None:  # fmt: skip
    """``rgb`` (h, w, 3) 0..255 of a box at ``top`` and ``left`` of 4:2:0 planes.

    Chroma is bilinear. In the middle of two luma rows lies one of chroma; an even column takes
    ``lean_even`` of the chroma left of it, an odd one ``lean_odd`` of that to its right.
    ``matrix`` (3, 4) turns codes into colours.
    """
    height, width = rgb.shape[0], rgb.shape[1]
    begin = left >> 1
    count = ((left + width - 1) >> 1) - begin + 1
    # One more chroma sample on either side of the row, and room for a luma sample to its left.
    cells = np.empty(count + 2, F)
    tints = np.empty((2, 2 * count), F)
    row = rgb.reshape(height, 3 * width)
    size, stay_even, stay_odd = U(width), ONE - lean_even, ONE - lean_odd
    for y in range(height):
        upper = (top + y - 1) >> 1
        share = QUARTER if (top + y) & 1 else F(0.75)
        for number in range(2):
            plane = first if number == 0 else second
            above = plane[max(upper, 0)]
            below = plane[min(upper + 1, plane.shape[0] - 1)]
            for k in range(count + 2):
                column = min(max(begin + k - 1, 0), plane.shape[1] - 1)
                a, b = F(above[column]), F(below[column])
                cells[k] = a + share * (b - a)
            tint = tints[number]
            for k in range(START, U(count)):
                here = cells[k + NEXT]
                tint[PAIR * k] = lean_even * cells[k] + stay_even * here
                tint[PAIR * k + NEXT] = stay_odd * here + lean_odd * cells[k + PAIR]
        codes, out = luma[top + y, left : left + width], row[y]
        blue, red = tints[0, left & 1 :], tints[1, left & 1 :]
        for x in range(START, size):
            code, tint_blue, tint_red = F(codes[x]), blue[x], red[x]
            for c in range(3):
                value = matrix[c, 0] * code + matrix[c, 1] * tint_blue + matrix[c, 2] * tint_red
                out[THREE * x + U(c)] = min(max(value + matrix[c, 3], ZERO), WHITE)
