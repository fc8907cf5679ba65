"""What a job can be, and what it can become."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ..errors import WrongMoveError


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = JobState
LIVE = (QUEUED, RUNNING)
FINAL = (SUCCEEDED, FAILED, CANCELLED)

MOVES: Mapping[JobState, frozenset[JobState]] = {
    QUEUED: frozenset({RUNNING, FAILED, CANCELLED}),
    RUNNING: frozenset({SUCCEEDED, FAILED, CANCELLED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset({QUEUED}),  # tried again
    CANCELLED: frozenset({QUEUED}),
}

WORD = {QUEUED: "retry", CANCELLED: "cancelling"}


def check_move(state: str, to: JobState) -> None:
    """Raises WrongMoveError where a job cannot go from ``state`` to ``to``."""
    if to not in MOVES[JobState(state)]:
        raise WrongMoveError(WORD.get(to, str(to)), state)
