"""What is finest in a picture: its noise, and how sharp it is."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .luma import BLUE, GREEN, RED

F, U = np.float32, np.uintp
ZERO = F(0)
START, ONE_MORE, TWO_MORE, THREE = U(0), U(1), U(2), U(3)
REACH = 4  # pixels on either side that a fine blur takes
# A Gaussian of one pixel, from the middle outwards.
G0, G1, G2, G3, G4 = F(0.39894346), F(0.24197145), F(0.05399112), F(0.00443186), F(0.00013383)
TAPS = U(0), U(1), U(2), U(3), U(4), U(5), U(6), U(7), U(8)
BOX_REACH, PER_BOX = 2, F(1 / 25)


@compiled("void(float32[:,:,::1], int64, int64, float32[:,::1])")
def luma(picture: Floats, top: int, left: int, out: Floats) -> None:
    """``out`` (h, w): luma of ``picture`` (.., .., 3) RGB from ``top`` and ``left`` on."""
    width = U(out.shape[1])
    for y in range(out.shape[0]):
        row = picture[y + top, left : left + out.shape[1]].reshape(3 * out.shape[1])
        to = out[y]
        for x in range(START, width):
            red, green = row[THREE * x], row[THREE * x + ONE_MORE]
            to[x] = RED * red + GREEN * green + BLUE * row[THREE * x + TWO_MORE]


@compiled("void(float32[:,::1], boolean[:,::1], int64, float32, float32[:,::1], int32[::1])")
def fine(
    luma: Floats, where: Array, step: int, bins: np.float32, out: Floats, counts: Array
) -> None:
    """``out`` (h, w): what a Gaussian of one pixel takes from ``luma``.

    ``counts`` (n,): how often each size of it occurs at every ``step``-th pixel of ``where``, with
    ``bins`` of them for each 1.
    """
    height, width = luma.shape
    wide = np.empty(width + 2 * REACH, F)
    for y in range(height):
        a, b = luma[_mirrored(y - 4, height)], luma[_mirrored(y - 3, height)]
        c, d = luma[_mirrored(y - 2, height)], luma[_mirrored(y - 1, height)]
        e, f = luma[_mirrored(y + 1, height)], luma[_mirrored(y + 2, height)]
        g, h = luma[_mirrored(y + 3, height)], luma[_mirrored(y + 4, height)]
        here, middle = luma[y], wide[REACH : REACH + width]
        for x in range(width):
            near = G0 * here[x] + G1 * (d[x] + e[x]) + G2 * (c[x] + f[x])
            middle[x] = near + G3 * (b[x] + g[x]) + G4 * (a[x] + h[x])
        for k in range(1, REACH + 1):
            wide[REACH - k] = middle[_mirrored(-k, width)]
            wide[REACH + width - 1 + k] = middle[_mirrored(width - 1 + k, width)]
        t0, t1, t2, t3, t4, t5, t6, t7, t8 = TAPS
        to = out[y]
        for x in range(START, U(width)):
            soft = G0 * wide[x + t4] + G1 * (wide[x + t3] + wide[x + t5])
            soft += G2 * (wide[x + t2] + wide[x + t6]) + G3 * (wide[x + t1] + wide[x + t7])
            to[x] = here[x] - soft - G4 * (wide[x + t0] + wide[x + t8])
        if y % step == 0:
            for x in range(0, width, step):
                if where[y, x]:
                    counts[min(int(abs(to[x]) * bins), len(counts) - 1)] += 1


@compiled("void(float32[:,::1], float32[:,::1], float64[::1])")
def sharpness(luma: Floats, where: Floats, steps: Floats) -> None:
    """``steps`` (2,): the squared steps between neighbours, of ``luma`` and of a small blur of it.

    They count where both pixels are in ``where`` (h, w), 0 or 1.
    """
    height, width = luma.shape
    sums, wide = np.empty(width + 2 * BOX_REACH, F), np.zeros((2, width), F)
    every = kept = 0.0
    for y in range(height):
        a, b = luma[_mirrored(y - 2, height)], luma[_mirrored(y - 1, height)]
        c, d = luma[_mirrored(y + 1, height)], luma[_mirrored(y + 2, height)]
        here, middle = luma[y], sums[BOX_REACH : BOX_REACH + width]
        for x in range(width):
            middle[x] = a[x] + b[x] + here[x] + c[x] + d[x]
        for k in range(1, BOX_REACH + 1):
            sums[BOX_REACH - k] = middle[_mirrored(-k, width)]
            sums[BOX_REACH + width - 1 + k] = middle[_mirrored(width - 1 + k, width)]
        soft, before = wide[y & 1], wide[1 - (y & 1)]
        t0, t1, t2, t3, t4 = TAPS[0], TAPS[1], TAPS[2], TAPS[3], TAPS[4]
        for x in range(START, U(width)):
            soft[x] = PER_BOX * (
                sums[x + t0] + sums[x + t1] + sums[x + t2] + sums[x + t3] + sums[x + t4]
            )
        mask, line_every, line_kept = where[y], ZERO, ZERO
        for x in range(START, U(max(width - 1, 0))):
            both = mask[x] * mask[x + ONE_MORE]
            step, soft_step = here[x + ONE_MORE] - here[x], soft[x + ONE_MORE] - soft[x]
            line_every += both * step * step
            line_kept += both * soft_step * soft_step
        if y:
            above = where[y - 1]
            for x in range(width):
                both = mask[x] * above[x]
                step, soft_step = here[x] - b[x], soft[x] - before[x]
                line_every += both * step * step
                line_kept += both * soft_step * soft_step
        every += line_every
        kept += line_kept
    steps[0], steps[1] = every, kept


@inlined
def _mirrored(place: int, size: int) -> int:
    """A place beyond the edge is the one as far inside; the edge itself is not repeated."""
    if size == 1:
        return 0
    place = abs(place) % (2 * size - 2)
    return min(place, 2 * size - 2 - place)
