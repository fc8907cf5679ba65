"""Whether a server can do its work, asked by many while what it needs does not answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from lendface.errors import StorageUnavailableError
from lendface.facades.health import Readiness, add_health
from lendface.service.office import Office

LONG_S = 300.0  # never waited for where all is well


@dataclass
class Seconds:
    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Bucket:
    """Answers, or hangs until it is let go."""

    hangs: bool = False
    asked: int = 0
    is_let_go: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        self.asked += 1
        if self.hangs:
            self.is_let_go.wait(LONG_S)
            raise StorageUnavailableError


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    bucket = Bucket()
    yield bucket
    bucket.is_let_go.set()


@pytest.fixture
def clock_s() -> Seconds:
    return Seconds()


def test_what_was_known_is_told_while_a_look_is_under_way(bucket: Bucket, clock_s: Seconds) -> None:
    async def ask() -> None:
        readiness = Readiness({"files": bucket.check}, clock_s, LONG_S)
        assert await readiness.look() == {"files": "ok"}
        bucket.hangs, clock_s.now_s = True, clock_s.now_s + 10
        looking = asyncio.create_task(readiness.look())
        await asyncio.sleep(0)
        for _ in range(100):
            assert await readiness.look() == {"files": "ok"}
        clock_s.now_s += LONG_S
        assert await readiness.look() == {"files": "unanswered"}
        bucket.is_let_go.set()
        assert await looking == {"files": "storage_unavailable"}

    asyncio.run(ask())
    assert bucket.asked == 2


def test_nobody_waits_longer_than_the_patience_of_one_look(
    bucket: Bucket, clock_s: Seconds
) -> None:
    async def ask() -> None:
        readiness = Readiness({"files": bucket.check}, clock_s, 0.01)
        asked = await asyncio.gather(*(readiness.look() for _ in range(100)))
        assert asked == [{"files": "unanswered"}] * 100
        clock_s.now_s += 10
        assert await readiness.look() == {"files": "unanswered"}

    bucket.hangs = True
    asyncio.run(ask())
    assert bucket.asked == 1


def test_a_look_is_made_once_a_second(bucket: Bucket, clock_s: Seconds) -> None:
    async def ask() -> None:
        readiness = Readiness({"files": bucket.check}, clock_s)
        for now_s in (0.0, 0.5, 0.9, 1.0, 1.5):
            clock_s.now_s = 1000 + now_s
            assert await readiness.look() == {"files": "ok"}

    asyncio.run(ask())
    assert bucket.asked == 2


def test_many_who_ask_hold_no_thread_of_the_api(
    office: Office, bucket: Bucket, clock_s: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread is all the API has here, and the store hangs."""
    bucket.hangs = True
    monkeypatch.setattr(type(office.blobs), "check", lambda _: bucket.check())
    app = FastAPI()
    add_health(app, office, clock_s, patience_s=0.01)

    @app.get("/thread")
    def use_a_thread() -> str:
        return "done"

    with TestClient(app) as client:
        for _ in range(10):
            answer = client.get("/readyz")
            assert (answer.status_code, answer.json()["files"]) == (503, "unanswered")
            assert answer.json()["database"] in ("ok", "unanswered")
        assert client.get("/thread").json() == "done"
    assert bucket.asked == 1
