"""What the single-shot detectors share: anchors, suppression, and their square input."""

from __future__ import annotations

import cv2
import numpy as np

from lendface.engine.types import Array, Floats, Pixels

MAX_OVERLAP = 0.3  # of two boxes that are not the same thing (intersection over union)


def sigmoid(values: Floats) -> Floats:
    """1 / (1 + e^-x), for any finite x."""
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))


def anchor_centres(size_px: int, layers: tuple[tuple[int, int], ...]) -> Floats:
    """(n, 2) middles of the anchors, 0..1; ``layers`` are (stride in pixels, anchors a cell).

    >>> anchor_centres(4, ((2, 1),)).tolist()
    [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    """
    parts = []
    for stride, each in layers:
        cells = size_px // stride
        y, x = np.mgrid[0:cells, 0:cells]
        middles = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        parts.append(np.repeat(middles, each, axis=0))
    return np.concatenate(parts).astype(np.float32)


def overlaps(box_xyxy: Floats, boxes_xyxy: Floats) -> Floats:
    """(n,) intersection over union of one box (4,) with ``boxes_xyxy`` (n, 4).

    >>> overlaps(np.float32([0, 0, 2, 3]), np.float32([[1, 0, 2, 3], [5, 5, 6, 6]])).tolist()
    [0.5, 0.0]
    """
    low = np.maximum(box_xyxy[:2], boxes_xyxy[:, :2])
    high = np.minimum(box_xyxy[2:], boxes_xyxy[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    areas = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).prod(axis=1)
    area = (box_xyxy[2:] - box_xyxy[:2]).prod()
    return shared / np.maximum(areas + area - shared, np.finfo(np.float32).tiny)


def keep_best(boxes_xyxy: Floats, scores: Floats, max_overlap: float = MAX_OVERLAP) -> Array:
    """Indices of the boxes (n, 4) that stay, best score (n,) first: one for each thing.

    >>> boxes = np.float32([[0, 0, 9, 9], [1, 0, 10, 9], [20, 0, 29, 9]])
    >>> keep_best(boxes, np.float32([0.6, 0.9, 0.7])).tolist()
    [1, 2]
    """
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        kept.append(left[0])
        left = left[overlaps(boxes_xyxy[left[0]], boxes_xyxy[left]) < max_overlap]
    return np.array(kept, np.intp)


def letterbox(pixels: Pixels, size_px: int) -> tuple[Pixels, float]:
    """``pixels`` (h, w, 3) in the top left of a black square, and how much they were scaled."""
    height, width = pixels.shape[:2]
    scale = size_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square = np.zeros((size_px, size_px, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=shrink)
    return square, scale
