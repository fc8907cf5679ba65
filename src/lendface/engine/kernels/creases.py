"""Showing the target's creases on painted skin, pixel by pixel."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .curves import exp, log, tanh
from .luma import BLUE, GREEN, RED

F = np.float32
ZERO, HALF, ONE, TWO, THREE = F(0), F(0.5), F(1), F(2), F(3)
LEAST = F(1e-3)
LOG_OFFSET = F(8)


@inlined
def _smoothstep(value: np.float32, low: np.float32, high: np.float32) -> np.float32:
    t = min(max((value - low) / (high - low), ZERO), ONE)
    return t * t * (THREE - TWO * t)


@compiled(
    "void(float32[:,:,::1], float32[:,::1], float32[:,:,::1], boolean[:,::1], float32[:,::1],"
    "float32[:,::1], float32[:,:,::1], int64, float32[::1], float32[:,:,::1], float32[:,::1])"
)
def compare(
    skin: Floats, luma: Floats, uv: Floats, is_face: Array, depth: Floats, facing: Floats,
    zones: Floats, step: int, ramps: Floats, seen: Floats, where: Floats,
) -> None:  # fmt: skip
    """Log luma of both, target and skin, at each ``step``-th pixel, and where creases may be shown.

    ``skin`` (.., .., 3) RGB, ``uv``, ``is_face``, ``depth`` and ``facing`` belong to the whole
    patch; ``luma`` (h, w) log is the target's; ``zones`` (s, s, 2) 0..1, over the texture square,
    say where and what is skin. ``ramps`` (4,): of depth and of facing, from 0 to 1. Out come
    ``seen`` (h, w, 3), both lumas times what is skin, and that; and ``where`` (h, w) 0..1.
    """
    height, width = luma.shape
    side = zones.shape[0]
    last = F(side - 1)
    for k in range(height):
        y = k * step
        for j in range(width):
            x = j * step
            if not is_face[y, x]:
                seen[k, j, 0] = seen[k, j, 1] = seen[k, j, 2] = where[k, j] = ZERO
                continue
            at_x = min(max(uv[y, x, 0] * F(side) - HALF, ZERO), last)
            at_y = min(max(uv[y, x, 1] * F(side) - HALF, ZERO), last)
            column, row = min(int(at_x), side - 2), min(int(at_y), side - 2)
            tx, ty = at_x - F(column), at_y - F(row)
            upper, lower = (ONE - ty) * (ONE - tx), ty * (ONE - tx)
            upper_next, lower_next = (ONE - ty) * tx, ty * tx
            share = upper * zones[row, column, 0] + upper_next * zones[row, column + 1, 0]
            share += lower * zones[row + 1, column, 0] + lower_next * zones[row + 1, column + 1, 0]
            known = upper * zones[row, column, 1] + upper_next * zones[row, column + 1, 1]
            known += lower * zones[row + 1, column, 1] + lower_next * zones[row + 1, column + 1, 1]
            shade = RED * max(skin[y, x, 0], ZERO) + GREEN * max(skin[y, x, 1], ZERO)
            shade = log(shade + BLUE * max(skin[y, x, 2], ZERO) + LOG_OFFSET)
            seen[k, j, 0], seen[k, j, 1], seen[k, j, 2] = known * luma[k, j], known * shade, known
            inside = _smoothstep(depth[y, x], ramps[0], ramps[1])
            where[k, j] = share * known * inside * _smoothstep(facing[y, x], ramps[2], ramps[3])


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,::1], int64,"
    "float32[::1], float32[:,:,::1])"
)
def deepen(
    fine: Floats, middle: Floats, broad: Floats, where: Floats, step: int, manner: Floats,
    skin: Floats,
) -> None:  # fmt: skip
    """``skin`` (.., .., 3) RGB, changed in place, gets as dark as the target's creases.

    The first three are ``seen`` (h, w, 3) of ``compare``, blurred more and more; ``where`` (h, w)
    0..1. ``manner`` (5,): how much of a crease is shown, what of it is none, log, the most a pixel
    changes, log, and between which darknesses something broad is a beard.
    """
    height, width = where.shape
    change = np.zeros((height + 1, width + 1), F)
    for k in range(height):
        for j in range(width):
            if where[k, j] <= LEAST:
                continue
            target, painted = _mean(fine, k, j, 0), _mean(fine, k, j, 1)
            target_soft, painted_soft = _mean(middle, k, j, 0), _mean(middle, k, j, 1)
            target_slow, painted_slow = _mean(broad, k, j, 0), _mean(broad, k, j, 1)
            deeper = _missing(target - target_soft, painted - painted_soft, manner)
            deeper += _missing(target_soft - target_slow, painted_soft - painted_slow, manner)
            deeper *= where[k, j] * (ONE - _smoothstep(-target_slow, manner[3], manner[4]))
            change[k, j] = -manner[2] * tanh(deeper / manner[2])
    change[height], change[:, width] = change[height - 1], change[:, width - 1]
    per_step = ONE / F(step)
    for row in range(height):
        for column in range(width):
            here, right = change[row, column], change[row, column + 1]
            below, across = change[row + 1, column], change[row + 1, column + 1]
            if here + right + below + across >= ZERO:  # none is above 0
                continue
            for y in range(row * step, min((row + 1) * step, skin.shape[0])):
                ty = F(y - row * step) * per_step
                first, second = here + ty * (below - here), right + ty * (across - right)
                for x in range(column * step, min((column + 1) * step, skin.shape[1])):
                    factor = exp(first + F(x - column * step) * per_step * (second - first))
                    for c in range(3):
                        skin[y, x, c] = factor * (skin[y, x, c] + LOG_OFFSET) - LOG_OFFSET


@inlined
def _mean(values: Floats, k: int, j: int, which: int) -> np.float32:
    return values[k, j, which] / max(values[k, j, 2], LEAST)


@inlined
def _missing(target: np.float32, painted: np.float32, manner: Floats) -> np.float32:
    """How much darker a band of the target is than one of the painted skin."""
    wanted = manner[0] * min(target + manner[1], ZERO)
    return max(min(painted, ZERO) - wanted, ZERO)
