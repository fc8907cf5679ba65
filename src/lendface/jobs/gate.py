"""How a worker stops in good order: no new task begins, running ones are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Gate:
    """Open while the worker works. Once closed it stays so; the process is about to end."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._inside = 0
        self._is_closed = False
        self._is_broken_off = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def is_broken_off(self) -> bool:
        """Whether running tasks must stop now, finished or not."""
        return self._is_broken_off

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A task is running. Whoever comes to a closed gate waits there for the end."""
        with self._lock:
            if not self._is_closed:
                self._inside += 1
        if self._is_closed:
            park()
        try:
            yield
        finally:
            self.leave_for_good()

    def leave_for_good(self) -> None:
        """One task less; also for a thread that is about to park and will not come back."""
        with self._lock:
            self._inside -= 1
            self._lock.notify_all()

    def close(self, patience_s: float) -> bool:
        """Let nobody in any more and wait for those inside; then break them off.

        Returns whether all ended by themselves.
        """
        with self._lock:
            self._is_closed = True
            is_empty = self._lock.wait_for(lambda: self._inside == 0, patience_s)
            self._is_broken_off = True
            return is_empty

    def wait_until_empty(self, patience_s: float) -> bool:
        with self._lock:
            return self._lock.wait_for(lambda: self._inside == 0, patience_s)


def park() -> NoReturn:
    """Never return: what this thread was doing is begun again elsewhere when the process is gone.

    Returning or raising would be written down as the task's outcome.
    """
    while True:
        threading.Event().wait()
