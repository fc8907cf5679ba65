"""The painted face put on the picture that was moved for it."""

from __future__ import annotations

import numpy as np

from ..types import Floats
from .compiled import compiled, inlined

F, U = np.float32, np.uintp
START, THREE_OF = U(0), U(3)
ZERO, ONE, TWO, THREE = F(0), F(1), F(2), F(3)
LEAST, WHITE = F(1e-3), F(255)


@compiled(
    "void(float32[:,:,::1], float32[:,::1], float32[:,:,::1], float32[:,::1], float32,"
    "float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], int64, float32[:,::1],"
    "int64, int64)"
)
def join(
    pixels: Floats, shown: Floats, skin: Floats, grain: Floats, grain_limit: np.float32,
    openings: Floats, depth: Floats, facing: Floats, hair: Floats, hair_step: int,
    edge: Floats, top: int, left: int,
) -> None:  # fmt: skip
    """The moved picture, ``pixels`` (h, w, 3), gets the face, and stays within 0..255.

    ``shown`` (h, w) 0..1, how far the picture is another one, becomes how much of all that shows.
    The face lies at ``top`` and ``left``: ``skin`` gets ``grain`` within its limit, shows the
    picture as far as ``openings`` say, and ends where ``depth`` from the rim, ``facing`` the
    camera and ``hair``, known at every ``hair_step``-th pixel, say. A pixel faces the camera as
    much as one beside it does: a line of steep ones, as where the nose hides the far cheek, would
    let the target through. ``edge`` (3, 2): from where to where the rim becomes full, what turns
    away does, and what is deep inside does anyway.
    """
    height, width = depth.shape
    alphas, shares, noises = np.empty(width, F), np.empty(width, F), np.empty(width, F)
    size, lines = U(width), pixels.reshape(pixels.shape[0], 3 * pixels.shape[1])
    faces = skin.reshape(height, 3 * width)
    for y in range(shown.shape[0]):
        # Where nothing was moved the picture is within its range anyway.
        line = lines[y]
        for place in range(len(line)):
            line[place] = min(max(line[place], ZERO), WHITE)
    for y in range(height):
        row = y + top
        near, upper, lower = depth[y], facing[max(y - 1, 0)], facing[min(y + 1, height - 1)]
        middle = facing[y]
        for x in range(START, size):
            alphas[x] = max(max(upper[x], lower[x]), middle[x])
        before = alphas[0]
        for x in range(width):
            here = alphas[x]
            alphas[x] = max(max(before, here), alphas[min(x + 1, width - 1)])
            before = here
        for x in range(START, size):
            alpha = _step(near[x], edge[0, 0], edge[0, 1])
            turned = _step(alphas[x], edge[1, 0], edge[1, 1])
            alphas[x] = alpha * max(turned, _step(near[x], edge[2, 0], edge[2, 1]))
        for x in range(width):
            alphas[x] *= ONE - _between(hair, y, x, hair_step)
        much, noise = shown[row, left : left + width], grain[y]
        for x in range(START, size):
            most = max(much[x], alphas[x])
            shares[x] = alphas[x] / max(most, LEAST)
            much[x] = most
            noises[x] = min(max(noise[x], -grain_limit), grain_limit)
        own, opening = lines[row, 3 * left : 3 * (left + width)], openings[y]
        painted = faces[y]
        for x in range(START, size):
            for c in range(3):
                below, here = painted[THREE_OF * x + U(c)] + noises[x], own[THREE_OF * x + U(c)]
                mixed = below + opening[x] * (here - below)
                joined = here + shares[x] * (mixed - here)
                own[THREE_OF * x + U(c)] = min(max(joined, ZERO), WHITE)


@inlined
def _step(value: np.float32, low: np.float32, high: np.float32) -> np.float32:
    t = min(max((value - low) / (high - low), ZERO), ONE)
    return t * t * (THREE - TWO * t)


@inlined
def _between(values: Floats, y: int, x: int, step: int) -> np.float32:
    """Of values at every first or second pixel, that at one pixel, bilinear."""
    if step == 1:
        return values[y, x]
    top, left = y >> 1, x >> 1
    bottom = min(top + (y & 1), values.shape[0] - 1)
    right = min(left + (x & 1), values.shape[1] - 1)
    upper = values[top, left] + values[top, right]
    return F(0.25) * (upper + values[bottom, left] + values[bottom, right])
