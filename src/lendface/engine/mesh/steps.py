"""Soft thresholds."""

from __future__ import annotations

import numpy as np

from ..types import Floats


def smoothstep(values: Floats | float, low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between.

    >>> smoothstep(np.float32([0, 2, 3, 9]), 2, 4).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    t = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
