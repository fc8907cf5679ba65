"""Which frames of a film the gate looks at: few, spread over all of it, and never too many."""

from __future__ import annotations

FRAMES_A_PLACE = 25  # a look about every second
FEWEST, MOST = 8, 60  # places of one film
STRIDE_UNKNOWN = 4  # where nobody knows how many frames will come; the first ones are all taken


class Places:
    """The frames to look at, one after the other as they come."""

    def __init__(self, frame_count: int | None) -> None:
        self._is_unknown = frame_count is None
        self._stride = STRIDE_UNKNOWN if frame_count is None else stride_of(frame_count)
        self._next = self._stride / 2 if frame_count is not None else 0.0
        self._taken: list[int] = []

    def takes(self, index: int) -> bool:
        """Whether this frame is one of them; asked of every frame once, in order."""
        is_short_yet = self._is_unknown and index < FEWEST
        if index < int(self._next) and not is_short_yet:
            return False
        self._taken.append(index)
        if len(self._taken) > MOST:  # a film that is longer than it said
            self._taken = self._taken[::2]
            self._stride *= 2
        self._next = max(self._next, index) + self._stride
        return True

    def keeps(self, index: int) -> bool:
        """Whether a frame that was taken still is one of them."""
        return index in self._taken


def stride_of(frame_count: int) -> float:
    """Frames from one place to the next.

    >>> [stride_of(count) for count in (1, 40, 250, 90_000)]
    [1.0, 5.0, 25.0, 1500.0]
    """
    places = min(MOST, max(FEWEST, round(frame_count / FRAMES_A_PLACE)))
    return max(1.0, frame_count / places)
