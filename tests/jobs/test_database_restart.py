"""The database server goes and comes back, or loses sight of a worker; no job is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from jobs.crew import Crew, done_once
from jobs.toy_worker import TASKS
from lendface.jobs.locks import PostgresLocks, _number
from lendface.jobs.reaper import alive
from lendface.jobs.work import CONTROL
from lendface.storage.database import create_engine, normal_url
from services.postgres import PostgresServer

pytestmark = pytest.mark.services


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    """Only here: no SQLite can go away."""
    return postgres.new_database()


@pytest.mark.parametrize("task", ["fetch", "scan", "chunk/1", "finish"])
def test_a_restart_in_the_middle_of_a_task_does_no_harm(
    crew: Crew, postgres: PostgresServer, task: str
) -> None:
    crew.order("hold", "a", task)
    both = crew.start_both()
    crew.submit("a", "b")
    crew.until_begun("a", task)
    postgres.restart()
    crew.lift("hold", "a", task)
    crew.until_ended("a", "b")
    assert [crew.end_of("a"), crew.end_of("b")] == ["done", "done"]
    assert [worker.is_alive for worker in both] == [True, True]
    for worker in both:
        crew.until(lambda name=worker.name: is_held(crew, name))


def test_a_restart_while_jobs_come_and_go_loses_none(crew: Crew, postgres: PostgresServer) -> None:
    """Whatever was being asked just then: work taken, but its taker never heard of it."""
    workers = [crew.start("control", *CONTROL), crew.start("one", "cpu"), crew.start("two", "cpu")]
    job_ids = [f"j{number}" for number in range(12)]
    crew.submit(*job_ids)
    for moment in (10, 30, 50):
        crew.until(lambda at=moment: crew.count(None, "end") >= at)
        postgres.restart()
    crew.until_ended(*job_ids)
    assert {crew.end_of(job_id) for job_id in job_ids} == {"done"}
    for job_id in job_ids:
        assert set(crew.tasks("end", job_id)) == set(TASKS)
    assert all(worker.is_alive for worker in workers)


def test_work_a_worker_was_given_and_never_heard_of_is_done_all_the_same(crew: Crew) -> None:
    """As when the connection breaks between the server's yes and the worker's ear."""
    crew.start_both()
    crew.submit("a")
    crew.until_ended("a")
    control, render = "control", "render"
    crew.submit("b")
    crew.until_ended("b")
    with crew.engine.begin() as connection:
        crew.durable.submit(
            connection, "c", 1, priority=1, render_queue="cpu", client_id="me", fetches=False
        )
        connection.execute(
            sa.text(
                "UPDATE dbos.workflow_status SET status = 'PENDING', executor_id = :name, "
                "owner_xid = 'lost' WHERE workflow_uuid = 'job/c/1'"
            ),
            {"name": control},
        )
    crew.until_ended("c")
    done_once(crew, "c")
    assert render in crew.who("end", "c")


def test_a_worker_taken_for_dead_comes_back_and_spoils_nothing(crew: Crew) -> None:
    """Its task was given to another; what it says of it afterwards is not heard."""
    crew.order("hold", "a", "chunk/1")
    _, render = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "chunk/1")
    pid = render.process.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)  # a machine that hangs for a while
    cut_off(crew, "render")
    crew.start("other", "cpu")
    crew.until(lambda: crew.who("begin", "a", "chunk/1") == ["render", "other"])
    os.kill(pid, signal.SIGCONT)
    crew.lift("hold", "a", "chunk/1")
    crew.until_ended("a")
    crew.until(lambda: len(crew.who("end", "a", "chunk/1")) == 2)
    assert crew.end_of("a") == "done"
    assert crew.count(None, "begin", "a", "join") == 1
    [row] = crew.rows("executor_id, status", "workflow_uuid = 'task/a/1/chunk/1'")
    assert row == ("other", "SUCCESS")
    crew.until(lambda: is_held(crew, "render"))
    crew.submit("b", "c")
    crew.until_ended("b", "c")
    assert render.is_alive


def test_a_worker_whose_name_was_taken_meanwhile_ends_and_leaves_its_namesake_alone(
    crew: Crew,
) -> None:
    _, render = crew.start_both()
    pid = render.process.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    cut_off(crew, "render")
    second = crew.start("render", "cpu")
    crew.order("hold", "a", "scan")
    crew.submit("a")
    crew.until_begun("a", "scan")
    os.kill(pid, signal.SIGCONT)
    assert render.wait() == 0
    assert "another worker has our name" in (crew.folder / "stderr").read_text()
    crew.lift("hold", "a", "scan")
    crew.until_ended("a")
    done_once(crew, "a")
    assert second.is_alive


def test_a_worker_told_to_stop_while_the_database_is_away_stops(
    crew: Crew, postgres: PostgresServer
) -> None:
    crew.order("hold", "a", "scan")
    both = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "scan")
    postgres.stop()
    try:
        for worker in both:
            worker.terminate()
        assert [worker.wait() for worker in both] == [0, 0]
    finally:
        postgres.start()
    crew.lift("hold", "a", "scan")
    crew.start_both()
    crew.until_ended("a")
    assert crew.end_of("a") == "done"


@pytest.fixture
def watch(crew: Crew) -> Iterator[PostgresLocks]:
    locks = PostgresLocks(create_engine(normal_url(crew.url), pool_size=1))
    yield locks
    locks.close()


def test_nobody_is_taken_for_dead_by_a_restart(
    crew: Crew, postgres: PostgresServer, watch: PostgresLocks
) -> None:
    """All locks are gone for a moment; who lives takes its own again before it is missed twice."""
    crew.order("hold", "a", "chunk/0")
    crew.start_both(beat_s=2.0)
    crew.submit("a")
    crew.until_begun("a", "chunk/0")
    postgres.restart()
    for name in ("control", "render"):
        crew.until(lambda name=name: is_held(crew, name))
    crew.lift("hold", "a", "chunk/0")
    crew.until_ended("a")
    done_once(crew, "a")


def cut_off(crew: Crew, name: str) -> None:
    """End the session that holds a worker's lock, as when its machine vanished."""
    with crew.engine.begin() as connection:
        found = connection.execute(
            sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {HOLDS}"), key(name)
        ).all()
    assert found == [(True,)]
    crew.until(lambda: not is_held(crew, name))


def is_held(crew: Crew, name: str) -> bool:
    with crew.engine.connect() as connection:
        query = sa.text(f"SELECT count(*) FROM pg_locks WHERE {HOLDS}")
        return connection.execute(query, key(name)).scalar_one() == 1


HOLDS = (
    "locktype = 'advisory' AND granted AND classid::bigint = :high AND objid::bigint = :low "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def key(name: str) -> dict[str, int]:
    """The server shows the two halves of the number."""
    number = _number(alive(name)) & (2**64 - 1)
    return {"high": number >> 32, "low": number & (2**32 - 1)}
