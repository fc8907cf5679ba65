"""Decoding times for packets whose encoders did not know of each other."""

from __future__ import annotations

import heapq
from typing import Any


class Reorder:
    """Gives packets, in decoding order, decoding times that grow and never pass their pts.

    With at most ``depth`` frames out of order, packet i may have the (i - depth)-th smallest pts:
    that frame is decoded by then, and no later packet is shown before it.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._pending: list[int] = []
        self._count = 0
        self._first_pts = self._step = 0

    def place(self, packet: Any) -> None:
        """Set ``packet.dts``."""
        if self._count == 0:
            self._first_pts, self._step = packet.pts, packet.duration or 1
        heapq.heappush(self._pending, packet.pts)
        early = self._depth - self._count
        if early > 0:
            packet.dts = self._first_pts - early * self._step
        else:
            packet.dts = heapq.heappop(self._pending)
        self._count += 1
