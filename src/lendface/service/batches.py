"""Many things done one after the other, so that one that cannot be done holds up no other."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ..errors import InternalError, LendfaceError

log = logging.getLogger("lendface.house")

T = TypeVar("T")
MAX_OUTAGES = 10  # in one call, after which a store or a database is away for all that follow


def do_each(what: str, items: Iterable[T], do: Callable[[T], object]) -> int:
    """Do something to each; what fails is told to the log. Returns how much that was.

    ``what`` is for the log. Raises what may pass (``LendfaceError.may_pass``) once it has been
    raised ``MAX_OUTAGES`` times.
    """
    failures: Counter[str] = Counter()
    outages = 0
    try:
        for item in items:
            try:
                do(item)
            except Exception as fault:
                failures[code_of(fault)] += 1
                outages += isinstance(fault, LendfaceError) and fault.may_pass
                if outages >= MAX_OUTAGES:
                    raise
    finally:
        for code, count in failures.items():
            log.warning("left undone", extra={"chore": what, "code": code, "count": count})
    return failures.total()


def do_all(what: str, items: Sequence[T], do: Callable[[Sequence[T]], object]) -> int:
    """Do something to all at once or, where that fails, to each by itself as ``do_each`` has it."""
    try:
        do(items)
    except Exception:
        return do_each(what, items, lambda item: do([item]))
    return 0


def code_of(fault: BaseException) -> str:
    """Stable, and without anything that belongs to somebody."""
    return fault.code if isinstance(fault, LendfaceError) else InternalError.code
