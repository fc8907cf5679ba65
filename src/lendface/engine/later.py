"""Work that nobody decides by at once, done in order on a second thread."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Later:
    """Runs calls one after the other, in the order they came, beside the thread that makes them.

    The thread starts with the first call. ``close`` ends it.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="later")
        self._under_way: deque[tuple[int, Future[None]]] = deque()

    def do(self, turn: int, work: Callable[..., None], *values: Any) -> None:
        """Call ``work(*values)`` later. ``turn`` never falls from one call to the next."""
        self._under_way.append((turn, self._thread.submit(work, *values)))

    def catch_up(self, turn: int = sys.maxsize) -> None:
        """Wait until all calls up to this turn are done; raises what the first failed one raised.

        Whoever reads what the calls write does this before.
        """
        while self._under_way and self._under_way[0][0] <= turn:
            self._under_way.popleft()[1].result()

    def close(self) -> None:
        """Wait for the call that is being made, and make no more."""
        while self._under_way:  # the newest first, so that none is made whose forerunner was not
            self._under_way.pop()[1].cancel()
        self._thread.shutdown()
