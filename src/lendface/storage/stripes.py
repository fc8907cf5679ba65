"""Things of which each is done by one thread of a process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

COUNT = 64


class Stripes:
    """Locks by name, as many as there are stripes: now and then two names share one."""

    def __init__(self, count: int = COUNT) -> None:
        self._locks = tuple(Lock() for _ in range(count))

    @contextmanager
    def held(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Whether it is this thread's until the end; always so after a ``wait``."""
        lock = self._locks[hash(name) % len(self._locks)]
        is_held = lock.acquire(blocking=wait)
        try:
            yield is_held
        finally:
            if is_held:
                lock.release()
