"""A worker ends in good order: what runs may end, what does not is somebody else's."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from jobs.crew import DEADLINE_S, Crew, done_once
from lendface.jobs.work import CONTROL
from lendface.jobs.worker import ENDS, Stop

PATIENT = {"drain_s": DEADLINE_S}


def test_a_running_task_may_end_after_the_signal_and_is_not_done_again(crew: Crew) -> None:
    crew.order("hold", "a", "chunk/0")
    _, render = crew.start_both(**PATIENT)
    crew.submit("a")
    crew.until_begun("a", "chunk/0")
    render.terminate()
    crew.lift("hold", "a", "chunk/0")
    assert render.wait() == 0
    assert crew.count("render", "end", "a", "chunk/0") == 1
    crew.start("render", "cpu")
    crew.until_ended("a")
    done_once(crew, "a")


def test_a_task_that_does_not_end_in_time_is_broken_off_and_not_counted(crew: Crew) -> None:
    crew.order("hold", "a", "scan")
    _, render = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "scan")
    render.terminate()
    assert render.wait() == 0
    assert crew.count("render", "unclaimed", "a", "scan") == 1
    assert crew.attempts("a", "scan") == 0
    crew.lift("hold", "a", "scan")
    crew.start("other", "cpu")
    crew.until_ended("a")
    done_once(crew, "a", again=("scan",))
    assert crew.attempts("a", "scan") == 1


def test_a_task_that_does_not_listen_is_given_back_for_it(crew: Crew) -> None:
    crew.order("stubborn", "a", "scan")
    _, render = crew.start_both(unclaim_s=0.1)
    crew.submit("a")
    crew.until_begun("a", "scan")
    render.terminate()
    assert render.wait() == 0
    assert crew.attempts("a", "scan") == 0
    assert crew.count("render", "stopped") == 0


def test_what_a_leaving_worker_had_is_free_at_once(crew: Crew) -> None:
    crew.order("hold", "a", "scan")
    both = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", "scan")
    for worker in both:
        worker.terminate()
    assert [worker.wait() for worker in both] == [0, 0]
    assert {status for (status,) in crew.rows("status", "workflow_uuid NOT LIKE '%probe'")} == {
        "ENQUEUED"
    }


def test_no_task_begins_after_the_signal(crew: Crew) -> None:
    crew.order("hold", "a", "fetch")
    control, _ = crew.start_both(**PATIENT)
    crew.submit("a")
    crew.until_begun("a", "fetch")
    control.terminate()
    crew.submit("b")
    crew.until(lambda: crew.rows("1", "workflow_uuid = 'job/b/1' AND status = 'PENDING'"))
    crew.lift("hold", "a", "fetch")
    assert control.wait() == 0
    assert crew.tasks("begin", "b") == []
    assert crew.attempts("b", "fetch") == 0
    crew.start("control", *CONTROL)
    crew.until_ended("a", "b")
    done_once(crew, "a")
    done_once(crew, "b")


def test_a_worker_with_nothing_to_do_ends_at_once(crew: Crew) -> None:
    both = crew.start_both(**PATIENT)
    for worker in both:
        worker.terminate()
        worker.terminate()  # twice is once
    assert [worker.wait() for worker in both] == [0, 0]
    assert sorted(crew.who("left")) == ["control", "render"]


def test_a_worker_whose_parent_ended_ends_without_waiting_for_its_task(crew: Crew) -> None:
    crew.order("hold", "a", "scan")
    _, render = crew.start_both(**PATIENT)
    crew.submit("a")
    crew.until_begun("a", "scan")
    render.orphan()
    assert render.wait() == 0
    assert crew.attempts("a", "scan") == 0


@pytest.fixture
def signals() -> Iterator[None]:
    """They are as before afterwards."""
    before = {number: signal.getsignal(number) for number in ENDS}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("number", ENDS)
def test_a_signal_that_came_before_anybody_waited_is_not_lost(number: signal.Signals) -> None:
    stop = Stop()
    stop.listen(watch_parent=False)
    signal.raise_signal(number)
    stop.wait()
    assert stop.event.is_set()
    assert not stop.is_orphan


@pytest.mark.usefixtures("signals")
def test_what_a_parent_writes_is_no_end() -> None:
    ours, parents = os.pipe()
    stop = Stop(ours)
    stop.listen(watch_parent=True)
    os.write(parents, b"hello")
    assert not stop.is_orphan
    os.close(parents)
    stop.wait()
    assert stop.is_orphan
    os.close(ours)


@pytest.mark.usefixtures("signals")
def test_a_worker_without_an_input_takes_its_parent_for_dead() -> None:
    stop = Stop(parent_file=-1)
    stop.listen(watch_parent=True)
    stop.wait()
    assert stop.is_orphan
