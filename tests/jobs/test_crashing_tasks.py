"""A file that ends every worker that touches it must not end the others' jobs with it."""

from __future__ import annotations

import pytest

from jobs.crew import Crew, done_once
from lendface.jobs.work import CONTROL

pytestmark = pytest.mark.slow

DEATHS = 3
LAST = "workflow_uuid = 'task/a/1/chunk/2'"


def test_a_task_that_kills_its_worker_each_time_fails_its_job_alone(crew: Crew) -> None:
    crew.order("crash", "bad", "chunk/1")
    _, render = crew.start_both()
    crew.submit("bad", "good")
    for _ in range(DEATHS):
        assert render.wait() == -9
        render = crew.start("render", "cpu")
    crew.until_ended("bad", "good")
    assert crew.end_of("bad") == "worker_died"
    assert crew.count(None, "begin", "bad", "chunk/1") == DEATHS
    done_once(crew, "good")
    assert render.is_alive
    crew.submit("next")
    crew.until_ended("next")
    done_once(crew, "next")


def test_tasks_beside_the_one_that_kills_the_worker_do_not_use_up_their_attempts(
    crew: Crew,
) -> None:
    """Of the three lives the last is each one's own."""
    others, everybody = ["good", "fine"], ["good", "fine", "bad"]
    crew.order("crash", "bad", "fetch")
    for job_id in everybody:
        crew.order("hold", job_id, "fetch")
    crew.submit(*everybody)
    crew.start("render", "cpu")
    for life in range(1, DEATHS):
        control = crew.start("control", *CONTROL)
        for job_id in everybody:
            crew.until_begun(job_id, "fetch", times=life)
        crew.lift("hold", "bad", "fetch")
        assert control.wait() == -9
        crew.order("hold", "bad", "fetch")
    crew.lift("hold", "bad", "fetch")
    control = crew.start("control", *CONTROL)
    crew.until(lambda: any(crew.attempts(job_id, "fetch") == DEATHS for job_id in everybody))
    for job_id in others:
        crew.lift("hold", job_id, "fetch")
    assert control.wait() == -9
    control = crew.start("control", *CONTROL)
    crew.until_ended(*everybody)
    assert crew.end_of("bad") == "worker_died"
    assert [crew.end_of(job_id) for job_id in others] == ["done", "done"]
    assert control.is_alive


def test_a_job_that_fails_ends_at_once_and_its_other_tasks_leave_the_queue(crew: Crew) -> None:
    crew.order("fail", "a", "chunk/0")
    crew.order("stubborn", "a", "chunk/1")
    crew.start_both()
    crew.submit("a", "b")
    crew.until(lambda: crew.end_of("a"))
    crew.until(lambda: crew.rows("status", LAST) == [("CANCELLED",)])
    crew.lift("stubborn", "a", "chunk/1")
    crew.until_ended("a", "b")
    assert crew.end_of("a") == "no_video"
    assert crew.attempts("a", "chunk/0") == 1
    assert not {"chunk/2", "join"} & set(crew.tasks("begin", "a"))
    done_once(crew, "b")
