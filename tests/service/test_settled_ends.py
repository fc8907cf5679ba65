"""Where a film is cut whose client said how long it is, and was a little wrong."""

from __future__ import annotations

import pytest

from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob
from lendface.service.swapping import settle_end

PAIRS = (PairRef((PhotoRef("photo"),)),)


@pytest.mark.parametrize(
    ("duration_s", "end_s", "settled"),
    [
        (12.0, 12, None),
        (12.4, 12, None),
        (12.999, 12, None),
        (13.0, 12, 12),
        (20.0, 12, 12),
        (11.0, 12, None),
    ],
)
def test_a_film_that_is_hardly_longer_is_taken_whole(
    duration_s: float, end_s: float, settled: float | None
) -> None:
    request = SwapJob("film", PAIRS, end_s=end_s, end_slack_s=1)
    assert settle_end(request, {"target": {"duration_s": duration_s}}).end_s == settled


def test_without_slack_the_end_is_where_it_was_asked_for() -> None:
    request = SwapJob("film", PAIRS, end_s=12)
    facts = {"target": {"duration_s": 12.04}}
    assert settle_end(request, facts) == request
    scan = ScanJob("film", end_s=12)
    assert settle_end(scan, facts) == scan
