"""Reading ahead on a thread."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

from lendface.media import prefetch
from lendface.media.prefetch import NICE


def priorities() -> Iterator[int]:
    """That of the thread in which the next one is made, twice."""
    for _ in range(2):
        yield os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_only_what_gives_way_has_a_lower_priority() -> None:
    usual = os.getpriority(os.PRIO_PROCESS, os.getpid())
    lower = min(usual + NICE, 19)
    assert [*prefetch(priorities())] == [usual, usual]
    assert [*prefetch(priorities(), gives_way=True)] == [lower, lower]
    within = prefetch(prefetch(priorities(), gives_way=True), gives_way=True)
    assert [*within] == [lower, lower]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == usual


def test_whoever_stops_early_closes_what_was_read() -> None:
    is_closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            is_closed.set()

    ahead = prefetch(items())
    next(ahead)
    ahead.close()
    assert is_closed.is_set()
