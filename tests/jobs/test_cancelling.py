"""What nobody wants is not begun, and what matters more goes first."""

from __future__ import annotations

from jobs.crew import Crew, done_once
from lendface.jobs.work import CONTROL


def test_a_cancelled_jobs_tasks_leave_the_queue_and_the_running_one_ends(crew: Crew) -> None:
    crew.order("hold", "a", "chunk/0")
    crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "chunk/0")
    waits(crew, "a", "chunk/2")
    crew.durable.cancel("a", 1)
    waiting = "workflow_uuid IN ('task/a/1/chunk/1', 'task/a/1/chunk/2')"
    assert crew.rows("status", waiting) == [("CANCELLED",)] * 2
    crew.order("unwanted", "a")
    crew.until(lambda: crew.count("render", "stopped", "a", "chunk/0"))
    assert not crew.durable.is_at("a", 1)
    crew.submit("b")
    crew.until_ended("b")
    done_once(crew, "b")
    assert crew.end_of("a") is None
    assert set(crew.tasks("begin", "a")) == {"fetch", "probe", "scan", "chunk/0"}


def test_a_job_cancelled_before_anybody_works_never_begins(crew: Crew) -> None:
    crew.submit("a", "b")
    crew.durable.cancel("a", 1)
    crew.start_both()
    crew.until_ended("b")
    assert crew.tasks("begin", "a") == []


def test_cancelling_what_is_unknown_or_over_is_harmless(crew: Crew) -> None:
    crew.start_both()
    crew.submit("a")
    crew.until_ended("a")
    crew.durable.cancel("a", 1)
    crew.durable.cancel("nobody", 1)
    assert crew.rows("status", "workflow_uuid = 'job/a/1'") == [("SUCCESS",)]


def test_a_dead_workers_cancelled_task_does_not_come_back(crew: Crew) -> None:
    crew.order("hold", "a", "scan")
    _, render = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "scan")
    render.kill()
    crew.order("unwanted", "a")
    crew.durable.cancel("a", 1)
    crew.start("render", "cpu")
    crew.submit("b")
    crew.until_ended("b")
    assert crew.rows("status", "workflow_uuid = 'task/a/1/scan'") == [("CANCELLED",)]
    assert crew.count(None, "begin", "a", "scan") == 1


def test_an_urgent_job_overtakes_those_that_were_there_before(crew: Crew) -> None:
    crew.start("control", *CONTROL)
    crew.order("hold", "first", "scan")
    crew.start("render", "cpu")
    crew.submit("first")
    crew.until_begun("first", "scan")
    for job_id, priority in (("a", 50), ("urgent", 1)):
        crew.submit(job_id, priority=priority)
        waits(crew, job_id, "scan")
    crew.lift("hold", "first", "scan")
    crew.until_ended("first", "a", "urgent")
    scans = [line[2] for line in crew.toys.lines() if line[1] == "begin" and line[3:] == ["scan"]]
    assert scans == ["first", "urgent", "a"]


def test_a_file_that_will_be_refused_is_refused_before_others_are_rendered(crew: Crew) -> None:
    crew.order("hold", "a", "chunk/0")
    crew.order("fail", "b", "probe")
    crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "chunk/0")
    crew.submit("b", priority=100)
    crew.until_ended("b")
    assert crew.count(None, "begin", "a", "chunk/1") == 0
    crew.lift("hold", "a", "chunk/0")
    crew.until_ended("a")


def waits(crew: Crew, job_id: str, task: str) -> None:
    """Until the task is in its queue."""
    where = f"workflow_uuid = 'task/{job_id}/1/{task}' AND status = 'ENQUEUED'"
    crew.until(lambda: crew.rows("1", where))
