"""Finds work that nobody does any more and gives it back to the queues.

The durable engine's open part does this only when a worker of the same name starts again
(https://docs.dbos.dev/production/workflow-recovery). So every worker looks for dead ones, again and
again, and a starting one first gives back what an earlier life of its own left behind.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from .locks import Locks

log = logging.getLogger("lendface.jobs")

LEADER = "reaper"

PendingByQueue = Mapping[str, Sequence[str]]  # queue -> workflow ids


class Pending(Protocol):
    """What the reaper asks of the durable engine."""

    def pending_by_executor(self, executor: str | None = None) -> Mapping[str, PendingByQueue]: ...

    def requeue(self, executor: str, queue: str, workflow_ids: Sequence[str]) -> int: ...


def alive(executor: str) -> str:
    """The name of the lock that says that an executor lives."""
    return f"executor/{executor}"


class InHand:
    """The workflows this process is at, by id."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ids: dict[str, int] = {}  # how often: one may be begun again beside a lost attempt

    @contextmanager
    def holding(self, workflow_id: str) -> Iterator[None]:
        self._count(workflow_id, +1)
        try:
            yield
        finally:
            self._count(workflow_id, -1)

    def ids(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._ids)

    def _count(self, workflow_id: str, step: int) -> None:
        with self._lock:
            self._ids[workflow_id] = self._ids.get(workflow_id, 0) + step
            if not self._ids[workflow_id]:
                del self._ids[workflow_id]


@dataclass
class Reaper:
    """One look after the other; it acts on what was so in two looks in a row.

    After a restart of the database every worker has lost its lock for a moment, and between taking
    work and beginning it, or ending it and saying so, a worker has nothing in hand.
    """

    durable: Pending
    locks: Locks
    _suspects: set[str] = field(default_factory=set)  # executors
    _missed: set[str] = field(default_factory=set)  # our own workflows

    def sweep(self) -> int:
        """Give back the work of dead workers; among all workers only one sweeps at a time.

        Returns how many workflows went back to their queues.
        """
        before, self._suspects = self._suspects, set()
        with self.locks.borrow(LEADER) as is_leader:
            if not is_leader:
                return 0
            pending = self.durable.pending_by_executor()
            return sum(self._look_at(name, pending[name], before) for name in pending)

    def sweep_own(self, executor: str, in_hand: Collection[str]) -> int:
        """Give back what is said to be ours and is not: taken while the database went away."""
        before, self._missed = self._missed, set()
        pending = self.durable.pending_by_executor(executor).get(executor, {})
        missing = {queue: set(ids) - set(in_hand) for queue, ids in pending.items()}
        self._missed = set().union(*missing.values()) - before
        again = {queue: sorted(ids & before) for queue, ids in missing.items()}
        return self._requeue(executor, again)

    def reap_own(self, executor: str) -> int:
        """Give back all that is said to be ours; before the engine starts, and at the very end."""
        return self._requeue(executor, self.durable.pending_by_executor(executor).get(executor, {}))

    def _look_at(self, executor: str, by_queue: PendingByQueue, before: set[str]) -> int:
        """Its lock is ours while we act, so it cannot start again in the meantime."""
        with self.locks.borrow(alive(executor)) as is_dead:
            if is_dead and executor in before:
                return self._requeue(executor, by_queue)
            if is_dead:
                self._suspects.add(executor)
            return 0

    def _requeue(self, executor: str, by_queue: PendingByQueue) -> int:
        total = 0
        for queue, workflow_ids in by_queue.items():
            if count := self.durable.requeue(executor, queue, workflow_ids):
                log.warning(
                    "nobody is at these tasks, they go back to the queue",
                    extra={"executor": executor, "queue": queue, "tasks": count},
                )
            total += count
        return total
