"""How often libraries may speak: a fault that comes a thousand times is told a few times."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

log = logging.getLogger("lendface.logs")

WINDOW_S = 60.0
SAME_LINES = 5  # in a window, of one logger and one beginning
ALL_LINES = 50  # in a window, of one logger
BEGINNING = 60  # characters


class Throttle(logging.Filter):
    """Lets the first lines of each minute through, then says how many it left out.

    Lines of ``ours`` always pass; what is left out of them would be missing.
    """

    def __init__(self, ours: str, clock_s: Callable[[], float]) -> None:
        super().__init__()
        self._ours, self._clock_s = ours, clock_s
        self._lock = threading.Lock()
        self._ends_s = 0.0
        self._told: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        with self._lock:
            ended = self._begin_window()
            passes = self._is_ours(record) or self._counts(record)
        for library, lines in ended.items():
            log.warning("lines were left out", extra={"library": library, "lines": lines})
        return passes

    def _begin_window(self) -> Counter[str]:
        """What was left out of the window that is over, if one is."""
        now_s = self._clock_s()
        if now_s < self._ends_s:
            return Counter()
        ended, self._left_out = self._left_out, Counter()
        self._told.clear()
        self._ends_s = now_s + WINDOW_S
        return ended

    def _is_ours(self, record: logging.LogRecord) -> bool:
        return record.name == self._ours or record.name.startswith(f"{self._ours}.")

    def _counts(self, record: logging.LogRecord) -> bool:
        """Whether it is one of the first."""
        same = record.name, str(record.msg)[:BEGINNING]
        every = record.name, ""
        if self._told[every] >= ALL_LINES or self._told[same] >= SAME_LINES:
            self._left_out[record.name] += 1
            return False
        self._told.update((same, every))
        return True
