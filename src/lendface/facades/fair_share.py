"""Room that many share: nobody may hold more of it than is still free.

Somebody alone may take half of it, two a third each, and so on; however many there are, something
is left for the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import TooManyAtOnceError


class FairShare:
    """Used from the event loop alone. ``what`` is shared, as a client is told it."""

    def __init__(self, total: int, what: str) -> None:
        self._free, self._what = total, what
        self._held: Counter[str] = Counter()  # by subject

    def has_room(self, subject: str, amount: int = 1) -> bool:
        return self._held[subject] + amount <= self._free - amount

    def take(self, subject: str, amount: int = 1) -> None:
        """``subject`` is a client or an address. Raises TooManyAtOnceError."""
        if not self.has_room(subject, amount):
            raise TooManyAtOnceError(self._what)
        self._held[subject] += amount
        self._free -= amount

    def give_back(self, subject: str, amount: int = 1) -> None:
        self._held[subject] -= amount
        self._free += amount
        if not self._held[subject]:
            del self._held[subject]

    @contextmanager
    def one_for(self, subject: str) -> Iterator[None]:
        """Raises TooManyAtOnceError."""
        self.take(subject)
        try:
            yield
        finally:
            self.give_back(subject)
