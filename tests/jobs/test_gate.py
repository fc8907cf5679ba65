"""The gate of a worker: who is inside, who may be alone, and what happens at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from jobs.crew import DEADLINE_S, until
from lendface.jobs.gate import Gate


class Visitor:
    """A thread that goes through the gate and stays until it is let go."""

    def __init__(self, gate: Gate, *, alone: bool = False, apart: bool = False) -> None:
        self.is_in, self.go = threading.Event(), threading.Event()
        self.is_out = threading.Event()
        self._gate, self._alone, self._apart = gate, alone, apart
        threading.Thread(target=self._visit, daemon=True).start()

    def _visit(self) -> None:
        with self._gate.inside(is_apart=self._apart):
            if self._alone:
                with self._gate.alone():
                    self._stay()
            else:
                self._stay()
        self.is_out.set()

    def _stay(self) -> None:
        self.is_in.set()
        self.go.wait()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def visit(gate: Gate) -> Iterator[Callable[..., Visitor]]:
    visitors: list[Visitor] = []

    def start(**options: bool) -> Visitor:
        visitors.append(Visitor(gate, **options))
        return visitors[-1]

    yield start
    for visitor in visitors:
        visitor.go.set()


def test_many_are_inside_at_once(visit: Callable[..., Visitor]) -> None:
    for visitor in [visit(), visit(), visit()]:
        assert visitor.is_in.wait(DEADLINE_S)


def test_closing_waits_for_those_inside(gate: Gate, visit: Callable[..., Visitor]) -> None:
    inside = visit()
    assert inside.is_in.wait(DEADLINE_S)
    closing = threading.Thread(target=gate.close, args=(60,))
    closing.start()
    until(lambda: gate.is_closed)
    assert not gate.is_broken_off
    inside.go.set()
    closing.join(DEADLINE_S)
    assert not closing.is_alive()


def test_who_does_not_end_in_time_is_broken_off(gate: Gate, visit: Callable[..., Visitor]) -> None:
    assert visit().is_in.wait(DEADLINE_S)
    assert gate.close(0) is False
    assert gate.is_broken_off


def test_who_comes_to_a_closed_gate_waits_for_the_end(
    gate: Gate, visit: Callable[..., Visitor]
) -> None:
    assert gate.close(0) is True
    late = visit()
    assert not late.is_in.wait(0.05)
    assert gate.wait_until_empty(0)


def test_a_visitor_that_comes_while_the_gate_closes_is_either_inside_or_not_at_all(
    gate: Gate, visit: Callable[..., Visitor]
) -> None:
    """Nobody is counted as inside and yet kept outside: closing would wait for it in vain."""
    visitors = [visit() for _ in range(50)]
    for visitor in visitors:
        visitor.go.set()
    assert gate.close(DEADLINE_S) is True
    assert all(visitor.is_out.is_set() == visitor.is_in.is_set() for visitor in visitors)


def test_one_alone_waits_for_the_others_and_keeps_them_out(
    gate: Gate, visit: Callable[..., Visitor]
) -> None:
    before = visit()
    assert before.is_in.wait(DEADLINE_S)
    alone = visit(alone=True)
    assert not alone.is_in.wait(0.05)
    until(lambda: gate._waiting == 1)
    after = visit()
    assert not after.is_in.wait(0.05)
    before.go.set()
    assert alone.is_in.wait(DEADLINE_S)
    assert not after.is_in.wait(0.05)
    alone.go.set()
    assert after.is_in.wait(DEADLINE_S)


def test_who_is_apart_neither_keeps_one_from_being_alone_nor_is_kept_out(
    gate: Gate, visit: Callable[..., Visitor]
) -> None:
    """It waits for strangers' servers, however long these take."""
    before, alone = visit(apart=True), visit(alone=True)
    assert before.is_in.wait(DEADLINE_S)
    assert alone.is_in.wait(DEADLINE_S)
    after = visit(apart=True)
    assert after.is_in.wait(DEADLINE_S)
    for visitor in (before, after, alone):
        visitor.go.set()
        assert visitor.is_out.wait(DEADLINE_S)
    last = visit(alone=True)
    assert last.is_in.wait(DEADLINE_S)


def test_closing_waits_for_who_is_apart_too(gate: Gate, visit: Callable[..., Visitor]) -> None:
    apart = visit(apart=True)
    assert apart.is_in.wait(DEADLINE_S)
    assert gate.close(0) is False
    apart.go.set()
    assert gate.wait_until_empty(DEADLINE_S)


def test_two_that_want_to_be_alone_are_so_one_after_the_other(
    visit: Callable[..., Visitor],
) -> None:
    both = [visit(alone=True), visit(alone=True)]
    until(lambda: any(visitor.is_in.is_set() for visitor in both))
    assert sum(visitor.is_in.is_set() for visitor in both) == 1
    for visitor in sorted(both, key=lambda visitor: not visitor.is_in.is_set()):
        assert visitor.is_in.wait(DEADLINE_S)
        visitor.go.set()


def test_a_closing_gate_does_not_wait_for_those_that_wait_to_be_alone(
    gate: Gate, visit: Callable[..., Visitor]
) -> None:
    inside = visit()
    assert inside.is_in.wait(DEADLINE_S)
    waiting = visit(alone=True)
    until(lambda: gate._waiting == 1)
    inside.go.set()
    gate.close(DEADLINE_S)
    assert waiting.is_out.is_set() == waiting.is_in.is_set()


def test_a_pause_ends_when_the_gate_closes(gate: Gate) -> None:
    pausing = threading.Thread(target=gate.pause, args=(3600,), daemon=True)
    pausing.start()
    gate.close(0)
    pausing.join(DEADLINE_S)
    assert not pausing.is_alive()
