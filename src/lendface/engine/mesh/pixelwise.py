"""Soft thresholds and small arithmetic on whole pictures."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import Floats

LUMA = np.float32([0.299, 0.587, 0.114])


def smoothstep(values: Floats | float, low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, smooth between.

    >>> smoothstep(np.float32([0, 2, 3, 9]), 2, 4).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    t = np.clip((np.asarray(values, np.float32) - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def luma_of(values: Floats) -> Floats:
    """(h, w) of (h, w, 3) RGB or log colours, any contiguous or strided array."""
    return cv2.transform(np.ascontiguousarray(values, np.float32), LUMA[None])


def largest_channel(values: Floats) -> Floats:
    """(h, w) of (h, w, 3): numpy's own maximum over so short an axis takes ten times as long."""
    return np.maximum(np.maximum(values[..., 0], values[..., 1]), values[..., 2])
