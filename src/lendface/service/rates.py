"""Rate limits, counted in this process: each process of a server allows the whole limit."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable

from ..errors import RateLimitedError


class RateLimiter:
    """At most ``limit`` requests of one subject in any ``window_ms``, neither more nor fewer.

    It remembers when each request of the last window was let in, so no two windows side by side
    let twice as many through. Refused requests do not count. Subjects that are quiet for a window
    are forgotten, and beyond ``max_subjects`` the one that has been quiet longest.
    """

    def __init__(
        self,
        clock_ms: Callable[[], int],
        window_ms: int = 60_000,
        max_subjects: int = 10_000,
    ) -> None:
        """``clock_ms`` never runs backwards; where it starts does not matter."""
        self._clock_ms = clock_ms
        self._window_ms = window_ms
        self._max_subjects = max_subjects
        self._times_by_subject: OrderedDict[str, deque[int]] = OrderedDict()  # quiet ones first
        self._lock = threading.Lock()

    def take(self, subject: str, limit: int) -> int:
        """Let one request in; how many more may follow at once. ``limit`` is 1 or more.

        ``subject`` is a client, a key or an address. Raises RateLimitedError.
        """
        with self._lock:
            now_ms = self._clock_ms()
            times = self._recent(subject, now_ms)
            if len(times) >= limit:
                # The limit may have been lowered since: as many as are too many have to leave.
                wait_ms = times[len(times) - limit] + self._window_ms - now_ms
                raise RateLimitedError(limit, self._window_ms / 1000, wait_ms / 1000)
            times.append(now_ms)
            return limit - len(times)

    def __len__(self) -> int:
        """Subjects it remembers."""
        return len(self._times_by_subject)

    def _recent(self, subject: str, now_ms: int) -> deque[int]:
        """When this subject was let in during the window that ends now."""
        times = self._times_by_subject.setdefault(subject, deque())
        self._times_by_subject.move_to_end(subject)
        while times and times[0] <= now_ms - self._window_ms:
            times.popleft()
        self._forget_the_quiet(now_ms)
        return times

    def _forget_the_quiet(self, now_ms: int) -> None:
        while len(self._times_by_subject) > 1:
            quietest = next(iter(self._times_by_subject))
            times = self._times_by_subject[quietest]
            is_quiet = not times or times[-1] <= now_ms - self._window_ms
            if not is_quiet and len(self._times_by_subject) <= self._max_subjects:
                return
            del self._times_by_subject[quietest]
