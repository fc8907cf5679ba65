"""Where a scan keeps what it found: one compact row for each face in each frame.

A film of an hour has a hundred thousand faces, so rows may live outside of memory: whoever runs
a scan brings the log.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .mesh.light import GRID_SIDE
from .types import Array, Floats, Hand

LANDMARKS = 478
HANDS = 2
SPAN = 30000  # of the 16 bits; a face of 400 px is kept to a hundredth of a pixel

ROW = np.dtype(
    [
        ("frame", "<i4"),
        ("tracklet", "<i4"),
        ("score", "<f4"),
        ("centre", "<f4", 3),
        ("reach", "<f4"),
        ("points", "<i2", (LANDMARKS, 3)),
        ("light", "<f2", (GRID_SIDE, GRID_SIDE, 3)),
        ("hands", "<f4", (HANDS, 21, 2)),
        ("hand_scores", "<f4", HANDS),
    ]
)


class RowLog(Protocol):
    """Rows in the order they were added."""

    def append(self, row: Array) -> None: ...

    def read(self, index: int) -> Array:
        """The row ``index`` of dtype ``ROW``, shape ()."""
        ...

    def __len__(self) -> int: ...


class MemoryLog:
    """Keeps rows in memory: for images, short clips and tests."""

    def __init__(self) -> None:
        self._rows: list[Array] = []

    def append(self, row: Array) -> None:
        self._rows.append(row)

    def read(self, index: int) -> Array:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)


def pack_row(
    frame: int,
    tracklet: int,
    score: float,
    landmarks_xyz: Floats,
    light: Floats,
    hands: tuple[Hand, ...],
) -> Array:
    """One face as a row; landmarks keep a 1/30000 of the face's reach."""
    row = np.zeros((), ROW)
    row["frame"], row["tracklet"], row["score"] = frame, tracklet, score
    centre = (landmarks_xyz.min(0) + landmarks_xyz.max(0)) / 2
    reach = max(float(np.abs(landmarks_xyz - centre).max()), 1e-3)
    row["centre"], row["reach"] = centre, reach
    row["points"] = np.rint((landmarks_xyz - centre) / reach * SPAN)
    row["light"] = light
    for slot, hand in enumerate(sorted(hands, key=lambda h: -h.score)[:HANDS]):
        row["hands"][slot], row["hand_scores"][slot] = hand.points_xy, hand.score
    return row


def landmarks_of(row: Array) -> Floats:
    """(478, 3) pixels."""
    return (row["centre"] + row["points"] * (row["reach"] / SPAN)).astype(np.float32)


def hands_of(row: Array) -> tuple[Hand, ...]:
    scores = row["hand_scores"]
    return tuple(Hand(row["hands"][k], float(scores[k])) for k in range(HANDS) if scores[k] > 0)
