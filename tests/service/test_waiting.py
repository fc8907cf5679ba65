"""Waiting for a job's end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from anyio.to_thread import run_sync

from lendface.errors import (
    ClientRevokedError,
    KeyRevokedError,
    NotFoundError,
    StillRunningError,
)
from lendface.service.clients import WRITE, Caller, find_client, revoke_client, revoke_key
from lendface.service.jobs import get_row, progress_of, submit
from lendface.service.office import Office
from lendface.service.requests import FetchJob
from lendface.service.states import FAILED, SUCCEEDED
from lendface.service.uploads import url_row
from lendface.service.waiting import wait_for_end
from lendface.service.watching import JobFeed, look
from lendface.storage.tables import uploads
from service.offices import end_job, new_client, open_office, start_job


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def job_id(office: Office) -> str:
    return make_job(office)


def make_job(office: Office) -> str:
    client_id = new_client(office).client_id
    with office.database.writing() as connection:
        row = url_row(office, client_id, "https://a.example/a.mp4")
        connection.execute(uploads.insert().values(**row))
    return submit(office, client_id, FetchJob(row["id"]))["id"]


@pytest.fixture
def caller(office: Office) -> Caller:
    client = new_client(office)
    return Caller(client.client_id, find_client(office, client.key).key_id, WRITE)


async def wait(office: Office, job_id: str, caller: Caller, timeout_s: float = 300) -> str:
    return (await wait_for_end(JobFeed(office, 0.01), job_id, caller, timeout_s))["state"]


@pytest.mark.parametrize("state", [SUCCEEDED, FAILED])
def test_the_end_is_noticed(office: Office, job_id: str, caller: Caller, state: str) -> None:
    async def main() -> str:
        async with anyio.create_task_group() as group:
            group.start_soon(run_sync, end_job, office, job_id, state)
            return await wait(office, job_id, caller)

    assert anyio.run(main) == state


def test_an_end_that_was_is_there_at_once(office: Office, job_id: str, caller: Caller) -> None:
    end_job(office, job_id, SUCCEEDED)
    assert anyio.run(wait, office, job_id, caller) == SUCCEEDED


def test_patience_ends(office: Office, job_id: str, caller: Caller) -> None:
    with pytest.raises(StillRunningError, match=r"within 0.03 s"):
        anyio.run(wait, office, job_id, caller, 0.03)


def test_nothing_is_waited_for_that_is_not_there(office: Office, caller: Caller) -> None:
    with pytest.raises(NotFoundError):
        anyio.run(wait, office, "0" * 24, caller)


def test_who_waits_is_refused_when_the_key_ends(
    office: Office, job_id: str, caller: Caller
) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(run_sync, revoke_key, office, caller.key_id)
            await wait(office, job_id, caller)

    with pytest.raises(ExceptionGroup) as told:
        anyio.run(main)
    assert told.group_contains(KeyRevokedError)


def test_who_waits_without_a_key_is_refused_when_the_client_ends(
    office: Office, job_id: str, caller: Caller
) -> None:
    revoke_client(office, caller.client_id)
    with pytest.raises(ClientRevokedError):
        anyio.run(wait, office, job_id, Caller(caller.client_id, None, WRITE))


def test_those_who_have_gone_are_forgotten(office: Office, job_id: str, caller: Caller) -> None:
    feed = JobFeed(office, 0.01)

    async def main() -> tuple[int, int]:
        with suppress(StillRunningError):
            await wait_for_end(feed, job_id, caller, 0.03)
        return len(feed._watched), len(feed._callers)

    assert anyio.run(main) == (0, 0)


def test_places_in_the_queue_are_those_of_a_single_look(office: Office, job_id: str) -> None:
    ids = [job_id, *(make_job(office) for _ in range(3))]
    news = look(office, dict.fromkeys(ids), ())
    with office.database.reading() as connection:
        expected = [progress_of(office, get_row(connection, each)).queue_position for each in ids]
    assert [news.seen[each].progress.queue_position for each in ids] == expected
    assert [news.marks[each][-1] for each in ids] == expected
    start_job(office, ids[expected.index(1)])
    after = look(office, news.marks, ())
    assert set(after.seen) == set(ids)  # the others have moved up
    assert look(office, after.marks, ()).seen == {}
