"""Reading ahead on one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
DEPTH = 3  # frames; what evens out a slow one, and 9 MiB of full HD


def prefetch(items: Iterable[T], depth: int = DEPTH) -> Generator[T, None, None]:
    """Read up to ``depth`` items ahead on one thread; its errors surface here.

    A consumer that stops early ends the thread as soon as the item under way is done, and closes
    ``items`` when that is a generator.
    """
    source = iter(items)
    end: Any = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as reader:
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
