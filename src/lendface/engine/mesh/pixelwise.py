"""Soft thresholds and small arithmetic on whole pictures."""

from __future__ import annotations

from functools import lru_cache

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


@lru_cache(maxsize=64)
def box_kernel(variance: float) -> Floats:
    """A box whose ends count in part, so that it has just this variance, cells squared.

    >>> [round(float(share), 2) for share in box_kernel((5**2 - 1) / 12)]
    [0.2, 0.2, 0.2, 0.2, 0.2]
    """
    reach = int((np.sqrt(12 * max(variance, 0) + 1) - 1) / 2 + 1e-6)
    inside = np.arange(-reach, reach + 1)
    end = (variance * len(inside) - (inside**2).sum()) / (2 * ((reach + 1) ** 2 - variance))
    kernel = [1.0] * len(inside) if end < 1e-3 else [end, *[1.0] * len(inside), end]
    return np.float32(kernel) / np.float32(sum(kernel))


def averaged(values: Floats, width_px: int, step: int = 1, softened: float = 0.0) -> Floats:
    """The mean over ``width_px`` pixels each way of values at every ``step``-th pixel.

    ``softened`` is the variance, in squared steps, that they get elsewhere.
    """
    kernel = box_kernel((width_px**2 - 1) / 12 / step**2 - softened)
    return cv2.sepFilter2D(values, -1, kernel, kernel, borderType=cv2.BORDER_REFLECT_101)


def fewer(sigma: float) -> int:
    """How many pixels may be made one before a Gaussian blur this wide."""
    return max(1, int(sigma / 2))


def blurred_cells(cells: Floats, sigma_px: float, few: int) -> Floats:
    """A Gaussian blur of means over ``few`` x ``few`` pixels, as wide as it takes in the end.

    What taking means and going back to pixels softens by itself is left out.
    """
    variance = max(sigma_px**2 - (few**2 - 1) / 4, 0.25)
    return cv2.GaussianBlur(cells, (0, 0), float(np.sqrt(variance)) / few)


def blurred(values: Floats, sigma: float) -> Floats:
    """A Gaussian blur; a wide one is taken on fewer pixels, because it is smooth anyway."""
    few = fewer(sigma)
    if few == 1:
        return cv2.GaussianBlur(values, (0, 0), sigma)
    size = values.shape[1::-1]
    cells = tuple(-(-side // few) for side in size)
    coarse = cv2.resize(values, cells, interpolation=cv2.INTER_AREA)
    return cv2.resize(blurred_cells(coarse, sigma, few), size)
