"""A worker is killed as the kernel does it; no job is lost and nothing finished is done again."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from jobs.crew import Crew, Worker, done_once
from jobs.toy_worker import TASKS
from lendface.jobs.work import CONTROL

pytestmark = pytest.mark.slow

RENDERED = ["probe", "scan", "chunk/1", "join"]


@pytest.mark.parametrize("task", RENDERED)
def test_a_killed_workers_task_is_done_again_when_it_is_back(crew: Crew, task: str) -> None:
    crew.order("hold", "a", task)
    _, render = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", task)
    render.kill()
    crew.lift("hold", "a", task)
    crew.start("render", "cpu")
    crew.until_ended("a")
    done_once(crew, "a", again=(task,))
    assert crew.attempts("a", task) == 2


@pytest.mark.parametrize("task", RENDERED)
def test_a_dead_workers_task_goes_back_to_its_queue_and_to_another(crew: Crew, task: str) -> None:
    crew.order("hold", "a", task)
    _, render = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", task)
    crew.start("other", "cpu")
    render.kill()
    crew.lift("hold", "a", task)
    crew.until_ended("a")
    done_once(crew, "a", again=(task,))
    assert crew.who("begin", "a", task) == ["render", "other"]
    [row] = crew.rows("queue_name, executor_id", f"workflow_uuid = 'task/a/1/{task}'")
    assert row == ("quick" if task == "probe" else "cpu", "other")


def test_a_worker_that_lives_keeps_its_task_however_long_it_takes(crew: Crew) -> None:
    crew.order("hold", "a", "scan")
    crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "scan")
    crew.start("other", "cpu")
    crew.submit("b")
    crew.until_ended("b")  # meanwhile there were many looks at who lives
    crew.lift("hold", "a", "scan")
    crew.until_ended("a")
    done_once(crew, "a")


@pytest.mark.parametrize("task", ["fetch", "chunk/0", "finish"])
def test_a_killed_control_worker_goes_on_where_it_was(crew: Crew, task: str) -> None:
    crew.order("hold", "a", task)
    control, _ = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", task)
    control.kill()
    crew.lift("hold", "a", task)
    crew.start("control", *CONTROL)
    crew.until_ended("a")
    done_once(crew, "a", again=(task,) if task in ("fetch", "finish") else ())


def test_another_control_worker_goes_on_for_a_dead_one(crew: Crew) -> None:
    crew.order("hold", "a", "chunk/0")
    control, _ = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "chunk/0")
    crew.start("other", *CONTROL)
    control.kill()
    crew.lift("hold", "a", "chunk/0")
    crew.until_ended("a")
    done_once(crew, "a")
    assert crew.who("end", "a", "finish") == ["other"]


def test_when_all_are_killed_at_once_all_goes_on_later(crew: Crew) -> None:
    crew.order("hold", "a", "fetch")
    crew.order("hold", "b", "chunk/2")
    both = crew.start_both()
    crew.submit("a", "b", "c")
    crew.until_begun("a", "fetch")
    crew.until_begun("b", "chunk/2")
    for worker in both:
        worker.kill()
    crew.lift("hold", "a", "fetch")
    crew.lift("hold", "b", "chunk/2")
    crew.start_both()
    crew.until_ended("a", "b", "c")
    done_once(crew, "a", again=("fetch",))
    done_once(crew, "b", again=("chunk/2",))
    done_once(crew, "c")


def test_one_worker_for_everything_does_all_of_a_job(crew: Crew) -> None:
    crew.order("hold", "a", "chunk/1")
    everything = crew.start("all", *CONTROL, "cpu")
    crew.submit("a", "b")
    crew.until_begun("a", "chunk/1")
    everything.kill()
    crew.lift("hold", "a", "chunk/1")
    crew.start("all", *CONTROL, "cpu")
    crew.until_ended("a", "b")
    done_once(crew, "a", again=("chunk/1",))
    done_once(crew, "b")


def test_many_jobs_wait_at_once_in_one_worker_and_none_blocks_another(crew: Crew) -> None:
    """More than the light tasks that it does, and the connections that it has, at a time."""
    job_ids = [f"j{number}" for number in range(40)]
    for job_id in job_ids:
        crew.order("short", job_id)
    crew.start("control", *CONTROL)
    crew.submit(*job_ids)
    crew.until(lambda: len(crew.rows("1", "name = 'task'")) == len(job_ids))
    crew.start("one", "cpu", is_awaited=False)
    crew.start("two", "cpu", is_awaited=False)
    crew.until_ended(*job_ids)
    assert {crew.end_of(job_id) for job_id in job_ids} == {"done"}


def test_a_message_is_sent_again_where_the_worker_died_while_it_was_sent(crew: Crew) -> None:
    crew.order("crash", "d")
    control = crew.start("control", *CONTROL)
    crew.send("d")
    control.wait()
    crew.start("control", *CONTROL)
    crew.until(lambda: crew.count("control", "delivered", "d", "1/1") == 2)


@pytest.mark.parametrize(
    "seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_every_job_ends_once_while_workers_die_at_random(crew: Crew, seed: int) -> None:
    """A task can be hit by two kills, not by three: two of each kind of worker."""
    chance = random.Random(seed)
    job_ids = [f"j{number}" for number in range(30)]
    kinds: dict[str, tuple[str, ...]] = {"control": CONTROL, "one": ("cpu",), "two": ("cpu",)}
    crews: dict[str, Worker] = {name: crew.start(name, *kinds[name]) for name in kinds}
    crew.submit(*job_ids)
    victims = ["control", "control", *chance.choices(["one", "two"], k=2)]
    chance.shuffle(victims)
    moments = sorted(chance.sample(range(1, len(job_ids) * len(TASKS)), len(victims)))
    for victim, moment in zip(victims, moments, strict=True):
        crew.until(lambda at=moment: crew.count(None, "end") >= at)
        crews[victim].kill()
        crews[victim] = crew.start(victim, *kinds[victim])
    crew.until_ended(*job_ids)
    assert {crew.end_of(job_id) for job_id in job_ids} == {"done"}
    ended = Counter(line[2] for line in crew.toys.lines() if line[1] == "ended")
    assert ended == Counter(job_ids)
    begun = Counter((line[2], line[3]) for line in crew.toys.lines() if line[1] == "begin")
    assert len(begun) == len(job_ids) * len(TASKS)
    # Beside what was in the middle, a step that had ended but was not yet written down.
    assert begun.total() <= len(begun) + 32 * victims.count("control") + 2
