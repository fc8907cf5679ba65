"""What some wait for elsewhere holds up nobody else: shares for clients in the queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobs.crew import Crew, done_once
from jobs.toy_worker import TASKS
from lendface.jobs.durable import AT_A_TIME, JOB, SHARES
from lendface.jobs.work import CONTROL, FETCHING, NOTIFY

CLIENTS = 40  # who may all have as much as they may, and there is room for one more
SLOW = [f"slow{number}" for number in range(40)]


@contextmanager
def held(crew: Crew, task: str, names: list[str]) -> Iterator[None]:
    for name in names:
        crew.order("hold", name, task)
    yield
    for name in names:
        crew.lift("hold", name, task)


def begun(crew: Crew, what: str, names: list[str]) -> set[str]:
    return {line[2] for line in crew.toys.lines() if line[1] == what and line[2] in names}


def test_forty_clients_leave_room_for_another() -> None:
    for queue in (FETCHING, NOTIFY):
        assert CLIENTS * SHARES[queue] < AT_A_TIME[queue]


@pytest.mark.slow
def test_files_that_do_not_come_hold_up_nobody_else(crew: Crew) -> None:
    """Neither who fetches nor who has sent files, and none of the places for jobs is taken."""
    with held(crew, "fetch", SLOW):
        crew.start_both()
        crew.submit(*SLOW, client_id="greedy", fetches=True)
        crew.until(lambda: len(begun(crew, "begin", SLOW)) == SHARES[FETCHING])
        crew.submit("fetching", client_id="another", fetches=True)
        crew.submit("sent", client_id="greedy")
        crew.until_ended("fetching", "sent")
        done_once(crew, "fetching")
        done_once(crew, "sent")
        assert len(begun(crew, "begin", SLOW)) == SHARES[FETCHING]
        assert not crew.rows("1", "workflow_uuid LIKE 'job/slow%'")
    crew.until_ended(*SLOW)


def test_receivers_that_hang_hold_up_nobody_elses_messages(crew: Crew) -> None:
    with held(crew, "deliver", SLOW):
        for name in SLOW:
            crew.send(name, sender="greedy")
        crew.start("control", *CONTROL)
        crew.until(lambda: len(begun(crew, "delivered", SLOW)) == SHARES[NOTIFY])
        crew.send("test", sender="greedy/test")
        crew.send("other", sender="another")
        crew.until(lambda: crew.who("delivered", "test") and crew.who("delivered", "other"))
        assert len(begun(crew, "delivered", SLOW)) == SHARES[NOTIFY]
    crew.until(lambda: len(begun(crew, "delivered", SLOW)) == len(SLOW))


def test_a_message_that_was_put_off_is_another_attempt_at_the_same(crew: Crew) -> None:
    crew.start("control", *CONTROL)
    crew.send("d")
    crew.send("d", postponed=1)
    crew.send("d", postponed=2)
    crew.until(lambda: crew.count(None, "delivered", "d") == 3)
    delivered = sorted(line[3] for line in crew.toys.lines() if line[1] == "delivered")
    assert delivered == ["1/1", "1/1/1", "1/1/2"]


# What is fetched first is a job like any other


def test_a_file_is_fetched_once_and_the_job_goes_on(crew: Crew) -> None:
    crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_ended("a")
    assert crew.tasks("end", "a")[0] == "fetch"
    done_once(crew, "a")


def test_a_worker_killed_while_it_fetches_begins_again(crew: Crew) -> None:
    crew.order("hold", "a", "fetch")
    control, _ = crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_begun("a", "fetch")
    control.kill()
    crew.lift("hold", "a", "fetch")
    crew.start("control", *CONTROL)
    crew.until_ended("a")
    done_once(crew, "a", again=("fetch",))
    assert crew.attempts("a", "fetch") == 2


def test_another_worker_fetches_for_a_dead_one(crew: Crew) -> None:
    crew.order("hold", "a", "fetch")
    control, _ = crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_begun("a", "fetch")
    crew.start("other", *CONTROL)
    control.kill()
    crew.lift("hold", "a", "fetch")
    crew.until_ended("a")
    done_once(crew, "a", again=("fetch",))
    assert crew.who("end", "a", "fetch") == ["other"]


def test_a_worker_killed_after_the_fetch_does_not_fetch_again(crew: Crew) -> None:
    crew.order("hold", "a", "probe")
    control, _ = crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_begun("a", "probe")
    control.kill()
    crew.start("control", *CONTROL)
    crew.lift("hold", "a", "probe")
    crew.until_ended("a")
    done_once(crew, "a")


def test_a_file_that_cannot_be_fetched_fails_the_job(crew: Crew) -> None:
    crew.order("fail", "a", "fetch")
    crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_ended("a")
    assert crew.end_of("a") == "no_video"
    assert crew.tasks("begin", "a") == ["fetch"]
    assert [name for (name,) in crew.rows("workflow_uuid")] == ["fetch/a/1"]


def test_a_job_cancelled_while_it_fetches_goes_no_further(crew: Crew) -> None:
    crew.order("hold", "a", "fetch")
    crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_begun("a", "fetch")
    crew.order("unwanted", "a")
    crew.durable.cancel("a", 1)
    crew.until(lambda: crew.count(None, "stopped", "a", "fetch"))
    crew.submit("b", fetches=True)
    crew.until_ended("b")
    assert not crew.durable.is_at("a", 1)
    assert set(crew.tasks("begin", "a")) == {"fetch"}
    known = crew.rows("workflow_uuid", "workflow_uuid IN ('fetch/a/1', 'job/a/1')")
    assert known == [("fetch/a/1",)]  # no job was put in


def test_a_job_cancelled_later_takes_its_tasks_with_it(crew: Crew) -> None:
    crew.start("control", *CONTROL)
    crew.submit("a", fetches=True)
    crew.until(lambda: crew.rows("1", "workflow_uuid = 'task/a/1/probe'"))
    assert crew.durable.is_at("a", 1)
    crew.order("unwanted", "a")
    crew.durable.cancel("a", 1)
    assert not crew.durable.is_at("a", 1)
    assert crew.rows("status", "workflow_uuid = 'task/a/1/probe'") == [("CANCELLED",)]


def test_a_forgotten_job_that_fetched_leaves_nothing_behind(crew: Crew) -> None:
    crew.start_both()
    crew.submit("a", fetches=True)
    crew.until_ended("a")
    crew.durable.forget("a", 1)
    assert not crew.rows("1")


def test_what_an_earlier_version_put_in_is_done(crew: Crew) -> None:
    """It named no client, and the job's story was told with less."""
    with crew.engine.begin() as connection:
        for number, given in enumerate(("job", "delivery")):
            queue = {"job": "jobs", "delivery": "notify"}[given]
            options = {
                "workflow_name": given,
                "queue_name": queue,
                "workflow_id": f"{given}/a/1",
                "priority": number + 1,
                "app_version": "1",
            }
            words = ("a", 1, "cpu", 50) if given == JOB else ("a", 1, 1)
            crew.durable._client.enqueue_in_transaction(connection, options, *words)  # type: ignore
    crew.start_both()
    crew.until_ended("a")
    crew.until(lambda: crew.who("delivered", "a"))
    done_once(crew, "a")
    assert sorted(crew.tasks("end", "a")) == sorted(TASKS)


@pytest.mark.slow
def test_one_clients_urgent_jobs_let_anothers_be_rendered(crew: Crew) -> None:
    """Render workers ask the clients by turns that chance draws: that all of the hundred and more
    tasks come before the other's five has a chance of less than one in 2**90."""
    flood = [f"f{number}" for number in range(20)]
    for job_id in flood:
        crew.order("hold", job_id, "scan")
    crew.start_both()
    crew.submit(*flood, client_id="greedy", priority=1)
    waits = "name = 'task' AND status = 'ENQUEUED' AND queue_name = 'cpu'"
    crew.until(lambda: len(crew.rows("1", waits)) == len(flood) - 1)
    crew.submit("other", client_id="another", priority=100)
    crew.until(lambda: crew.rows("1", f"{waits} AND workflow_uuid = 'task/other/1/scan'"))
    for job_id in flood:
        crew.lift("hold", job_id, "scan")
    crew.until_ended("other", *flood)
    joined = [line[2] for line in crew.toys.lines() if line[1] == "end" and line[3:] == ["join"]]
    assert sorted(joined) == sorted(["other", *flood])
    assert joined[-1] != "other"


@pytest.mark.slow
def test_a_flood_of_one_client_lets_anothers_job_be_looked_at(crew: Crew) -> None:
    """Probing is done one at a time, and not first come, first served."""
    flood = [f"f{number}" for number in range(20)]
    for job_id in flood:
        crew.order("hold", job_id, "probe")
    crew.start_both()
    crew.submit(*flood, client_id="greedy")
    waits = "name = 'task' AND status = 'ENQUEUED' AND queue_name = 'quick'"
    crew.until(lambda: len(crew.rows("1", waits)) == len(flood) - 1)
    crew.submit("other", client_id="another")
    crew.until(lambda: crew.rows("1", "workflow_uuid = 'task/other/1/probe'"))
    whose = crew.rows("DISTINCT queue_partition_key, 1 AS created_at", waits)
    assert sorted(whose) == [("another", 1), ("greedy", 1)]
    for job_id in flood:
        crew.lift("hold", job_id, "probe")
    crew.until_ended("other", *flood)
