"""Painting skin: the source's detail under the target's light, pixel by pixel."""

from __future__ import annotations

import numpy as np

from ..types import Array, Floats
from .compiled import compiled, inlined
from .curves import exp, log, tanh
from .luma import BLUE, GREEN, RED
from .quads import linear_weights, put_mix4, put_packed4

F = np.float32
ZERO, QUARTER, HALF, ONE, TWO, THREE = F(0), F(0.25), F(0.5), F(1), F(2), F(3)
LEAST = F(1e-3)
LEAST_DEPTH = F(0.01)  # eye distances
INSIDE = F(0.1)  # eye distances from the rim
PER_STEP = F(1 / 8192)  # of a packed texture
LOG_OFFSET = F(8)
# Rows are taken in tiles whose places in one buffer are known when it is compiled: so the compiler
# sees that they do not overlap, and takes eight pixels at once.
TILE = 64
AT_LIGHT, AT_TONE, AT_OUT, TILES = 4 * TILE, 8 * TILE, 11 * TILE, 14 * TILE
# Unsigned, so that no index has to be looked at for being counted from the end.
U = np.uintp
LIGHT_RED, LIGHT_GREEN, LIGHT_BLUE, LIGHT_KNOWN = (U(AT_LIGHT + c * TILE) for c in range(4))
TONE_RED, TONE_GREEN, TONE_BLUE = (U(AT_TONE + c * TILE) for c in range(3))
OUT_RED, OUT_GREEN, OUT_BLUE = (U(AT_OUT + c * TILE) for c in range(3))
START, END, HALF_END, NEXT, PAIR, LAST, QUAD = U(0), U(TILE), U(TILE // 2), U(1), U(2), U(3), U(4)


@compiled(
    "void(float32[:,:,::1], int64, int64, float32[:,:,::1], boolean[:,::1], float32[:,::1],"
    "float32[:,::1], float32[:,::1], float32[:,:,::1], float32[:,:,::1], int64, int64,"
    "float32[::1], float32[:,:,::1], float32[:,:,::1], float32[:,::1], float32[:,:,::1],"
    "int32[:,::1], float64[:,::1])"
)
def compare(
    picture: Floats, top: int, left: int, uv: Floats, is_face: Array, eyes: Floats, mouth: Floats,
    depth: Floats, light: Floats, usual: Floats, step: int, few: int, ranges: Floats, own: Floats,
    slow: Floats, luma: Floats, off: Floats, counts: Array, sums: Array,
) -> None:  # fmt: skip
    """The target's pixels against its light and its usual look, at every ``step``-th pixel.

    ``picture`` (.., .., 3) RGB shows the patch at ``top`` and ``left``; the next five belong to the
    whole patch. ``light`` (g, g, 4) and ``usual`` (s, s, 4), whose fourth is 0..1 trust, lie over
    the texture square. Out come ``own`` (h, w, 3), log colours of those pixels; ``slow``
    (h, w, 4), the light there and 1, all 0 off the face; ``luma`` (h, w) log off it; ``off``, on
    cells of ``few`` x ``few``, the mean difference from the usual look as far as it is trusted;
    how often each luma and each brightest channel occurs on the inner face, ``counts`` (2, n),
    with ``ranges`` (lowest luma, a log's bins, lowest channel, a log's bins); and sums of the
    light with the number of pixels, ``sums`` (2, 4), over the inner face with its rim and without.
    """
    height, width = luma.shape
    bins = counts.shape[1]
    more = np.zeros((1, 4), np.float32)
    for k in range(height):
        y = k * step
        for j in range(width):
            for c in range(3):
                own[k, j, c] = max(picture[y + top, j * step + left, c], ZERO) + LOG_OFFSET
        line = own[k].reshape(3 * width)
        for place in range(3 * width):
            line[place] = log(line[place])
        for j in range(width):
            x = j * step
            if not is_face[y, x]:
                red = own[k, j, 0] - light[0, 0, 0]
                green = own[k, j, 1] - light[0, 0, 1]
                blue = own[k, j, 2] - light[0, 0, 2]
                luma[k, j] = RED * red + GREEN * green + BLUE * blue
                slow[k, j, 0] = slow[k, j, 1] = slow[k, j, 2] = slow[k, j, 3] = ZERO
                continue
            u, v = uv[y, x, 0], uv[y, x, 1]
            side = F(light.shape[0])
            _mix(light, u * side - HALF, v * side - HALF, slow, k * width + j)
            slow[k, j, 3] = ONE
            red = own[k, j, 0] - slow[k, j, 0]
            green = own[k, j, 1] - slow[k, j, 1]
            blue = own[k, j, 2] - slow[k, j, 2]
            here = RED * red + GREEN * green + BLUE * blue
            luma[k, j] = here
            if eyes[y, x] + mouth[y, x] >= HALF:
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


@compiled("void(boolean[:,::1], float32[:,:,::1], int16[:,:,::1], float32[:,:,::1])")
def sample(is_face: Array, uv: Floats, mip: Array, texels: Floats) -> None:
    """``texels`` (h, w, 4): a texture (side, side, 4), in 1/8192, at the face's places ``uv``.

    Off the face they are 0.
    """
    side, width = F(mip.shape[0]), is_face.shape[1]
    for y in range(is_face.shape[0]):
        for x in range(width):
            if is_face[y, x]:
                at_x, at_y = uv[y, x, 0] * side - HALF, uv[y, x, 1] * side - HALF
                _mix_packed(mip, at_x, at_y, texels, y * width + x)
            else:
                for c in range(4):
                    texels[y, x, c] = ZERO


@compiled("void(int16[:,::1], float32[:,:,::1], boolean[:,::1], int16[:,:,::1], float32[:,:,::1])")
def sample_finer(ids: Array, affines: Floats, is_face: Array, mip: Array, texels: Floats) -> None:
    """``texels`` (h, w, 4): the mean of a texture, in 1/8192, over those steps of each pixel of the
    face that lie on it. ``ids`` and ``affines`` tell of steps a whole number of times finer."""
    finer = ids.shape[0] // is_face.shape[0]
    side, one = F(mip.shape[0]), np.zeros((1, 4), np.float32)
    for y in range(is_face.shape[0]):
        for x in range(is_face.shape[1]):
            count, texels[y, x] = ZERO, ZERO
            if not is_face[y, x]:
                continue
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
                        texels[y, x, c] += one[0, c]
            for c in range(4):
                texels[y, x, c] /= count


@compiled("void(float32[:,:,::1], float32, float32)")
def press(values: Floats, share: np.float32, limit: np.float32) -> None:
    """``share`` of the values (h, w, k), bent so that none is beyond ``limit``."""
    line = values.reshape(values.size)
    inner = share / limit
    for k in range(len(line)):
        line[k] = limit * tanh(inner * line[k])


@compiled("void(float32[:,:,::1], float32[:,:,::1], float32[::1], float32[:,:,::1])")
def light_up(slow: Floats, passing: Floats, tone: Floats, light: Floats) -> None:
    """``light`` (4, h, w): what the painted face is lit by, and how far it is known.

    ``slow`` (h, w, 4) and ``passing``, at least (h, w, 3), are the target's light, ``tone`` (3,)
    is added. ``light`` may have more rows and columns: the last ones are repeated.
    """
    height, width = slow.shape[0], slow.shape[1]
    for k in range(light.shape[1]):
        row = min(k, height - 1)
        for c in range(3):
            for j in range(width):
                more = passing[row, j, c] + tone[c]
                light[c, k, j] = slow[row, j, c] + slow[row, j, 3] * more
        for j in range(width):
            light[3, k, j] = slow[row, j, 3]
        for c in range(4):
            for j in range(width, light.shape[2]):
                light[c, k, j] = light[c, k, width - 1]


@compiled(
    "void(boolean[:,::1], float32[:,:,::1], float32[:,:,::1], int64, float32[::1],"
    "float32[:,::1], float32, float32[:,:,::1])"
)
def sketch(
    is_face: Array, texels: Floats, light: Floats, step: int, manner: Floats, depth: Floats,
    deepest: np.float32, painted: Floats,
) -> None:  # fmt: skip
    """``painted`` (h, w, 4), at every ``step``-th pixel of the face's rim: log colours, and 0..1
    how far a pixel is a feature.

    The rim ends at ``deepest``, elsewhere nothing is written; the rest is as in ``paint``.
    """
    for k in range(painted.shape[0]):
        y = k * step
        for j in range(painted.shape[1]):
            x = j * step
            if not (is_face[y, x] and depth[y, x] < deepest):
                continue
            red, green, blue = texels[y, x, 0], texels[y, x, 1], texels[y, x, 2]
            is_feature = min(max(TWO * texels[y, x, 3], ZERO), ONE)
            level = _level(RED * red + GREEN * green + BLUE * blue, is_feature, manner)
            known = ONE / max(light[3, k, j], LEAST)
            painted[k, j, 0] = known * light[0, k, j] + level + manner[2] * red
            painted[k, j, 1] = known * light[1, k, j] + level + manner[2] * green
            painted[k, j, 2] = known * light[2, k, j] + level + manner[2] * blue
            painted[k, j, 3] = is_feature


@compiled(
    "void(boolean[:,::1], float32[:,:,::1], float32[:,:,::1], int64, float32[::1],"
    "float32[:,:,::1], float32[::1], float32, float32, float32[::1], float32[:,:,::1])"
)
def paint(
    is_face: Array, texels: Floats, light: Floats, step: int, manner: Floats, tone: Floats,
    grid: Floats, white: np.float32, knee: np.float32, beyond: Floats, out: Floats,
) -> None:  # fmt: skip
    """``out`` (h, w, 3): RGB of the painted face; off the face ``beyond`` (3,).

    ``texels`` (h, w, 4) are the texture at each pixel; ``light`` (4, .., ..) the target's at every
    ``step``-th pixel, its fourth how far it is known, with a row and ``TILE`` columns to spare.
    ``manner`` (3,): the most luma of a highlight and of a shadow, log, to which the detail's is
    pressed, and how much of its colour stays; features stay as dark as they are. ``tone``
    (gh, gw, 4) log is added where no feature is: a pixel x lies at column ``grid[0] * x +
    grid[1]``, and so on down. Where a channel then comes within ``knee`` of ``white``, log, all of
    them go down, and the hue stays.
    """
    height, width = is_face.shape
    across = np.zeros((3, tone.shape[0], width + TILE), np.float32)
    _stretch(tone, grid, width, across)
    tile = np.zeros(TILES, np.float32)
    for y in range(height):
        start, end = _span(is_face, y)
        for x in range(start):
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = beyond[0], beyond[1], beyond[2]
        for x in range(end, width):
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = beyond[0], beyond[1], beyond[2]
        for x in range(start - start % step, end, TILE):
            for i in range(min(TILE, end - x)):
                for c in range(4):
                    tile[4 * i + c] = texels[y, x + i, c]
            _light_tile(light, y, x, step, tile)
            _tone_tile(across, grid[2] * F(y) + grid[3], x, tile)
            _paint_tile(manner, white, knee, tile)
            for i in range(min(TILE, end - x)):
                if is_face[y, x + i]:
                    for c in range(3):
                        out[y, x + i, c] = tile[AT_OUT + c * TILE + i]
                else:
                    for c in range(3):
                        out[y, x + i, c] = beyond[c]


@inlined
def _span(is_face: Array, y: int) -> tuple[int, int]:
    """From where to where a row may show the face."""
    start, end = 0, is_face.shape[1]
    while start < end and not is_face[y, start]:
        start += 1
    while end > start and not is_face[y, end - 1]:
        end -= 1
    return start, end


@inlined
def _stretch(tone: Floats, grid: Floats, width: int, across: Floats) -> None:
    """``across`` (3, gh, at least width): the cells' tone at each column of pixels."""
    last = tone.shape[1] - 1
    for x in range(width):
        at = min(max(grid[0] * F(x) + grid[1], ZERO), F(last))
        left = min(int(at), last - 1)
        share = at - F(left)
        for k in range(tone.shape[0]):
            for c in range(3):
                here = tone[k, left, c]
                across[c, k, x] = here + share * (tone[k, left + 1, c] - here)


@inlined
def _light_tile(light: Floats, y: int, x: int, step: int, tile: Floats) -> None:
    """The light of ``TILE`` pixels, one channel after the other."""
    for c in range(4):
        out = _part(tile, AT_LIGHT + c * TILE)
        if step == 1:
            out[:] = light[c, y, x : x + TILE]
            continue
        upper, lower, left, size = y >> 1, (y + 1) >> 1, x >> 1, TILE // 2
        a, b = light[c, upper, left : left + size], light[c, lower, left : left + size]
        d = light[c, upper, left + 1 : left + 1 + size]
        e = light[c, lower, left + 1 : left + 1 + size]
        for i in range(START, HALF_END):
            here = a[i] + b[i]
            out[PAIR * i] = HALF * here
            out[PAIR * i + NEXT] = QUARTER * (here + d[i] + e[i])


@inlined
def _tone_tile(across: Floats, row: np.float32, x: int, tile: Floats) -> None:
    last = across.shape[1] - 1
    at = min(max(row, ZERO), F(last))
    upper = min(int(at), last - 1)
    share = at - F(upper)
    for c in range(3):
        a, b = across[c, upper, x : x + TILE], across[c, upper + 1, x : x + TILE]
        out = _part(tile, AT_TONE + c * TILE)
        for i in range(TILE):
            out[i] = a[i] + share * (b[i] - a[i])


@inlined
def _part(tile: Floats, start: int) -> Floats:
    return tile[start : start + TILE]


@inlined
def _paint_tile(manner: Floats, white: np.float32, knee: np.float32, tile: Floats) -> None:
    """The texture's detail under light and tone, as RGB."""
    bright, dark, saturation = manner[0], manner[1], manner[2]
    start, per_knee, per_bright, per_dark = white - knee, ONE / knee, ONE / bright, ONE / dark
    for i in range(START, END):
        red, green, blue = tile[QUAD * i], tile[QUAD * i + NEXT], tile[QUAD * i + PAIR]
        is_feature = min(max(TWO * tile[QUAD * i + LAST], ZERO), ONE)
        luma = RED * red + GREEN * green + BLUE * blue
        is_dark = luma < ZERO
        limit = dark if is_dark else bright
        level = limit * tanh(luma * (per_dark if is_dark else per_bright))
        level += (is_feature if is_dark else ZERO) * (luma - level) - saturation * luma
        known, plain = ONE / max(tile[LIGHT_KNOWN + i], LEAST), ONE - is_feature
        red = known * tile[LIGHT_RED + i] + level + saturation * red + plain * tile[TONE_RED + i]
        green = (
            known * tile[LIGHT_GREEN + i]
            + level
            + saturation * green
            + plain * tile[TONE_GREEN + i]
        )
        blue = (
            known * tile[LIGHT_BLUE + i] + level + saturation * blue + plain * tile[TONE_BLUE + i]
        )
        above = max(max(max(red, green), blue) - start, ZERO)
        burnt = above - knee * tanh(above * per_knee)
        tile[OUT_RED + i] = exp(red - burnt) - LOG_OFFSET
        tile[OUT_GREEN + i] = exp(green - burnt) - LOG_OFFSET
        tile[OUT_BLUE + i] = exp(blue - burnt) - LOG_OFFSET


@inlined
def _level(luma: np.float32, is_feature: np.float32, manner: Floats) -> np.float32:
    """What luma of the detail becomes, less the part of it that its colour brings again."""
    limit = manner[1] if luma < ZERO else manner[0]
    level = limit * tanh(luma / limit)
    return level + (is_feature if luma < ZERO else ZERO) * (luma - level) - manner[2] * luma


@inlined
def _mix_packed(mip: Array, x: np.float32, y: np.float32, out: Floats, at: int) -> None:
    """``out[at]`` (4,) becomes a texture at a place, bilinear, edges repeated."""
    first, right, down, tx, ty = _four_around(mip.shape[0], mip.shape[1], x, y)
    upper, lower = PER_STEP * (ONE - ty), PER_STEP * ty
    weights = upper * (ONE - tx), upper * tx, lower * (ONE - tx), lower * tx
    put_packed4(mip, first, right, down, weights, out, 4 * at)


@inlined
def _mix(grid: Floats, x: np.float32, y: np.float32, out: Floats, at: int) -> None:
    """``out[at]`` (4,) becomes ``grid`` (h, w, 4) at a place, bilinear, edges repeated."""
    first, right, down, tx, ty = _four_around(grid.shape[0], grid.shape[1], x, y)
    put_mix4(grid, first, right, down, linear_weights(tx, ty), out, 4 * at)


@inlined
def _four_around(
    height: int, width: int, x: np.float32, y: np.float32
) -> tuple[int, int, int, np.float32, np.float32]:
    """Of four-channel pixels around a place: where the first lies, how far it is to the next one
    and to the next row, and the place between them, 0..1 across and down."""
    x = min(max(x, ZERO), F(width - 1))
    y = min(max(y, ZERO), F(height - 1))
    left, top = max(min(int(x), width - 2), 0), max(min(int(y), height - 2), 0)
    right, down = 4 if width > 1 else 0, 4 * width if height > 1 else 0
    return (top * width + left) * 4, right, down, x - F(left), y - F(top)


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

    ``own`` (h, w, 3) are the target's log colours at every ``step``-th pixel, ``painted``
    (h, w, 4) what is painted there; ``depth`` and ``facing`` belong to all. ``manner``: the
    depths, eye distances, between which a rim ends, and how much brighter and darker is no matter
    of tone, log.
    """
    part = F(step * step) / F(small * small)
    for k in range(own.shape[0]):
        y = k * step
        for j in range(own.shape[1]):
            x = j * step
            if not LEAST_DEPTH < depth[y, x] < manner[1]:
                continue
            red = own[k, j, 0] - painted[k, j, 0]
            green = own[k, j, 1] - painted[k, j, 1]
            blue = own[k, j, 2] - painted[k, j, 2]
            most, least = max(max(red, green), blue), min(min(red, green), blue)
            off = max(most / manner[2], -least / manner[3])
            weight = ONE - _smooth((depth[y, x] - manner[0]) / (manner[1] - manner[0]))
            weight *= _within(TWO - off) * _within(THREE * facing[y, x])
            # A beard or a lip of the source is no skin that could be off in tone.
            weight *= part * (ONE - painted[k, j, 3])
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
