"""Painting skin: the source's detail under the target's light, pixel by pixel."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .quads import linear_weights, put_mix4

F = np.float32
ZERO, HALF, ONE, TWO = F(0), F(0.5), F(1), F(2)
RED, GREEN, BLUE = F(0.299), F(0.587), F(0.114)  # of luma
STEEPEST = F(7.9)  # tanh is 1 from there on, in float32
# tanh(x) = x * p(x^2) / q(x^2), to float32's precision (the fit that Eigen and XNNPACK use)
P0, P1, P2 = F(4.89352455891786e-03), F(6.37261928875436e-04), F(1.48572235717979e-05)
P3, P4 = F(5.12229709037114e-08), F(-8.60467152213735e-11)
P5, P6 = F(2.00018790482477e-13), F(-2.76076847742355e-16)
Q0, Q1 = F(4.89352518554385e-03), F(2.26843463243900e-03)
Q2, Q3 = F(1.18534705686654e-04), F(1.19825839466702e-06)


@compiled(
    "void(int16[:,::1], float32[:,:,::1], boolean[:,::1], float32[:,:,::1], float32[:,:,::1],"
    "float32[:,:,::1], float32[:,:,::1], float32[::1], float32[::1], float32[:,:,::1])"
)
def paint(
    ids: Array, affines: Floats, is_face: Array, uv: Floats, mip: Floats, light: Floats,
    passing: Floats, grid: Floats, manner: Floats, painted: Floats,
) -> None:  # fmt: skip
    """``painted`` (h, w, 4): log colours of the face, and 0..1 how far a pixel is a feature.

    ``mip`` (side, side, 4) is the texture, ``light`` (g, g, 4) the target's over the texture
    square, ``passing`` (gh, gw, 4) log to add over the patch; pixel x lies at ``grid[0] x +
    grid[1]`` of its columns, y at ``grid[2] y + grid[3]`` of its rows. ``manner`` holds the limits
    of bright and of dark detail, log, and the share of colour that stays. Off the face it is
    some number.
    """
    height, width = is_face.shape
    finer = ids.shape[0] // height
    texels, slow = np.zeros((width, 4), np.float32), np.zeros((width, 4), np.float32)
    more, one = np.zeros((width, 4), np.float32), np.zeros((1, 4), np.float32)
    side = F(mip.shape[0])
    for y in range(height):
        row = grid[2] * F(y) + grid[3]
        for x in range(width):
            if not is_face[y, x]:
                continue
            u, v = uv[y, x, 0], uv[y, x, 1]
            _mix(light, u * F(light.shape[0]) - HALF, v * F(light.shape[0]) - HALF, slow, x)
            _mix(passing, grid[0] * F(x) + grid[1], row, more, x)
            if finer == 1:
                _mix(mip, u * side - HALF, v * side - HALF, texels, x)
            else:
                _mix_finer(mip, ids, affines, finer, y, x, one, texels)
        _calm(texels, slow, more, is_face[y], manner, painted[y])


@inlined
def _mix_finer(
    mip: Floats,
    ids: Array,
    affines: Floats,
    finer: int,
    y: int,
    x: int,
    one: Floats,
    texels: Floats,
) -> None:
    """The mean over those steps of a finer grid that lie on the face."""
    side, count = F(mip.shape[0]), ZERO
    for c in range(4):
        texels[x, c] = ZERO
    for fine_y in range(y * finer, (y + 1) * finer):
        for fine_x in range(x * finer, (x + 1) * finer):
            t = ids[fine_y, fine_x]
            if t < 0:
                continue
            at_x, at_y = F(fine_x), F(fine_y)
            u = affines[t, 0, 0] * at_x + affines[t, 0, 1] * at_y + affines[t, 0, 2]
            v = affines[t, 1, 0] * at_x + affines[t, 1, 1] * at_y + affines[t, 1, 2]
            _mix(mip, u * side - HALF, v * side - HALF, one, 0)
            count += ONE
            for c in range(4):
                texels[x, c] += one[0, c]
    for c in range(4):
        texels[x, c] /= count


@inlined
def _mix(grid: Floats, x: np.float32, y: np.float32, out: Floats, at: int) -> None:
    """``out[at]`` (4,) becomes ``grid`` (h, w, 4) at a place, bilinear, edges repeated."""
    height, width = grid.shape[0], grid.shape[1]
    x = min(max(x, ZERO), F(width - 1))
    y = min(max(y, ZERO), F(height - 1))
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    weights = linear_weights(x - F(left), y - F(top))
    put_mix4(grid, (top * width + left) * 4, 4, 4 * width, weights, out, 4 * at)


@inlined
def _calm(
    texels: Floats, slow: Floats, more: Floats, is_face: Array, manner: Floats, out: Floats
) -> None:
    """A row: the detail's highlights and shadows pressed, under the light. See ``skin._calmed``."""
    limit, dark_limit, saturation = manner[0], manner[1], manner[2]
    per_limit, per_dark = ONE / limit, ONE / dark_limit
    for x in range(len(is_face)):
        red, green, blue = texels[x, 0], texels[x, 1], texels[x, 2]
        is_feature = min(max(TWO * texels[x, 3], ZERO), ONE)
        luma = RED * red + GREEN * green + BLUE * blue
        shade = min(luma, ZERO)
        bright = limit * _tanh(max(luma, ZERO) * per_limit)
        dark = dark_limit * _tanh(shade * per_dark)
        level = bright + dark + is_feature * (shade - dark) - saturation * luma
        out[x, 0] = slow[x, 0] + more[x, 0] + level + saturation * red
        out[x, 1] = slow[x, 1] + more[x, 1] + level + saturation * green
        out[x, 2] = slow[x, 2] + more[x, 2] + level + saturation * blue
        out[x, 3] = is_feature


@inlined
def _tanh(x: np.float32) -> np.float32:
    x = min(max(x, -STEEPEST), STEEPEST)
    s = x * x
    over = P0 + s * (P1 + s * (P2 + s * (P3 + s * (P4 + s * (P5 + s * P6)))))
    return x * over / (Q0 + s * (Q1 + s * (Q2 + s * Q3)))


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], boolean[:,::1], float32[::1], float32, float32,"
    "float32[::1], float32[:,:,::1])"
)
def tone_and_hold(
    painted: Floats, tone: Floats, is_face: Array, grid: Floats, white: np.float32,
    knee: np.float32, beyond: Floats, out: Floats,
) -> None:  # fmt: skip
    """``out`` (h, w, 3): log colours on the face; elsewhere they are ``beyond`` (3,).

    ``tone`` (gh, gw, 4) log is added where no feature is, with ``grid`` as in ``paint``. Where a
    channel then comes near ``white`` all of them go down, see ``skin._burnt``.
    """
    start = white - knee
    more = np.empty((1, 4), np.float32)
    for y in range(is_face.shape[0]):
        row = grid[2] * F(y) + grid[3]
        for x in range(is_face.shape[1]):
            if not is_face[y, x]:
                out[y, x, 0], out[y, x, 1], out[y, x, 2] = beyond[0], beyond[1], beyond[2]
                continue
            _mix(tone, grid[0] * F(x) + grid[1], row, more, 0)
            plain = ONE - painted[y, x, 3]
            red = painted[y, x, 0] + plain * more[0, 0]
            green = painted[y, x, 1] + plain * more[0, 1]
            blue = painted[y, x, 2] + plain * more[0, 2]
            above = max(max(red, green), blue) - start
            burnt = above - knee * _tanh(above / knee) if above > ZERO else ZERO
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = red - burnt, green - burnt, blue - burnt
