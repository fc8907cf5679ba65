"""Painting skin: the source's detail under the target's light, pixel by pixel."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .quads import linear_weights, put_mix4, put_packed4

F = np.float32
ZERO, QUARTER, HALF, ONE, TWO, THREE = F(0), F(0.25), F(0.5), F(1), F(2), F(3)
LEAST = F(1e-3)
LEAST_DEPTH = F(0.01)  # eye distances
RED, GREEN, BLUE = F(0.299), F(0.587), F(0.114)  # of luma
INSIDE = F(0.1)  # eye distances from the rim
PER_STEP = F(1 / 8192)  # of a packed texture
MOST_LUMA = F(4)  # log; no detail is stronger


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], boolean[:,::1], float32[:,::1], float32[:,::1],"
    "float32[:,::1], float32[:,:,::1], float32[:,:,::1], int64, int64, float32[::1],"
    "float32[:,:,::1], float32[:,::1], float32[:,:,::1], int32[:,::1], float64[:,::1])"
)
def compare(
    own: Floats, uv: Floats, is_face: Array, eyes: Floats, mouth: Floats, depth: Floats,
    light: Floats, usual: Floats, step: int, few: int, ranges: Floats, slow: Floats, luma: Floats,
    off: Floats, counts: Array, sums: Array,
) -> None:  # fmt: skip
    """The target's pixels against its light and its usual look, at every ``step``-th pixel.

    ``own`` (h, w, 3) are log colours of those pixels; the next five belong to the whole patch.
    ``light`` (g, g, 4) and ``usual`` (s, s, 4), whose fourth is 0..1 trust, lie over the texture
    square. Out come ``slow`` (h, w, 4), the light there and 1, all 0 off the face; ``luma`` (h, w)
    log off it; ``off``, on cells of ``few`` x ``few``, the mean difference from the usual look as
    far as it is trusted; how often each luma and each brightest channel occurs on the inner face,
    ``counts`` (2, n), with ``ranges`` (lowest luma, a log's bins, lowest channel, a log's bins);
    and sums of the light with the number of pixels, ``sums`` (2, 4), over the inner face with its
    rim and without.
    """
    height, width = luma.shape
    bins = counts.shape[1]
    more = np.zeros((1, 4), np.float32)
    for k in range(height):
        y = k * step
        for j in range(width):
            x = j * step
            u, v = uv[y, x, 0], uv[y, x, 1]
            side = F(light.shape[0])
            _mix(light, u * side - HALF, v * side - HALF, slow, k * width + j)
            red = own[k, j, 0] - slow[k, j, 0]
            green = own[k, j, 1] - slow[k, j, 1]
            blue = own[k, j, 2] - slow[k, j, 2]
            here = RED * red + GREEN * green + BLUE * blue
            luma[k, j] = here
            is_known = is_face[y, x]
            for c in range(3):
                slow[k, j, c] = slow[k, j, c] if is_known else ZERO
            slow[k, j, 3] = ONE if is_known else ZERO
            if not is_known or eyes[y, x] + mouth[y, x] >= HALF:
                continue
            side = F(usual.shape[0])
            _mix(usual, u * side - HALF, v * side - HALF, more, 0)
            trust = more[0, 3]
            off[k // few, j // few, 0] += trust * (red - more[0, 0])
            off[k // few, j // few, 1] += trust * (green - more[0, 1])
            off[k // few, j // few, 2] += trust * (blue - more[0, 2])
            _add(sums, 0, slow, k, j)
            if depth[y, x] > INSIDE:
                _add(sums, 1, slow, k, j)
                peak = max(max(own[k, j, 0], own[k, j, 1]), own[k, j, 2])
                _count(counts, 0, (here - ranges[0]) * ranges[1], bins)
                _count(counts, 1, (peak - ranges[2]) * ranges[3], bins)
    part = ONE / F(few * few)
    for k in range(off.shape[0]):
        for j in range(off.shape[1]):
            for c in range(3):
                off[k, j, c] *= part


@inlined
def _add(sums: Array, which: int, slow: Floats, k: int, j: int) -> None:
    for c in range(3):
        sums[which, c] += slow[k, j, c]
    sums[which, 3] += 1


@inlined
def _count(counts: Array, which: int, place: np.float32, bins: int) -> None:
    counts[which, min(max(int(place), 0), bins - 1)] += 1


@compiled(
    "void(int16[:,::1], float32[:,:,::1], boolean[:,::1], float32[:,:,::1], int16[:,:,::1],"
    "float32[:,:,::1], int64, float32[::1], float32, float32[:,:,::1])"
)
def paint(
    ids: Array, affines: Floats, is_face: Array, uv: Floats, mip: Floats, light: Floats,
    step: int, pressed: Floats, saturation: np.float32, painted: Floats,
) -> None:  # fmt: skip
    """``painted`` (h, w, 4): log colours of the face, and 0..1 how far a pixel is a feature.

    ``mip`` (side, side, 4) is the texture, in 1/8192; ``light`` the target's at every
    ``step``-th pixel, its fourth how far it is known. ``pressed`` (n,) is what becomes of the
    detail's luma from -4 to 4, log: features stay as dark as they are, a highlight is pressed
    everywhere. ``saturation`` of the detail's colour stays. Off the face nothing is written.
    """
    finer = ids.shape[0] // is_face.shape[0]
    # Row by row and one thing after the other: in a single loop it took half as long again.
    for y in range(is_face.shape[0]):
        if finer == 1:
            _sample_row(mip, is_face, uv, y, painted)
        else:
            _sample_finer_row(mip, is_face, ids, affines, finer, y, painted)
        _light_row(light, is_face, step, pressed, saturation, y, painted)


@inlined
def _sample_row(mip: Array, is_face: Array, uv: Floats, y: int, out: Floats) -> None:
    side, width = F(mip.shape[0]), is_face.shape[1]
    for x in range(width):
        if is_face[y, x]:
            at_x, at_y = uv[y, x, 0] * side - HALF, uv[y, x, 1] * side - HALF
            _mix_packed(mip, at_x, at_y, out, y * width + x)


@inlined
def _sample_finer_row(
    mip: Array, is_face: Array, ids: Array, affines: Floats, finer: int, y: int, out: Floats
) -> None:
    """The mean over those steps of a finer grid that lie on the face."""
    side, one = F(mip.shape[0]), np.zeros((1, 4), np.float32)
    for x in range(is_face.shape[1]):
        if not is_face[y, x]:
            continue
        count, out[y, x, 0], out[y, x, 1], out[y, x, 2], out[y, x, 3] = ZERO, ZERO, ZERO, ZERO, ZERO
        for fine_y in range(y * finer, (y + 1) * finer):
            for fine_x in range(x * finer, (x + 1) * finer):
                t = ids[fine_y, fine_x]
                if t < 0:
                    continue
                at_x, at_y = F(fine_x), F(fine_y)
                u = affines[t, 0, 0] * at_x + affines[t, 0, 1] * at_y + affines[t, 0, 2]
                v = affines[t, 1, 0] * at_x + affines[t, 1, 1] * at_y + affines[t, 1, 2]
                _mix_packed(mip, u * side - HALF, v * side - HALF, one, 0)
                count += ONE
                for c in range(4):
                    out[y, x, c] += one[0, c]
        for c in range(4):
            out[y, x, c] /= count


@inlined
def _light_row(
    light: Floats, is_face: Array, step: int, pressed: Floats, saturation: np.float32, y: int,
    out: Floats,
) -> None:  # fmt: skip
    slow = np.zeros((1, 4), np.float32)
    for x in range(is_face.shape[1]):
        if not is_face[y, x]:
            continue
        _between(light, y, x, step, slow)
        red, green, blue = out[y, x, 0], out[y, x, 1], out[y, x, 2]
        is_feature = min(max(TWO * out[y, x, 3], ZERO), ONE)
        luma = RED * red + GREEN * green + BLUE * blue
        level = _pressed(luma, pressed)
        level += (is_feature if luma < ZERO else ZERO) * (luma - level) - saturation * luma
        known = ONE / max(slow[0, 3], LEAST)
        out[y, x, 0] = known * slow[0, 0] + level + saturation * red
        out[y, x, 1] = known * slow[0, 1] + level + saturation * green
        out[y, x, 2] = known * slow[0, 2] + level + saturation * blue
        out[y, x, 3] = is_feature


@inlined
def _pressed(luma: np.float32, pressed: Floats) -> np.float32:
    place = (luma + MOST_LUMA) * F((len(pressed) - 1) / (2 * MOST_LUMA))
    place = min(max(place, ZERO), F(len(pressed) - 1))
    at = min(int(place), len(pressed) - 2)
    return pressed[at] + (place - F(at)) * (pressed[at + 1] - pressed[at])


@inlined
def _between(grid: Floats, y: int, x: int, step: int, out: Floats) -> None:
    """``out[0]`` (4,): of values at every first or second pixel, those at one pixel."""
    shift = step - 1
    down, right, top, left = y & shift, x & shift, y >> shift, x >> shift
    down, right = min(down, grid.shape[0] - 1 - top), min(right, grid.shape[1] - 1 - left)
    at, row = (top * grid.shape[1] + left) * 4, 4 * grid.shape[1]
    put_mix4(grid, at, 4 * right, row * down, (QUARTER, QUARTER, QUARTER, QUARTER), out, 0)


@inlined
def _mix_packed(mip: Array, x: np.float32, y: np.float32, out: Floats, at: int) -> None:
    """``out[at]`` (4,) becomes a texture at a place, bilinear, edges repeated."""
    height, width = mip.shape[0], mip.shape[1]
    x = min(max(x, ZERO), F(width - 1))
    y = min(max(y, ZERO), F(height - 1))
    left, top = max(min(int(x), width - 2), 0), max(min(int(y), height - 2), 0)
    right, down = 4 if width > 1 else 0, 4 * width if height > 1 else 0
    tx, ty = x - F(left), y - F(top)
    upper, lower = PER_STEP * (ONE - ty), PER_STEP * ty
    weights = upper * (ONE - tx), upper * tx, lower * (ONE - tx), lower * tx
    put_packed4(mip, (top * width + left) * 4, right, down, weights, out, 4 * at)


@inlined
def _mix(grid: Floats, x: np.float32, y: np.float32, out: Floats, at: int) -> None:
    """``out[at]`` (4,) becomes ``grid`` (h, w, 4) at a place, bilinear, edges repeated."""
    height, width = grid.shape[0], grid.shape[1]
    x = min(max(x, ZERO), F(width - 1))
    y = min(max(y, ZERO), F(height - 1))
    left, top = max(min(int(x), width - 2), 0), max(min(int(y), height - 2), 0)
    right, down = 4 if width > 1 else 0, 4 * width if height > 1 else 0
    weights = linear_weights(x - F(left), y - F(top))
    put_mix4(grid, (top * width + left) * 4, right, down, weights, out, 4 * at)


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], float32[:,::1], float32[:,::1], int64, int64,"
    "float32[::1], float32[:,:,::1])"
)
def compare_rim(
    own: Floats, painted: Floats, depth: Floats, facing: Floats, step: int, small: int,
    manner: Floats, coarse: Floats,
) -> None:  # fmt: skip
    """``coarse`` (gh, gw, 4): on cells of ``small`` pixels, how far the target's rim is off what
    is painted there, weighted, and the weight.

    ``own`` (h, w, 3) are the target's log colours at every ``step``-th pixel; ``painted``,
    ``depth`` and ``facing`` belong to all. ``manner``: the depths, eye distances, between which
    a rim ends, and how much brighter and darker is no matter of tone, log.
    """
    part = F(step * step) / F(small * small)
    for k in range(own.shape[0]):
        y = k * step
        for j in range(own.shape[1]):
            x = j * step
            if not LEAST_DEPTH < depth[y, x] < manner[1]:
                continue
            red = own[k, j, 0] - painted[y, x, 0]
            green = own[k, j, 1] - painted[y, x, 1]
            blue = own[k, j, 2] - painted[y, x, 2]
            most, least = max(max(red, green), blue), min(min(red, green), blue)
            off = max(most / manner[2], -least / manner[3])
            weight = ONE - _smooth((depth[y, x] - manner[0]) / (manner[1] - manner[0]))
            weight *= _within(TWO - off) * _within(THREE * facing[y, x])
            # A beard or a lip of the source is no skin that could be off in tone.
            weight *= part * (ONE - painted[y, x, 3])
            row, column = y // small, x // small
            coarse[row, column, 0] += weight * red
            coarse[row, column, 1] += weight * green
            coarse[row, column, 2] += weight * blue
            coarse[row, column, 3] += weight


@inlined
def _within(value: np.float32) -> np.float32:
    return min(max(value, ZERO), ONE)


@inlined
def _smooth(value: np.float32) -> np.float32:
    t = _within(value)
    return t * t * (THREE - TWO * t)


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
    channel then comes within ``knee`` of ``white`` all of them go down, and the hue stays.
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
            burnt = above - knee * F(np.tanh(above / knee)) if above > ZERO else ZERO
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = red - burnt, green - burnt, blue - burnt
