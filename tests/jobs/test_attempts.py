"""What becomes of a task: its attempts are counted, and what passes is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobs.crew import DEADLINE_S, until
from lendface.errors import (
    CancelledError,
    DatabaseError,
    DiskFullError,
    LendfaceError,
    NoVideoError,
    StorageUnavailableError,
)
from lendface.jobs.attempts import MAX_ATTEMPTS, WAITS_S, Attempts, Task
from lendface.jobs.gate import Gate

TASK = Task("a", 1, "chunk/0")


class FakeGate(Gate):
    """Writes down its pauses instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class PlainWork:
    """Counts attempts of its one task; what it does is given."""

    def __init__(self, *acts: Any, attempts: int = 0) -> None:
        self.acts, self.attempts = list(acts), attempts
        self.counted_at_begin: list[int] = []
        self.is_wanted = True
        self.outages: list[LendfaceError] = []  # of the database

    def claim(self, job_id: str, run: int, task: str, executor: str) -> int | None:
        if self.outages:
            raise self.outages.pop()
        if not self.is_wanted:
            return None
        self.attempts += 1
        return self.attempts

    def unclaim(self, job_id: str, run: int, task: str) -> None:
        self.attempts -= 1

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        self.counted_at_begin.append(self.attempts)
        act = self.acts.pop(0) if self.acts else "done"
        if isinstance(act, Exception):
            raise act
        return act(is_stopping) if callable(act) else act

    def fail(self, job_id: str, run: int, code: str, message: str) -> None: ...

    def deliver(
        self, delivery_id: str, round_number: int, attempt: int, postponed: int
    ) -> None: ...


@pytest.fixture
def gate() -> FakeGate:
    return FakeGate()


def do(work: PlainWork, gate: Gate) -> Any:
    with gate.inside():
        return Attempts(work, gate, "me").do(TASK)


def test_a_task_is_counted_before_it_begins(gate: FakeGate) -> None:
    work = PlainWork()
    assert do(work, gate) == {"value": "done"}
    assert work.counted_at_begin == [1]


def test_what_nobody_wants_does_not_begin(gate: FakeGate) -> None:
    work = PlainWork()
    work.is_wanted = False
    assert do(work, gate) == {"stopped": True}
    assert work.counted_at_begin == []


def test_a_task_that_was_there_at_three_deaths_does_not_begin_again(gate: FakeGate) -> None:
    work = PlainWork(attempts=MAX_ATTEMPTS)
    code, message = do(work, gate)["error"]
    assert code == "worker_died"
    assert "its chunk ended the worker 3 times" in message
    assert work.counted_at_begin == []


def test_what_is_apart_is_never_tried_alone() -> None:
    """Its third attempt would wait for all that fetch, and they for it."""

    class NeverAlone(FakeGate):
        def alone(self) -> Any:
            raise AssertionError

    gate, work = NeverAlone(), PlainWork(attempts=MAX_ATTEMPTS - 1)
    with gate.inside(is_apart=True):
        outcome = Attempts(work, gate, "me").do(Task("a", 1, "fetch", is_apart=True))
    assert outcome == {"value": "done"}
    assert work.counted_at_begin == [MAX_ATTEMPTS]


def test_a_wrong_file_is_told_and_not_tried_again(gate: FakeGate) -> None:
    work = PlainWork(NoVideoError("clip.mp4"))
    assert do(work, gate)["error"] == ["no_video", str(NoVideoError("clip.mp4"))]
    assert gate.pauses == []


def test_what_nobody_expected_is_told_as_such_and_nothing_of_it_gets_out(
    gate: FakeGate, caplog: pytest.LogCaptureFixture
) -> None:
    work = PlainWork(RuntimeError("/secret/path"))
    code, message = do(work, gate)["error"]
    assert (code, "secret" in message) == ("internal", False)
    assert "/secret/path" in caplog.text


@pytest.mark.parametrize("error", [DatabaseError(), StorageUnavailableError()])
def test_what_passes_is_waited_for_and_uses_up_no_attempt(
    gate: FakeGate, error: LendfaceError
) -> None:
    work = PlainWork(*[error] * 5)
    assert do(work, gate) == {"value": "done"}
    assert work.counted_at_begin == [1] * 6
    assert gate.pauses == list(WAITS_S[:5])


def test_what_does_not_pass_within_a_minute_ends_the_task(gate: FakeGate) -> None:
    work = PlainWork(*[StorageUnavailableError()] * 99)
    assert do(work, gate)["error"][0] == "storage_unavailable"
    assert gate.pauses == list(WAITS_S)


@pytest.mark.parametrize("error", [DatabaseError(), DiskFullError()])
def test_a_database_that_takes_nothing_is_waited_for_however_long(
    gate: FakeGate, error: LendfaceError
) -> None:
    work = PlainWork()
    work.outages = [error] * 100
    assert do(work, gate) == {"value": "done"}
    assert len(gate.pauses) == 100
    assert set(gate.pauses[len(WAITS_S) :]) == {WAITS_S[-1]}


def test_a_task_nobody_wants_any_more_ends_where_it_is(gate: FakeGate) -> None:
    assert do(PlainWork(CancelledError()), gate) == {"stopped": True}


@pytest.fixture
def begun() -> Iterator[tuple[PlainWork, Gate, Attempts, threading.Event]]:
    """A task that runs until it is told to stop."""
    gate, has_begun, come_back = Gate(), threading.Event(), threading.Event()

    def run(is_stopping: Callable[[], bool]) -> None:
        has_begun.set()
        until(lambda: is_stopping() or come_back.is_set())
        if is_stopping():
            raise CancelledError

    work = PlainWork(run)
    attempts = Attempts(work, gate, "me")
    has_returned = threading.Event()

    def story() -> None:
        with gate.inside():
            attempts.do(TASK)
        has_returned.set()

    threading.Thread(target=story, daemon=True).start()
    assert has_begun.wait(DEADLINE_S)
    yield work, gate, attempts, has_returned
    come_back.set()


Begun = tuple[PlainWork, Gate, Attempts, threading.Event]


def test_a_task_that_is_broken_off_is_not_counted_and_has_no_outcome(begun: Begun) -> None:
    work, gate, _, has_returned = begun
    gate.close(0)
    assert gate.wait_until_empty(DEADLINE_S)
    assert work.attempts == 0
    assert not has_returned.is_set()


def test_a_task_is_given_back_once_by_two_that_want_to(begun: Begun) -> None:
    work, gate, attempts, _ = begun
    attempts.give_back_all()
    attempts.give_back_all()
    gate.close(0)
    assert gate.wait_until_empty(DEADLINE_S)
    assert work.attempts == 0


def test_the_last_attempt_is_made_alone() -> None:
    """Of those that were there when a worker ended twice nobody knows which one ended it."""
    gate, seen = Gate(), threading.Event()
    others_at_work: list[int] = []

    def run(_: object) -> str:
        others_at_work.append(gate._inside - 1)
        return "done"

    work = PlainWork(run, attempts=MAX_ATTEMPTS - 1)
    outcomes: list[Any] = []
    task = threading.Thread(target=lambda: outcomes.append(do(work, gate)), daemon=True)
    with gate.inside():
        task.start()
        until(lambda: gate._waiting == 1)
        assert work.attempts == MAX_ATTEMPTS - 1  # it waits uncounted
        assert not seen.wait(0.05)
        assert work.counted_at_begin == []
    task.join(DEADLINE_S)
    assert outcomes == [{"value": "done"}]
    assert others_at_work == [0]
    assert work.counted_at_begin == [MAX_ATTEMPTS]


@pytest.mark.parametrize("attempts", range(MAX_ATTEMPTS - 1))
def test_earlier_attempts_are_made_beside_others(attempts: int) -> None:
    gate = Gate()
    with gate.inside():
        assert do(PlainWork(attempts=attempts), gate) == {"value": "done"}


def test_what_must_be_done_is_tried_until_it_is(gate: FakeGate) -> None:
    outages = iter([DatabaseError()] * 20)

    def act() -> str:
        for outage in outages:
            raise outage
        return "done"

    with gate.inside():
        assert Attempts(PlainWork(), gate, "me").surely(act) == "done"
    assert len(gate.pauses) == 20


def test_what_cannot_be_done_at_all_is_not_tried_again(gate: FakeGate) -> None:
    def act() -> None:
        raise NoVideoError("clip.mp4")

    with gate.inside(), pytest.raises(NoVideoError):
        Attempts(PlainWork(), gate, "me").surely(act)
    assert gate.pauses == []


def test_a_task_that_waits_when_the_worker_ends_does_not_keep_it() -> None:
    gate, work = Gate(), PlainWork()
    work.outages = [DatabaseError()] * 10_000
    threading.Thread(target=do, args=(work, gate), daemon=True).start()
    until(lambda: len(work.outages) < 10_000)
    assert gate.close(DEADLINE_S) is True
