"""Exponentials and logarithms of which the compiler takes several at once.

It does not see through the C library's. These are good to 3e-6, relatively.
"""

from __future__ import annotations

import numpy as np

from .compiled import inlined

F, WHOLE = np.float32, np.int32
ONE, TWO, HALF = F(1), F(2), F(0.5)
LOG2_E, LOG_2 = F(1.4426950408889634), F(0.6931471805599453)
C1, C2, C3, C4, C5 = (
    F(0.69314718), F(0.24022651), F(0.05550357), F(0.00961813), F(0.00133336)
)  # fmt: skip
FARTHEST = F(80)  # where an exponential would leave the range
ROOM = F(128)  # so that rounding towards 0 is rounding down
BITS, BIAS, MANTISSA = WHOLE(23), WHOLE(127), WHOLE(0x7FFFFF)
UNIT_BITS, ROOT_HALF_BITS = WHOLE(0x3F800000), WHOLE(0x3F3504F3)
THIRD, FIFTH, SEVENTH = F(1 / 3), F(1 / 5), F(1 / 7)


@inlined
def exp(x: np.float32) -> np.float32:
    """Of -80 to 80; what is farther out counts as that."""
    y = min(max(x, -FARTHEST), FARTHEST) * LOG2_E
    whole = WHOLE(y + ROOM + HALF) - WHOLE(128)
    t = y - F(whole)  # -0.5..0.5
    part = ONE + t * (C1 + t * (C2 + t * (C3 + t * (C4 + t * C5))))
    return part * WHOLE((whole + BIAS) << BITS).view(F)


@inlined
def log(x: np.float32) -> np.float32:
    """Of a normal number above 0."""
    bits = F(x).view(WHOLE)
    whole = WHOLE((bits - ROOT_HALF_BITS) >> BITS)
    m = WHOLE(bits - WHOLE(whole << BITS)).view(F)  # 0.7..1.4
    s = (m - ONE) / (m + ONE)
    q = s * s
    return F(whole) * LOG_2 + TWO * s * (ONE + q * (THIRD + q * (FIFTH + q * SEVENTH)))


@inlined
def tanh(x: np.float32) -> np.float32:
    return ONE - TWO / (exp(TWO * x) + ONE)
