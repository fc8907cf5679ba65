"""Decoding times for packets whose encoders did not know of each other."""

from __future__ import annotations

import heapq
from typing import Any


class Reorder:
    """Gives packets, in decoding order, decoding times that grow and never pass their pts.

    With at most ``depth`` frames out of order, packet i may have the (i - depth)-th smallest pts:
    that frame is decoded by then, and no later packet is shown before it.

    A keyframe whose next packet would come late by that rule gets times right before its pts
    instead. FFmpeg takes the distance of decoding times for the time a frame is shown, and leaves
    out what follows a keyframe that seems to last until the end of the edit list.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._pending: list[int] = []
        self._count = 0
        self._first_pts = self._step = 0
        self._close = range(0)  # decoding times right before a keyframe's pts, still to give out

    def place(self, packet: Any) -> None:
        """Set ``packet.dts``."""
        if self._count == 0:
            self._first_pts, self._step = packet.pts, packet.duration or 1
        heapq.heappush(self._pending, packet.pts)
        packet.dts = self._next_dts(packet)
        self._count += 1

    def _next_dts(self, packet: Any) -> int:
        early = self._depth - self._count
        if early > 0:
            return self._first_pts - early * self._step
        dts = heapq.heappop(self._pending)
        if packet.is_keyframe and self._seems_to_last(packet, dts):
            self._close = range(packet.pts - self._depth, packet.pts)
        if self._close:
            dts, self._close = self._close[0], self._close[1:]
        return dts

    def _seems_to_last(self, packet: Any, dts: int) -> bool:
        """True when even frames of this one's duration would come sooner than the next packet."""
        if not self._pending:
            return False
        next_dts = self._pending[0]
        is_early = packet.pts - dts > self._depth * packet.duration
        return is_early or next_dts - dts > packet.duration
