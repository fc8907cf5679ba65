"""Calls that are made a little later, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from lendface.engine.later import Later


@pytest.fixture
def later() -> Iterator[Later]:
    with closing(Later()) as made:
        yield made


def fail(words: str) -> None:
    raise ValueError(words)


def test_calls_are_made_in_order_on_one_other_thread(later: Later) -> None:
    seen: list[tuple[int, int]] = []
    for turn in range(50):
        later.do(turn, lambda k: seen.append((k, threading.get_ident())), turn)
    later.catch_up()
    assert [k for k, _ in seen] == list(range(50))
    (thread,) = {thread for _, thread in seen}
    assert thread != threading.get_ident()


def test_catching_up_to_a_turn_waits_for_no_later_one(later: Later) -> None:
    gate, seen = threading.Event(), []
    later.do(1, seen.append, "first")
    later.do(2, gate.wait)
    later.catch_up(1)
    assert seen == ["first"]
    gate.set()


def test_what_fails_first_is_raised_where_it_is_waited_for(later: Later) -> None:
    later.do(1, fail, "first")
    later.do(2, fail, "second")
    later.catch_up(0)
    with pytest.raises(ValueError, match="first"):
        later.catch_up()


def test_closing_breaks_no_call_off_leaves_none_out_and_leaves_no_thread(later: Later) -> None:
    seen: list[int] = []

    def twice(k: int) -> None:
        seen.append(k)
        seen.append(k)

    for turn in range(500):
        later.do(turn, twice, turn)
    later.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("later")]
    assert seen == [k for k in range(len(seen) // 2) for _ in range(2)]


def test_closing_what_was_never_used_starts_no_thread() -> None:
    before = threading.active_count()
    Later().close()
    assert threading.active_count() == before
