"""How fast a body has to come, and how much many may hold of what they share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import anyio
import pytest
from starlette.types import Message

from lendface.errors import BodyTooSlowError, TooManyAtOnceError
from lendface.facades.fair_share import FairShare
from lendface.facades.pace import LeastPace, Pace

LEAST = LeastPace(bytes_per_s=10, window_s=0.02)  # the clock that counts stands in the test


class Client:
    """Sends so many bytes at so many seconds; then nothing any more."""

    def __init__(self, times: Iterable[tuple[float, int]]) -> None:
        self._times = list(times)
        self.now_s = 0.0

    def clock_s(self) -> float:
        return self.now_s

    async def receive(self) -> Message:
        if not self._times:
            await anyio.sleep_forever()
        self.now_s, size = self._times.pop(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": True}


def received(times: Iterable[tuple[float, int]], least: LeastPace = LEAST) -> int:
    """Bytes until the client was too slow."""
    client, got = Client(times), 0
    pace = Pace(least, client.clock_s)

    async def run() -> None:
        nonlocal got
        while True:
            got += len((await pace.next(client.receive))["body"])

    with pytest.raises(BodyTooSlowError):
        asyncio.run(run())
    return got


def test_a_body_that_stops_is_given_up() -> None:
    assert received([(0.0, 1000)]) == 1000


def test_a_byte_now_and_then_is_not_enough() -> None:
    least = LeastPace(bytes_per_s=4096, window_s=0.02)
    assert received([(0.001, 1), (0.002, 1), (0.003, 1)], least) == 3


def test_the_pace_is_that_of_each_window_and_not_of_the_whole() -> None:
    """What was sent fast in the beginning does not pay for what follows."""
    least = LeastPace(bytes_per_s=4096, window_s=0.02)
    assert received([(0.0, 1 << 20), (0.021, 1)], least) == (1 << 20) + 1


def test_time_in_which_nobody_waits_does_not_count() -> None:
    client = Client([(0.0, 10), (100.0, 10)])

    async def run() -> None:
        pace = Pace(LeastPace(10, 30.0), client.clock_s)
        await pace.next(client.receive)
        client.now_s = 100.0  # the disk was slow
        await pace.next(client.receive)

    asyncio.run(run())


def test_a_wait_that_is_given_up_counts() -> None:
    client = Client([])

    async def run() -> None:
        pace = Pace(LeastPace(10, 0.05), client.clock_s)
        with anyio.move_on_after(0.001):
            await pace.next(client.receive)
        client.now_s = 0.0
        with pytest.raises(BodyTooSlowError):
            await pace.next(client.receive)

    asyncio.run(run())


# Shares


def test_one_alone_gets_half_and_leaves_half() -> None:
    share = FairShare(8, "places")
    for _ in range(4):
        share.take("me")
    with pytest.raises(TooManyAtOnceError):
        share.take("me")
    share.take("another")


def test_however_many_take_all_they_can_there_is_room_for_the_next() -> None:
    share = FairShare(128, "places")
    held = dict.fromkeys("abcdef", 0)
    while took := [name for name in held if share.has_room(name)]:
        for name in took:
            if share.has_room(name):
                share.take(name)
                held[name] += 1
    assert share.has_room("the next")
    assert max(held.values()) - min(held.values()) <= 1
    assert sum(held.values()) > 100


def test_what_is_given_back_can_be_taken_again() -> None:
    share = FairShare(8, "places")
    for _ in range(100):
        with share.one_for("me"):
            pass
        share.take("me", 4)
        share.give_back("me", 4)
