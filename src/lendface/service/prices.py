"""What a job costs, in units. Told before it runs, charged when it has succeeded."""

from __future__ import annotations

import math

from ..pipeline.limits import TargetFacts
from .requests import JobRequest, ScanJob, SwapJob

SECONDS_PER_UNIT = 5  # a unit buys up to five seconds of film, or one picture
FREE_GIGAPIXELS = 20  # of a scan: five minutes of full HD
GIGAPIXELS_PER_UNIT = 20  # of what is beyond


def units_of(request: JobRequest, facts: TargetFacts) -> int:
    """A scan is free but for what is more work than usual, whatever the file's bytes."""
    if isinstance(request, ScanJob):
        return units_of_work(facts.frame_count * facts.width * facts.height / 1e9)
    if not isinstance(request, SwapJob):
        return 0
    if facts.kind == "image":
        return 1
    end_s = min(request.end_s or math.inf, facts.duration_s)
    return units_of_seconds(max(0.0, end_s - (request.start_s or 0)))


def units_of_work(gigapixels: float) -> int:
    """Of a scan of so many pixels in all frames.

    >>> units_of_work(15), units_of_work(25), units_of_work(360)
    (0, 1, 17)
    """
    return math.ceil(max(0.0, round(gigapixels - FREE_GIGAPIXELS, 9)) / GIGAPIXELS_PER_UNIT)


def units_of_seconds(seconds: float) -> int:
    """A second begun is a second; so are five."""
    return max(1, math.ceil(round(seconds, 3) / SECONDS_PER_UNIT))
