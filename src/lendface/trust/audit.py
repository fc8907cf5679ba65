"""The arithmetic of the audit log: what an entry's hash is made of, and where a chain is broken.

Each entry holds the hash of the one before it, so none can be changed, left out or put elsewhere
without every later hash becoming wrong (as in Haber and Stornetta, "How to time-stamp a digital
document", 1991). Two things a chain alone cannot show: that its newest entries were cut off, and
that all of it from some entry on was written anew. Both are found by a ``head``, the hash of the
newest entry, that was kept elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

BEFORE_ALL = "0" * 64  # what the first entry has in the place of an earlier hash
PURPOSE = b"lendface audit entry 1\n"
OPERATOR, SERVER, HOLDER = "operator", "server", "link holder"  # actors, but for clients

# How far from its own place an entry is recognised again.
NEAR = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """What was done. It tells of people and files by ids alone, so it may be kept for ever."""

    number: int  # 1, 2, 3, ... without a gap
    at_ms: int  # since 1970
    action: str  # a thing and what befell it: job.submitted
    actor: str  # a client's id, OPERATOR, SERVER or HOLDER
    client_id: str | None  # whose the thing is
    subject: str | None  # the thing's id
    detail: Mapping[str, Any]  # plain values
    previous: str  # hash of the entry before, 64 hex digits
    hash: str = ""

    def sealed(self) -> Entry:
        """With the hash of its content."""
        return replace(self, hash=hash_of(self))

    def describe(self) -> dict[str, Any]:
        """As it is exported; the hash is of all the other fields."""
        return content_of(self) | {"hash": self.hash}


def content_of(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "at_ms": entry.at_ms,
        "action": entry.action,
        "actor": entry.actor,
        "client_id": entry.client_id,
        "subject": entry.subject,
        "detail": dict(entry.detail),
        "previous": entry.previous,
    }


def hash_of(entry: Entry) -> str:
    """SHA-256, hex, of ``PURPOSE`` and the content as canonical JSON.

    Canonical: keys in order, no blanks, ASCII only, no number that is none.
    """
    text = json.dumps(
        content_of(entry), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.sha256(PURPOSE + text.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold."""

    number: int  # of the entry that is broken, or of the first that is missing
    kind: str  # changed, missing, reordered, truncated
    sentence: str


def find_breaks(entries: Iterable[Entry], head: str | None = None) -> Iterator[Break]:
    """Every place where a chain does not hold, from its first entry to its last.

    ``head`` is the hash of an entry that is known to have been there.
    """
    before: Entry | None = None
    head_is_there = head is None
    for entry in entries:
        yield from _compare(before, entry)
        head_is_there = head_is_there or entry.hash == head
        before = entry
    if not head_is_there:
        number = before.number + 1 if before else 1
        yield Break(number, "truncated", TRUNCATED.format(number=number))


TRUNCATED = (
    "no entry has the hash that was kept as head: entries from {number} on were cut off, or an "
    "earlier one and all after it were written anew"
)


def _compare(before: Entry | None, entry: Entry) -> Iterator[Break]:
    number, expected = entry.number, before.number + 1 if before else 1
    if number != expected:
        gap = "entry {} is" if number == expected + 1 else "entries {} to {} are"
        yield Break(expected, "missing", f"{gap.format(expected, number - 1)} missing")
    if hash_of(entry) != entry.hash:
        yield _judge(entry)
    elif number == expected and not _is_linked(before, entry):
        sentence = "entry {} holds another hash of the entry before: that one was written anew"
        yield Break(max(1, number - 1), "changed", sentence.format(number))


def _is_linked(before: Entry | None, entry: Entry) -> bool:
    """Also where the one before is known to be broken: one fault is told once."""
    if before is None:
        return entry.previous == BEFORE_ALL
    return entry.previous == before.hash or hash_of(before) != before.hash


def _judge(entry: Entry) -> Break:
    """Why an entry's own hash is wrong: it stands in another's place, or says something else."""
    near = range(max(1, entry.number - NEAR), entry.number + NEAR)
    for number in near:
        if hash_of(replace(entry, number=number)) == entry.hash:
            sentence = f"entry {entry.number} was entry {number}: entries were moved or removed"
            return Break(entry.number, "reordered", sentence)
    return Break(entry.number, "changed", f"entry {entry.number} was changed")
