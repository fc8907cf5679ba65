"""What a job is made of, as the durable engine sees it. The service plays this role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

# Queues of light work: the story of each job, what it fetches from elsewhere, and its messages.
JOBS, FETCHING, NOTIFY = "jobs", "fetch", "notify"
CONTROL = (JOBS, FETCHING, NOTIFY)
QUICK = "quick"  # short looks at files: probing, finding faces in a few pictures
RENDER_QUEUES = ("cpu", "gpu")  # heavy work, by what a worker has

FETCH, PROBE, SCAN, JOIN, FINISH = "fetch", "probe", "scan", "join", "finish"
CHUNK = "chunk"  # by number: chunk/0, chunk/1


class Work(Protocol):
    """The tasks of jobs. Each may be done twice, at the same time even, and must not mind."""

    def claim(self, job_id: str, run: int, task: str, executor: str) -> int | None:
        """Note down that a task begins; returns which attempt it is, from 1.

        None: nobody wants it any more (cancelled, failed, a newer run). What ``claim``,
        ``unclaim``, ``fail`` and ``deliver`` raise with ``may_pass``, and DiskFullError, is waited
        for, however long.
        """
        ...

    def unclaim(self, job_id: str, run: int, task: str) -> None:
        """The attempt was broken off through no fault of the task; it does not count."""
        ...

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        """Do the task; returns plain values.

        ``fetch`` returns whether there is more to do than to fetch, ``probe`` whether there is
        more to do than that, ``scan`` the names of the tasks that follow.
        Raises CancelledError where ``is_stopping`` or where nobody wants it any more, and other
        errors of ``lendface.errors`` where the job cannot be done. One that ``may_pass`` is tried
        again for about a minute.
        """
        ...

    def fail(self, job_id: str, run: int, code: str, message: str) -> None:
        """The job ends here, unless it has ended already."""
        ...

    def deliver(self, delivery_id: str, round_number: int, attempt: int, postponed: int) -> None:
        """Send a message once; where it fails, line up the next attempt.

        ``postponed``: how often this attempt was put off already, since too many others were at
        its receiver.
        """
        ...
