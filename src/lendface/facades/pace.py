"""How fast a body has to come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import anyio
from starlette.types import Message, Receive

from ..errors import BodyTooSlowError

BYTES_PER_S = 4096  # a phone with a bad connection sends more
WINDOW_S = 30.0


@dataclass(frozen=True)
class LeastPace:
    """So much has to come in each window of waiting, until the body is whole."""

    bytes_per_s: float = BYTES_PER_S
    window_s: float = WINDOW_S

    @property
    def bytes_per_window(self) -> float:
        return self.bytes_per_s * self.window_s


class Pace:
    """Of one body. Only the time counts in which we wait for the client, and not our own."""

    def __init__(self, least: LeastPace, clock_s: Callable[[], float]) -> None:
        self._least, self._clock_s = least, clock_s
        self._left_s, self._got = least.window_s, 0  # of this window, and in it

    async def next(self, receive: Receive) -> Message:
        """The next message. May be given up and asked again. Raises BodyTooSlowError."""
        while True:
            began_s = self._clock_s()
            try:
                with anyio.move_on_after(self._left_s):
                    message = await receive()
                    self._got += len(message.get("body", b""))
                    return message
            finally:
                self._left_s -= self._clock_s() - began_s
            self._end_window()

    def _end_window(self) -> None:
        """Raises BodyTooSlowError."""
        if self._got < max(1, self._least.bytes_per_window):
            raise BodyTooSlowError(self._least.window_s)
        self._left_s, self._got = self._least.window_s, 0
