"""Finds dead workers and gives their tasks back to the queues.

The durable engine's open part does this only when a worker of the same name starts again
(https://docs.dbos.dev/production/workflow-recovery), and then puts them on a queue that knows no
limits. So a worker reaps before it launches the engine, and then again and again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from .durable import Durable
from .locks import Locks

log = logging.getLogger("lendface.jobs")

LEADER = "reaper"


def alive(executor: str) -> str:
    """The name of the lock that says that an executor lives."""
    return f"executor/{executor}"


@dataclass
class Reaper:
    """One sweep after the other; among all workers only one sweeps at a time.

    A worker counts as dead when its lock was free in two sweeps in a row: after a restart of the
    database every worker has lost its lock for a moment.
    """

    durable: Durable
    locks: Locks
    suspects: set[str] = field(default_factory=set)

    def sweep(self, *, is_patient: bool = True) -> int:
        """How many workflows went back to their queues."""
        with self.locks.borrow(LEADER) as is_leader:
            if not is_leader:
                self.suspects.clear()
                return 0
            found, before = 0, self.suspects
            self.suspects = set()
            for executor, by_queue in self.durable.pending_by_executor().items():
                with self.locks.borrow(alive(executor)) as is_dead:
                    if not is_dead:
                        continue
                    if is_patient and executor not in before:
                        self.suspects.add(executor)
                        continue
                    found += self._requeue(executor, by_queue)
            return found

    def reap_own(self, executor: str) -> int:
        """What an earlier life of this executor left behind; call it before the engine starts."""
        return self._requeue(executor, self.durable.pending_by_executor().get(executor, {}))

    def _requeue(self, executor: str, by_queue: dict[str, list[str]]) -> int:
        for queue, workflow_ids in by_queue.items():
            log.warning(
                "worker is gone, its tasks go back to the queue",
                extra={"executor": executor, "queue": queue, "tasks": len(workflow_ids)},
            )
            self.durable.requeue(queue, workflow_ids)
        return sum(len(ids) for ids in by_queue.values())
