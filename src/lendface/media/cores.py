"""How many cores this process may use."""

from __future__ import annotations

import os


def count_cores() -> int:
    """Those it is allowed to run on, where the system tells; not all that are there."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
