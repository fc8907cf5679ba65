"""Follows the rows of a table as they end, so that what ended can be counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

OVERLAP_MS = 5 * 60 * 1000


class Follower:
    """Gives each row that ends from ``began_ms`` on, once.

    Counters made from it only grow, whatever is deleted from the table, and each look reads only
    what ended since the last one. Looks overlap by five minutes, for clocks that differ and
    transactions that took long; what was seen in that time is remembered.
    """

    def __init__(
        self, query: sa.Select[Any], ended: sa.Column[int], key: Sequence[str], began_ms: int
    ) -> None:
        """``ended`` is the column of times by which rows end. The columns of ``key`` name an end;
        a row that can end again needs the time among them."""
        self._query, self._ended, self._key = query, ended, tuple(key)
        self._began_ms = self._looked_ms = began_ms
        self._seen: frozenset[tuple[Any, ...]] = frozenset()

    def look(self, connection: sa.Connection, now_ms: int) -> tuple[list[Any], list[Any]]:
        """Rows whose end is news, and all that ended in the last five minutes."""
        since_ms = min(self._looked_ms, now_ms) - OVERLAP_MS
        rows = connection.execute(self._query.where(self._ended > since_ms)).all()
        name_of = {tuple(getattr(row, column) for column in self._key): row for row in rows}
        fresh = [
            row
            for name, row in name_of.items()
            if name not in self._seen and self._end_of(row) >= self._began_ms
        ]
        self._seen, self._looked_ms = frozenset(name_of), now_ms
        return fresh, [row for row in rows if self._end_of(row) > now_ms - OVERLAP_MS]

    def _end_of(self, row: Any) -> int:
        return getattr(row, self._ended.name)
