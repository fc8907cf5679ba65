"""When a webhook that was not accepted is tried again.

The times of the Standard Webhooks' own example, counted from the first attempt: at once, then 5 s,
5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h later.
"""

from __future__ import annotations

from itertools import pairwise

MINUTE_S, HOUR_S = 60.0, 3600.0
TIMES_S = (
    0.0,
    5.0,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
DELAYS_S = (0.0, *(later - time for time, later in pairwise(TIMES_S)))
JITTER_SHARE = 0.1  # so that what failed together does not come back together


def next_delay_s(attempt: int, jitter: float = 0.0) -> float | None:
    """Seconds to wait before attempt number ``attempt``, counted from 0; None: give up.

    ``jitter``, 0..1, is the caller's: a workflow that runs again must find the same delay. It
    lengthens the delay by up to a tenth.

    >>> [next_delay_s(attempt) for attempt in (0, 1, 9, 10)]
    [0.0, 5.0, 14400.0, None]
    """
    if attempt < 0 or not 0.0 <= jitter <= 1.0:
        raise ValueError(f"attempt {attempt} or jitter {jitter} is out of range")
    if attempt >= len(DELAYS_S):
        return None
    return DELAYS_S[attempt] * (1.0 + JITTER_SHARE * jitter)
