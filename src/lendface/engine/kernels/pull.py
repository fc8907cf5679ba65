"""A picture pulled up to a face's outline along rays from one point."""

from __future__ import annotations

import numpy as np

from ..types import Floats
from .compiled import compiled, inlined

F = np.float32
ZERO, ONE, TWO = F(0), F(1), F(2)


@compiled(
    "void(float32[:,::1], float32[::1], float32[::1], float32[::1], int64, float32[:,:,::1],"
    "float32[:,::1])"
)
def lay_ways(
    rays: Floats, place: Floats, curve: Floats, inside: Floats, cell: int, way: Floats,
    shade: Floats,
) -> None:  # fmt: skip
    """``way`` (gh, gw, 2) becomes how far away lies what each pixel is to show; ``shade`` (gh, gw)
    log luma to add. Both are known at the middles of cells of ``cell`` pixels, and 0 off the rays.

    ``rays`` (n, 5) at even steps of ``turn_of``: pixels from the common point to the outline,
    pixels by which the outline's picture is pulled, pixels beyond it where that ends, how much of
    the mirroring inside there is, and the shade at the outline. ``place`` (6,): the common point,
    the unit way down the face, the first ray's turn, and the turn between two rays. ``curve`` (c,)
    is what is left of a pull from the outline to its end. ``inside`` (3,): pixels inside the
    outline to which it goes on, how far what is mirrored there goes for each pixel, and pixels to
    both sides over which the shade fades.
    """
    last, steps = rays.shape[0] - 1, F(curve.shape[0] - 1)
    half = F(cell - 1) / TWO
    for j in range(way.shape[0]):
        dy = F(cell * j) + half - place[1]
        for i in range(way.shape[1]):
            way[j, i, 0] = way[j, i, 1] = shade[j, i] = ZERO
            dx = F(cell * i) + half - place[0]
            down = dx * place[2] + dy * place[3]
            at = (turn_of(down, dy * place[2] - dx * place[3]) - place[4]) / place[5]
            if not ZERO <= at <= F(last):
                continue
            before = min(np.int64(at), last - 1)
            share = at - F(before)
            pull = _between(rays, before, share, 1)
            if pull <= ZERO:
                continue
            far = np.sqrt(dx * dx + dy * dy)
            beyond = far - _between(rays, before, share, 0)
            end = _between(rays, before, share, 2)
            if beyond >= end or beyond <= -inside[0]:
                continue
            if beyond >= ZERO:
                length = pull * _curved(curve, beyond / end * steps)
            else:
                length = pull - beyond * inside[1] * _between(rays, before, share, 3)
            way[j, i, 0] = length * dx / far
            way[j, i, 1] = length * dy / far
            fade = max(ONE - abs(beyond) / inside[2], ZERO)
            shade[j, i] = fade * _between(rays, before, share, 4)


@compiled("void(float32[:,:,::1], float32[:,::1], int64)")
def darken(pixels: Floats, shade: Floats, cell: int) -> None:
    """``pixels`` (h, w, 3) times the exponential of ``shade``, on cells of ``cell`` pixels."""
    for j in range(shade.shape[0]):
        for i in range(shade.shape[1]):
            if shade[j, i] == ZERO:
                continue
            times = np.exp(shade[j, i])
            for y in range(cell * j, min(cell * j + cell, pixels.shape[0])):
                for x in range(cell * i, min(cell * i + cell, pixels.shape[1])):
                    for c in range(3):
                        pixels[y, x, c] *= times


@compiled("void(float32[:,:,::1], float32[:,:,::1], int64, int64, int64, int64, float32)")
def set_apart(
    colours: Floats, way: Floats, cell: int, step: int, top: int, left: int, off: np.float32
) -> None:
    """``colours`` (h, w, 3) get ``off`` less where there is a ``way`` (gh, gw, 2), or beside it.

    Ways are on cells of ``cell`` pixels; colours at every ``step``-th, from ``top`` and ``left``.
    """
    last_row, last_column = way.shape[0] - 1, way.shape[1] - 1
    for y in range(colours.shape[0]):
        row = min((top + step * y) // cell, last_row)
        for x in range(colours.shape[1]):
            column = min((left + step * x) // cell, last_column)
            is_off = False
            for j in range(max(row - 1, 0), min(row + 1, last_row) + 1):
                for i in range(max(column - 1, 0), min(column + 1, last_column) + 1):
                    is_off = is_off or way[j, i, 0] != ZERO or way[j, i, 1] != ZERO
            if is_off:
                for c in range(3):
                    colours[y, x, c] -= off


@inlined
def turn_of(down: np.float32, aside: np.float32) -> np.float32:
    """-2..2: grows with the angle from the way down, and takes no arctangent."""
    total = max(abs(down) + abs(aside), F(1e-6))
    if down >= ZERO:
        return aside / total
    rest = TWO - abs(aside) / total
    return rest if aside >= ZERO else -rest


@inlined
def _between(rays: Floats, before: int, share: np.float32, column: int) -> np.float32:
    first = rays[before, column]
    return first + share * (rays[before + 1, column] - first)


@inlined
def _curved(curve: Floats, at: np.float32) -> np.float32:
    before = min(np.int64(at), curve.shape[0] - 2)
    share = at - F(before)
    return curve[before] + share * (curve[before + 1] - curve[before])
