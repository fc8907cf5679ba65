"""Reading ahead on one thread."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
DEPTH = 3  # frames; what evens out a slow one, and 9 MiB of full HD
NICE = 5  # steps down: a third of the time of another thread where both want it


def prefetch(
    items: Iterable[T], depth: int = DEPTH, *, gives_way: bool = False
) -> Generator[T, None, None]:
    """Read up to ``depth`` items ahead on one thread; its errors surface here.

    ``gives_way``: other threads of this process go before, because it is them that all wait for.

    A consumer that stops early ends the thread as soon as the item under way is done, and closes
    ``items`` when that is a generator.
    """
    source = iter(items)
    end: Any = object()
    begin = give_way if gives_way else None
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch", initializer=begin) as reader:
        ahead = deque(reader.submit(next, source, end) for _ in range(max(1, depth)))
        try:
            while (item := ahead.popleft().result()) is not end:
                ahead.append(reader.submit(next, source, end))
                yield item
        finally:
            for waiting in ahead:
                waiting.cancel()
            if hasattr(source, "close"):
                reader.submit(source.close).result()


def give_way() -> None:
    """Lower the priority of the calling thread, where threads have one of their own."""
    if sys.platform == "linux":
        with suppress(OSError):
            usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), usual + NICE)
