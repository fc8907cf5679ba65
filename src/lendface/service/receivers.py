"""Which receivers of messages answer, so that one that does not holds up nobody else's messages.

What is remembered is what this process saw; another one learns it anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

HOST_SHARE = 32  # messages that are being sent to one host at a time, of whichever clients
LATE_IN_A_ROW = 3
LATE_S = 5.0  # without having taken the message
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 600.0
REMEMBERED = 10_000  # receivers


@dataclass
class Lateness:
    """Of one receiver, since it last answered in time."""

    in_a_row: int = 0
    pause_s: float = 0.0
    until_ms: int = 0


class Receivers:
    """One for each process. A receiver is one client's host: what is told to others there, under
    another path, may be answered well, and nobody shall have another's messages put off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sending: dict[str, int] = {}  # by host
        self._late: OrderedDict[tuple[str, str], Lateness] = OrderedDict()  # the oldest first

    def pause_left_s(self, client_id: str, host: str, now_ms: int) -> float:
        """For how long this receiver is to be left alone; 0: it may be told."""
        with self._lock:
            late = self._late.get((client_id, host))
        return max(0.0, (late.until_ms - now_ms) / 1000) if late else 0.0

    @contextmanager
    def sending(self, host: str) -> Iterator[bool]:
        """Whether one more may be sent to the host now; what is sent inside is counted."""
        with self._lock:
            has_place = self._sending.get(host, 0) < HOST_SHARE
            if has_place:
                self._sending[host] = self._sending.get(host, 0) + 1
        try:
            yield has_place
        finally:
            if has_place:
                self._end_sending(host)

    def note(self, client_id: str, host: str, now_ms: int, *, is_late: bool) -> None:
        """What became of an attempt.

        After ``LATE_IN_A_ROW`` late ones the receiver is left alone, for twice as long each time
        that it is late again afterwards. Any other answer ends that.
        """
        key = client_id, host
        with self._lock:
            if not is_late:
                self._late.pop(key, None)
                return
            late = self._late.setdefault(key, Lateness())
            self._late.move_to_end(key)
            late.in_a_row += 1
            if late.in_a_row >= LATE_IN_A_ROW and now_ms >= late.until_ms:
                late.pause_s = min(2 * late.pause_s or FIRST_PAUSE_S, LONGEST_PAUSE_S)
                late.until_ms = now_ms + round(late.pause_s * 1000)
            if len(self._late) > REMEMBERED:
                self._late.popitem(last=False)

    def _end_sending(self, host: str) -> None:
        with self._lock:
            self._sending[host] -= 1
            if not self._sending[host]:
                del self._sending[host]


def host_of(url: str) -> str:
    """
    >>> host_of("https://Example.org:8443/told")
    'example.org:8443'
    """
    return urlsplit(url).netloc.lower()
