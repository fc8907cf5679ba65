"""Crops as MediaPipe's nets take them."""

from __future__ import annotations

import numpy as np

from lendface.engine.types import Floats, Pixels


def to_unit(crop: Pixels) -> Floats:
    """(1, size, size, 3) 0..1."""
    return np.multiply(crop, np.float32(1 / 255), dtype=np.float32)[None]
