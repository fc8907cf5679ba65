"""Waiting for tasks that are done elsewhere: one look for all that wait in this process."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection

log = logging.getLogger("lendface.jobs")


class Waiting:
    """The durable engine has each wait ask for itself, five times a second; a worker has hundreds
    of jobs that wait for hours."""

    def __init__(
        self, find_ended: Callable[[Collection[str]], Collection[str]], interval_s: float
    ) -> None:
        """``find_ended`` tells which of some workflows have ended, in whatever way."""
        self._find_ended, self._interval_s = find_ended, interval_s
        self._lock = threading.Lock()
        self._waiters: dict[str, list[threading.Event]] = defaultdict(list)
        self._is_somebody_there = threading.Event()
        self._thread: threading.Thread | None = None

    def wait(self, workflow_id: str) -> None:
        """Until it has ended."""
        ended = threading.Event()
        with self._lock:
            self._waiters[workflow_id].append(ended)
            self._is_somebody_there.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="waiting")
                self._thread.start()
        ended.wait()

    def look(self) -> None:
        """Wake those whose workflow has ended. A database that is away is asked again later."""
        with self._lock:
            workflow_ids = list(self._waiters)
        try:
            ended = self._find_ended(workflow_ids)
        except Exception as fault:
            log.warning("cannot look what has ended", extra={"reason": type(fault).__name__})
            return
        with self._lock:
            for workflow_id in ended:
                for waiter in self._waiters.pop(workflow_id, ()):
                    waiter.set()
            if not self._waiters:
                self._is_somebody_there.clear()

    def _run(self) -> None:
        while True:
            self._is_somebody_there.wait()
            threading.Event().wait(self._interval_s)
            self.look()
