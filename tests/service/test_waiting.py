"""Waiting for a job's end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from lendface.errors import NotFoundError, StillRunningError
from lendface.service.jobs import submit
from lendface.service.office import Office
from lendface.service.requests import FetchJob
from lendface.service.states import FAILED, SUCCEEDED
from lendface.service.uploads import declare_url
from lendface.service.waiting import wait_for_end
from service.offices import end_job, new_client, open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def job_id(office: Office) -> str:
    client_id = new_client(office).client_id
    with office.database.writing() as connection:
        upload = declare_url(connection, office, client_id, "https://a.example/a.mp4")
    return submit(office, client_id, FetchJob(upload))["id"]


@pytest.mark.parametrize("state", [SUCCEEDED, FAILED])
def test_the_end_is_noticed(office: Office, job_id: str, state: str) -> None:
    looks = anyio.CapacityLimiter(1)

    async def main() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(run_sync, end_job, office, job_id, state)
            return (await wait_for_end(office, job_id, 20, 0.01, looks))["state"]

    assert anyio.run(main) == state


def test_an_end_that_was_is_there_at_once(office: Office, job_id: str) -> None:
    end_job(office, job_id, SUCCEEDED)
    assert anyio.run(wait_for_end, office, job_id, 20, 1000)["state"] == SUCCEEDED


def test_patience_ends(office: Office, job_id: str) -> None:
    with pytest.raises(StillRunningError, match=r"within 0.03 s"):
        anyio.run(wait_for_end, office, job_id, 0.03, 0.01)


def test_nothing_is_waited_for_that_is_not_there(office: Office) -> None:
    with pytest.raises(NotFoundError):
        anyio.run(wait_for_end, office, "0" * 24, 20)
