"""Waiting for a job's end, for APIs that answer with what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio

from ..errors import StillRunningError
from .clients import Caller
from .states import FINAL
from .watching import JobFeed

Row = Mapping[str, Any]


async def wait_for_end(feed: JobFeed, job_id: str, caller: Caller, timeout_s: float) -> Row:
    """The job, succeeded, failed or cancelled. The event loop stays free meanwhile.

    Raises StillRunningError, and KeyRefusedError where ``caller`` loses the right to wait; the job
    goes on then. Raises NotFoundError where it is deleted.
    """
    try:
        with anyio.fail_after(timeout_s), feed.watch(job_id, caller) as watch:
            while True:
                seen = await watch.next()
                if seen is not None and seen.job["state"] in FINAL:
                    return seen.job
    except TimeoutError:
        raise StillRunningError(timeout_s) from None
