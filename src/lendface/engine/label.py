"""A visible label in a corner of the picture that says what was done to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np

from .types import Box, Floats, Patch

Position = Literal["bottom-right", "bottom-left", "top-right", "top-left"]
TEXT = "Face replaced by AI"
LEAST_PX = 16  # of the plate's height; below it nobody can read
WIDEST = 0.6  # of the picture's width
GAP = 0.5  # to the picture's edges, in heights of the plate
PLATE_ALPHA = 0.62
DARK, LIGHT = 16.0, 250.0
FINE = 4  # it is drawn so many times larger and made small, for smooth edges
FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class Label:
    """Light words on a dark plate, so that they can be read on any picture."""

    position: Position = "bottom-right"
    size_share: float = 0.06  # of the picture's height: the plate's
    text: str = TEXT

    def patch(self, size_wh: tuple[int, int]) -> Patch:
        """What to paste into a picture of that size; the same object for the same size."""
        return _draw(self, size_wh)


@lru_cache(maxsize=8)
def _draw(label: Label, size_wh: tuple[int, int]) -> Patch:
    width, height = size_wh
    words = _write(label.text, max(LEAST_PX, round(label.size_share * height)))
    most = max(1, round(WIDEST * width))
    if words.shape[1] > most:
        size = most, max(1, round(words.shape[0] * most / words.shape[1]))
        words = cv2.resize(words, size, interpolation=cv2.INTER_AREA)
    plate = _rounded(*words.shape)
    box = _place(label.position, words.shape[1], words.shape[0], size_wh)
    alpha = np.maximum(PLATE_ALPHA * plate, words)
    # The light words lie over the dark plate, and both over the picture.
    grey = (LIGHT * words + DARK * (alpha - words)) / np.maximum(alpha, 1e-6)
    inside = slice(0, box.height), slice(0, box.width)
    pixels = np.repeat(grey[inside][..., None], 3, axis=2)
    return Patch(box, pixels.astype(np.float32), alpha[inside].astype(np.float32))


def _write(text: str, height_px: int) -> Floats:
    """(height_px, w) 0..1: how much of each pixel the words cover, with room around them."""
    tall = FINE * height_px
    scale = tall / 60
    weight = max(1, round(tall / 22))
    (wide, above), _ = cv2.getTextSize(text, FONT, scale, weight)
    canvas = np.zeros((tall, wide + tall), np.uint8)
    origin = tall // 2, (tall + above) // 2
    cv2.putText(canvas, text, origin, FONT, scale, 255, weight, cv2.LINE_AA)
    size = max(1, canvas.shape[1] // FINE), height_px
    small = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _rounded(height: int, width: int) -> Floats:
    """(height, width) 0..1: a plate with round corners."""
    radius = FINE * min(height, width) // 4
    canvas = np.zeros((FINE * height, FINE * width), np.uint8)
    right, bottom = canvas.shape[1] - 1, canvas.shape[0] - 1
    cv2.rectangle(canvas, (radius, 0), (right - radius, bottom), 255, -1)
    cv2.rectangle(canvas, (0, radius), (right, bottom - radius), 255, -1)
    for x in (radius, right - radius):
        for y in (radius, bottom - radius):
            cv2.circle(canvas, (x, y), radius, 255, -1)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255


def _place(position: Position, width: int, height: int, size_wh: tuple[int, int]) -> Box:
    gap = round(GAP * height)
    x = gap if position.endswith("left") else size_wh[0] - gap - width
    y = gap if position.startswith("top") else size_wh[1] - gap - height
    x, y = max(0, x), max(0, y)
    return Box(x, y, x + width, y + height).clipped(size_wh)
