"""Samples of interleaved colours, four floats at a time.

The compiler does not see by itself that the channels of a pixel can be taken as one vector; here
it is told. Arrays have three or four float32 channels, and places count in floats from their start.
Of three channels the fourth lane is the next pixel's first: it is read, so it has to exist, but
never written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import inlined

WORD, PLACE = ir.IntType(32), ir.IntType(64)
QUAD = ir.VectorType(ir.FloatType(), 4)
SHORTS = ir.VectorType(ir.IntType(16), 4)
ROW = ir.VectorType(ir.FloatType(), 16)
EVERYWHERE4, EVERYWHERE16 = ir.VectorType(WORD, 4), ir.VectorType(WORD, 16)
UNSET = ir.Constant(QUAD, ir.Undefined)
FOUR = types.UniTuple(types.float32, 4)
F = np.float32
CUBIC, ONE, TWO, THREE, FOUR_, FIVE, EIGHT = F(-0.75), F(1), F(2), F(3), F(4), F(5), F(8)


@inlined
def cubic_weights(t: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Of the pixels at -1, 0, 1 and 2 for a place ``t`` in 0..1; OpenCV's, with a = -0.75."""
    s, u = t + ONE, ONE - t
    before = ((CUBIC * s - FIVE * CUBIC) * s + EIGHT * CUBIC) * s - FOUR_ * CUBIC
    here = ((CUBIC + TWO) * t - (CUBIC + THREE)) * t * t + ONE
    after = ((CUBIC + TWO) * u - (CUBIC + THREE)) * u * u + ONE
    return before, here, after, ONE - before - here - after


@inlined
def linear_weights(
    tx: np.float32, ty: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Of the four pixels around a place: upper left and right, lower left and right."""
    ux, uy = ONE - tx, ONE - ty
    return uy * ux, uy * tx, ty * ux, ty * tx


@intrinsic
def put_mix16(
    context: Any,
    source: Any,
    at: Any,
    down: Any,
    across: Any,
    along: Any,
    weights_at: Any,
    out: Any,
    to: Any,
) -> Any:
    """``out[to:to + 3]`` becomes the mean of 4 x 4 pixels of ``source``, the first at ``at``.

    Pixels have three channels, ``down`` leads to the next row; from ``weights_at`` on ``across``
    and ``along`` have the four weights each of columns and rows. A row's twelve floats are taken
    as one vector with four more, which have to exist.
    """
    place = types.intp
    signature = types.void(source, place, place, across, along, place, out, place)

    def build(context: Any, code: Any, signature: Any, values: Any) -> Any:
        source, at, down, across, along, weights_at, out, to = values
        start = _data(context, code, signature.args[0], source)
        columns = _load(code, _data(context, code, signature.args[3], across), weights_at)
        rows = _load(code, _data(context, code, signature.args[4], along), weights_at)
        total = None
        for row in range(4):
            share = code.shuffle_vector(rows, rows, ir.Constant(EVERYWHERE16, [row] * 16))
            pixels = code.bitcast(code.gep(start, [at]), ROW.as_pointer())
            total = _add(code, total, _times(code, code.load(pixels, align=4), share))
            at = code.add(at, down)
        lanes = [column for column in range(4) for _ in range(3)] + [3] * 4
        spread = code.shuffle_vector(columns, columns, ir.Constant(EVERYWHERE16, lanes))
        weighted, colour = _times(code, total, spread), None
        for column in range(4):
            lanes = [3 * column, 3 * column + 1, 3 * column + 2, 3 * column + 3]
            part = code.shuffle_vector(weighted, weighted, ir.Constant(EVERYWHERE4, lanes))
            colour = _add(code, colour, part)
        _store_three(code, colour, _data(context, code, signature.args[6], out), to)
        return context.get_dummy_value()

    return signature, build


def _mixing4(load: Callable[[Any, Any, Any], Any], source: Any, out: Any) -> Any:
    """Mixes 2 x 2 pixels of four channels, each of which ``load(code, start, at)`` makes floats."""
    place = types.intp
    signature = types.void(source, place, place, place, FOUR, out, place)

    def build(context: Any, code: Any, signature: Any, values: Any) -> Any:
        source, at, right, down, weights, out, to = values
        start, total = _data(context, code, signature.args[0], source), None
        corners = (at, code.add(at, right), code.add(at, down), code.add(code.add(at, down), right))
        for corner, weight in zip(corners, _splats(code, weights), strict=True):
            total = _add(code, total, _times(code, load(code, start, corner), weight))
        target = code.gep(_data(context, code, signature.args[5], out), [to])
        code.store(total, code.bitcast(target, QUAD.as_pointer()), align=4)
        return context.get_dummy_value()

    return signature, build


@intrinsic
def put_mix4(
    context: Any, source: Any, at: Any, right: Any, down: Any, weights: Any, out: Any, to: Any
) -> Any:
    """``out[to:to + 4]`` becomes the mean of 2 x 2 pixels of ``source``, the first at ``at``."""
    return _mixing4(_load, source, out)


@intrinsic
def put_packed4(
    context: Any, source: Any, at: Any, right: Any, down: Any, weights: Any, out: Any, to: Any
) -> Any:
    """The same from int16 ``source``: half the memory to read, which is what takes the time."""
    return _mixing4(_load_shorts, source, out)


def _data(context: Any, code: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, code, value).data


def _load(code: Any, start: Any, at: Any) -> Any:
    return code.load(code.bitcast(code.gep(start, [at]), QUAD.as_pointer()), align=4)


def _load_shorts(code: Any, start: Any, at: Any) -> Any:
    where = code.bitcast(code.gep(start, [at]), SHORTS.as_pointer())
    return code.sitofp(code.load(where, align=2), QUAD)


def _store_three(code: Any, quad: Any, start: Any, at: Any) -> None:
    for lane in range(3):
        target = code.gep(start, [code.add(at, ir.Constant(PLACE, lane))])
        code.store(code.extract_element(quad, ir.Constant(WORD, lane)), target, align=4)


def _splats(code: Any, four: Any) -> list[Any]:
    """Each of four floats in all lanes."""
    everywhere = ir.Constant(ir.VectorType(WORD, 4), [0] * 4)
    singles = [code.extract_value(four, lane) for lane in range(4)]
    return [
        code.shuffle_vector(
            code.insert_element(UNSET, single, ir.Constant(WORD, 0)), UNSET, everywhere
        )
        for single in singles
    ]


def _times(code: Any, a: Any, b: Any) -> Any:
    return code.fmul(a, b, flags=("contract",))


def _add(code: Any, total: Any, more: Any) -> Any:
    return more if total is None else code.fadd(total, more, flags=("contract",))
