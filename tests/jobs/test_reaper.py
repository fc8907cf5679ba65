"""Finding work that nobody does: never that of the living, never in a hurry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lendface.errors import DatabaseError
from lendface.jobs.locks import FileLocks
from lendface.jobs.reaper import LEADER, InHand, Reaper, alive


class Engine:
    """Who is said to do what."""

    def __init__(self, **pending: dict[str, list[str]]) -> None:
        self.pending = pending
        self.requeued: list[tuple[str, str, tuple[str, ...]]] = []
        self.is_away = False

    def pending_by_executor(self, executor: str | None = None) -> dict[str, dict[str, list[str]]]:
        if self.is_away:
            raise DatabaseError
        return {name: work for name, work in self.pending.items() if executor in (None, name)}

    def requeue(self, executor: str, queue: str, workflow_ids: Sequence[str]) -> int:
        if workflow_ids:
            self.requeued.append((executor, queue, tuple(workflow_ids)))
        return len(workflow_ids)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def locks(folder: Path) -> Iterator[FileLocks]:
    ours = FileLocks(folder)
    yield ours
    ours.close()


@pytest.fixture
def others(folder: Path) -> Iterator[FileLocks]:
    theirs = FileLocks(folder)
    yield theirs
    theirs.close()


def test_a_worker_is_dead_when_its_lock_was_free_twice_in_a_row(locks: FileLocks) -> None:
    engine = Engine(gone={"cpu": ["x"], "jobs": ["y", "z"]})
    reaper = Reaper(engine, locks)
    assert reaper.sweep() == 0
    assert engine.requeued == []
    assert reaper.sweep() == 3
    assert engine.requeued == [("gone", "cpu", ("x",)), ("gone", "jobs", ("y", "z"))]


def test_a_worker_that_has_its_lock_again_was_never_dead(
    locks: FileLocks, others: FileLocks
) -> None:
    engine = Engine(back={"cpu": ["x"]})
    reaper = Reaper(engine, locks)
    reaper.sweep()
    others.hold(alive("back"))
    reaper.sweep()
    others.close()
    assert reaper.sweep() == 0  # free for the first time again
    assert engine.requeued == []


def test_the_living_and_ourselves_are_left_alone(locks: FileLocks, others: FileLocks) -> None:
    locks.hold(alive("me"))
    others.hold(alive("other"))
    engine = Engine(me={"cpu": ["x"]}, other={"cpu": ["y"]})
    reaper = Reaper(engine, locks)
    assert [reaper.sweep(), reaper.sweep(), reaper.sweep()] == [0, 0, 0]


def test_only_one_sweeps_and_who_did_not_look_knows_nothing(
    locks: FileLocks, others: FileLocks
) -> None:
    engine = Engine(gone={"cpu": ["x"]})
    reaper = Reaper(engine, locks)
    reaper.sweep()
    with others.borrow(LEADER):
        assert reaper.sweep() == 0
    assert reaper.sweep() == 0  # it cannot tell what was so in between
    assert reaper.sweep() == 1


def test_a_sweep_that_failed_is_no_look(locks: FileLocks) -> None:
    engine = Engine(gone={"cpu": ["x"]})
    reaper = Reaper(engine, locks)
    reaper.sweep()
    engine.is_away = True
    with pytest.raises(DatabaseError):
        reaper.sweep()
    engine.is_away = False
    assert reaper.sweep() == 0
    assert reaper.sweep() == 1


def test_a_worker_cannot_start_again_while_its_work_is_given_back(
    locks: FileLocks, others: FileLocks
) -> None:
    tries: list[bool] = []

    class Watched(Engine):
        def requeue(self, executor: str, queue: str, workflow_ids: Sequence[str]) -> int:
            tries.append(others.hold(alive(executor)))
            return super().requeue(executor, queue, workflow_ids)

    reaper = Reaper(Watched(gone={"cpu": ["x"]}), locks)
    reaper.sweep()
    reaper.sweep()
    assert tries == [False]
    assert others.hold(alive("gone"))


def test_an_earlier_life_is_reaped_at_once(locks: FileLocks) -> None:
    engine = Engine(me={"cpu": ["x"]}, other={"cpu": ["y"]})
    assert Reaper(engine, locks).reap_own("me") == 1
    assert engine.requeued == [("me", "cpu", ("x",))]


def test_our_own_work_that_we_do_not_have_twice_in_a_row_goes_back(locks: FileLocks) -> None:
    engine = Engine(me={"cpu": ["x", "y"]})
    reaper = Reaper(engine, locks)
    assert reaper.sweep_own("me", {"x"}) == 0
    assert reaper.sweep_own("me", {"x"}) == 1
    assert engine.requeued == [("me", "cpu", ("y",))]


def test_our_own_work_that_has_just_begun_or_just_ended_is_left_alone(locks: FileLocks) -> None:
    engine = Engine(me={"cpu": ["x"]})
    reaper = Reaper(engine, locks)
    assert reaper.sweep_own("me", set()) == 0
    assert reaper.sweep_own("me", {"x"}) == 0
    assert reaper.sweep_own("me", set()) == 0
    engine.pending = {}
    assert reaper.sweep_own("me", set()) == 0


def test_what_is_in_hand_is_known_until_all_who_have_it_are_done() -> None:
    in_hand = InHand()
    with in_hand.holding("x"):
        with in_hand.holding("x"), in_hand.holding("y"):
            assert in_hand.ids() == {"x", "y"}
        assert in_hand.ids() == {"x"}
    assert in_hand.ids() == frozenset()
