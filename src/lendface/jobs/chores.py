"""What has to be done again and again beside the tasks: each chore in a thread of its own.

So one that fails, or waits long for a store that does not answer, keeps no other back, nor the
signs of life of its worker.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import InternalError, LendfaceError
from .locks import Locks

log = logging.getLogger("lendface.jobs")


@dataclass(frozen=True)
class Chore:
    name: str
    every_s: float  # between two turns, however the first of them ended
    do: Callable[[], object]


class Chores:
    """Of all workers only one at a time is at a chore of a name."""

    def __init__(self, chores: Iterable[Chore], locks: Locks, end: threading.Event) -> None:
        self._chores, self._locks, self._end = tuple(chores), locks, end

    def start(self) -> None:
        """They go on until ``end``, and do not keep a process that wants to end."""
        for chore in self._chores:
            name = f"chore-{chore.name}"
            threading.Thread(target=self._run, args=(chore,), daemon=True, name=name).start()

    def take_turn(self, chore: Chore) -> None:
        """Do it once, unless another worker is at it. Raises nothing."""
        try:
            with self._locks.borrow(f"chores/{chore.name}") as is_ours:
                if is_ours:
                    chore.do()
        except Exception as fault:
            code = fault.code if isinstance(fault, LendfaceError) else InternalError.code
            told = {"chore": chore.name, "code": code, "reason": type(fault).__name__}
            log.error("a chore failed", extra=told)

    def _run(self, chore: Chore) -> None:
        self.take_turn(chore)
        while not self._end.wait(chore.every_s):
            self.take_turn(chore)
