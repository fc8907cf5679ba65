"""What a job costs, in units. Told before it runs, charged when it has succeeded."""

from __future__ import annotations

import math

from ..pipeline.limits import TargetFacts
from .requests import JobRequest, SwapJob

SECONDS_PER_UNIT = 5  # a unit buys up to five seconds of film, or one picture


def units_of(request: JobRequest, facts: TargetFacts) -> int:
    """Scans are free."""
    if not isinstance(request, SwapJob):
        return 0
    if facts.kind == "image":
        return 1
    end_s = min(request.end_s or math.inf, facts.duration_s)
    return units_of_seconds(max(0.0, end_s - (request.start_s or 0)))


def units_of_seconds(seconds: float) -> int:
    """A second begun is a second; so are five."""
    return max(1, math.ceil(round(seconds, 3) / SECONDS_PER_UNIT))
