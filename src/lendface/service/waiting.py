"""Waiting for a job's end, for APIs that answer with what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio
from anyio.to_thread import run_sync

from ..errors import StillRunningError
from .jobs import get_row
from .office import Office
from .states import FINAL

POLL_S = 0.1

Row = Mapping[str, Any]


async def wait_for_end(
    office: Office,
    job_id: str,
    timeout_s: float,
    poll_s: float = POLL_S,
    limiter: anyio.CapacityLimiter | None = None,
) -> Row:
    """The job, succeeded, failed or cancelled. The event loop stays free meanwhile.

    ``limiter`` bounds how many look at the database at a time. Raises StillRunningError; the job
    goes on then.
    """
    try:
        with anyio.fail_after(timeout_s):
            while True:
                job = await run_sync(_look, office, job_id, limiter=limiter)
                if job["state"] in FINAL:
                    return job
                await anyio.sleep(poll_s)
    except TimeoutError:
        raise StillRunningError(timeout_s) from None


def _look(office: Office, job_id: str) -> Row:
    with office.database.reading() as connection:
        return get_row(connection, job_id)
