"""What of a face is another thing: hair, and the light without which others are told."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined

F = np.float32
ZERO, HALF, ONE, TWO, THREE = F(0), F(0.5), F(1), F(2), F(3)


@compiled(
    "void(float32[:,::1], float32[::1], float32[:,::1], float32[::1], int64, float32, float32,"
    "float32[:,::1], float32[::1])"
)
def fit_plane(
    places: Floats, trust: Floats, values: Floats, stiff: Floats, rounds: int, doubt: np.float32,
    least: np.float32, slope: Floats, usual: Floats,
) -> None:  # fmt: skip
    """``slope`` (3, 3): three planes over ``places`` (n, 3), which are 1, x and y, through
    ``values`` (n, 3), held back by ``stiff`` (3,); ``usual`` (1,) the median residual before the
    last round.

    Iteratively reweighted, Geman and McClure: ``doubt`` times the median residual, which counts as
    ``least`` at least, is where a value begins to lose its weight. ``slope`` comes with a start.
    """
    count = len(trust)
    off = np.empty(count, F)
    for _ in range(rounds):
        for k in range(count):
            most = ZERO
            for c in range(3):
                plane = slope[0, c] + places[k, 1] * slope[1, c] + places[k, 2] * slope[2, c]
                most = max(most, abs(values[k, c] - plane))
            off[k] = most
        usual[0] = np.median(off)
        scale = ONE / (doubt * max(usual[0], least))
        matrix, right = np.zeros((3, 3), np.float64), np.zeros((3, 3), np.float64)
        for k in range(count):
            near = off[k] * scale
            near *= near
            weight = trust[k] / (ONE + near * near)
            for i in range(3):
                for j in range(3):
                    matrix[i, j] += weight * places[k, i] * places[k, j]
                    right[i, j] += weight * places[k, i] * values[k, j]
        for i in range(3):
            matrix[i, i] += stiff[i]
        # Gauss without exchange of rows: the matrix is symmetric and positive.
        for i in range(3):
            for j in range(i + 1, 3):
                share = matrix[j, i] / matrix[i, i]
                for c in range(3):
                    matrix[j, c] -= share * matrix[i, c]
                    right[j, c] -= share * right[i, c]
        for i in range(2, -1, -1):
            for c in range(3):
                value = right[i, c]
                for j in range(i + 1, 3):
                    value -= matrix[i, j] * slope[j, c]
                slope[i, c] = value / matrix[i, i]


@compiled(
    "void(float32[:,::1], Array(float32, 3, 'A'), float32, float32, float32[:,::1], float32[:,::1])"
)
def tell_hair(
    off: Floats, uv: Array, eyes: np.float32, chin: np.float32, limits: Floats, out: Floats
) -> None:
    """``out`` (h, w) 0..1: what is dark or bright, ``off`` its light, on forehead and sides.

    ``uv`` (h, w, 2) are texture places, in which ``eyes`` and ``chin`` are heights. ``limits``
    (5, 2) are from where to where things count: darker, brighter, up on the forehead, away from
    the middle, and up at the side, both in heights of the face above its eyes.
    """
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            up = (eyes - uv[y, x, 1]) / (chin - eyes)
            forehead, aside = _step(up, limits, 2), _step(abs(uv[y, x, 0] - HALF), limits, 3)
            where = max(forehead, aside * _step(up, limits, 4))
            out[y, x] = where * max(_step(-off[y, x], limits, 0), _step(off[y, x], limits, 1))


@inlined
def _step(value: np.float32, limits: Floats, which: int) -> np.float32:
    low, high = limits[which, 0], limits[which, 1]
    t = min(max((value - low) / (high - low), ZERO), ONE)
    return t * t * (THREE - TWO * t)
