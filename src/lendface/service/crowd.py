"""How many more jobs may come to wait, without counting all that wait for each new one."""

from __future__ import annotations

import threading
from collections.abc import Callable

SHARE = 16
GOOD_MS = 1000


class Crowd:
    """One for each process.

    After a count, a sixteenth of the places that were free is given out without another one, for a
    second at most. Where few are free each is counted; several processes can together give out
    more than there are by no more than comes to them within that second.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places = 0
        self._until_ms = 0

    def take(self, now_ms: int, count_free: Callable[[], int]) -> bool:
        """Whether there is a place for one more."""
        with self._lock:
            if self._places > 0 and now_ms < self._until_ms:
                self._places -= 1
                return True
        free = count_free()
        with self._lock:
            self._places, self._until_ms = free // SHARE, now_ms + GOOD_MS
        return free > 0
