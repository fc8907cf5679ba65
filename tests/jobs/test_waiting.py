"""Many wait for what is done elsewhere; one asks for all."""

from __future__ import annotations

import threading
from collections.abc import Collection

from jobs.crew import DEADLINE_S, until
from lendface.errors import DatabaseError
from lendface.jobs.waiting import Waiting


class Elsewhere:
    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.asked: list[frozenset[str]] = []
        self.outages = 0

    def find_ended(self, workflow_ids: Collection[str]) -> Collection[str]:
        self.asked.append(frozenset(workflow_ids))
        if self.outages:
            self.outages -= 1
            raise DatabaseError
        return self.ended & set(workflow_ids)


def wait(waiting: Waiting, workflow_id: str) -> threading.Thread:
    thread = threading.Thread(target=waiting.wait, args=(workflow_id,), daemon=True)
    thread.start()
    return thread


def test_each_is_woken_when_its_own_has_ended() -> None:
    elsewhere = Elsewhere()
    waiting = Waiting(elsewhere.find_ended, 0.001)
    threads = {name: wait(waiting, name) for name in "abc"}
    until(lambda: frozenset("abc") in elsewhere.asked)
    elsewhere.ended = {"b"}
    threads["b"].join(DEADLINE_S)
    assert [threads[name].is_alive() for name in "abc"] == [True, False, True]
    elsewhere.ended = {"a", "b", "c"}
    for thread in threads.values():
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_two_that_wait_for_the_same_are_both_woken() -> None:
    elsewhere = Elsewhere()
    waiting = Waiting(elsewhere.find_ended, 0.001)
    threads = [wait(waiting, "a"), wait(waiting, "a")]
    until(lambda: elsewhere.asked)
    elsewhere.ended = {"a"}
    for thread in threads:
        thread.join(DEADLINE_S)
        assert not thread.is_alive()


def test_a_database_that_is_away_is_asked_again() -> None:
    elsewhere = Elsewhere()
    elsewhere.outages, elsewhere.ended = 5, {"a"}
    thread = wait(Waiting(elsewhere.find_ended, 0.001), "a")
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert len(elsewhere.asked) == 6


def test_who_waits_for_what_has_ended_long_ago_does_not_wait() -> None:
    elsewhere = Elsewhere()
    elsewhere.ended = {"a"}
    waiting = Waiting(elsewhere.find_ended, 0.001)
    for _ in range(20):
        waiting.wait("a")


def test_nobody_is_asked_while_nobody_waits() -> None:
    elsewhere = Elsewhere()
    elsewhere.ended = {"a"}
    waiting = Waiting(elsewhere.find_ended, 0.001)
    waiting.wait("a")
    until(lambda: not waiting._is_somebody_there.is_set())
