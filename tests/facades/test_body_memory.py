"""Memory for the bodies of requests: shared, counted while they come, told in each API's words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from lendface.facades.akool.app import akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.facades.beside import Beside
from lendface.facades.bodies import MAX_VALUES, VALUE_BYTES, BodyLimit
from lendface.facades.fair_share import FairShare
from lendface.facades.problems import answer
from lendface.facades.server import build_app
from lendface.facades.youcam.app import youcam_app
from lendface.facades.youcam.terms import PREFIX, Terms
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from lendface.storage.signing import UrlSigner
from service.offices import BASE_URL, Clock, new_client

ROOM = 1000


@dataclass
class Visitor:
    id: str


@dataclass
class Server:
    """Answers with the size of a body, once it may."""

    limit: Any = field(init=False)
    memory: FairShare = field(default_factory=lambda: FairShare(ROOM, "large requests"))
    is_free: asyncio.Event = field(default_factory=asyncio.Event)
    inside: int = 0

    def __post_init__(self) -> None:
        self.limit = BodyLimit(self.app, answer, 1 << 20, 300.0, self.memory)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = len(await Request(scope, receive).body())
        self.inside += 1
        await self.is_free.wait()
        await PlainTextResponse(str(size))(scope, receive, send)

    async def post(
        self, client: str, pieces: Iterable[bytes], length: int | None = None
    ) -> tuple[int, bytes]:
        """Status and body; ``pieces`` come one after another."""
        left, told = list(pieces), []
        kind = [(b"transfer-encoding", b"chunked")]
        if length is not None:
            kind = [(b"content-length", str(length).encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": kind,
            "state": {"client": Visitor(client)},
        }

        async def receive() -> Message:
            piece = left.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(left)}

        async def send(message: Message) -> None:
            told.append(message)

        await self.limit(scope, receive, send)
        return told[0]["status"], told[1]["body"]


async def until_inside(server: Server, count: int) -> None:
    while server.inside < count:
        await asyncio.sleep(0)


def run(story: Callable[[Server], Any]) -> None:
    async def told() -> None:
        await story(Server())

    asyncio.run(told())


def test_a_body_is_counted_until_it_has_been_answered() -> None:
    async def story(server: Server) -> None:
        first = asyncio.create_task(server.post("me", [b"x" * 400]))
        await until_inside(server, 1)
        assert (await server.post("me", [b"x" * 400]))[0] == 503
        server.is_free.set()
        assert await first == (200, b"400")
        assert await server.post("me", [b"x" * 400]) == (200, b"400")

    run(story)


def test_one_client_leaves_room_for_another() -> None:
    async def story(server: Server) -> None:
        held = [asyncio.create_task(server.post("me", [b"x" * 250])) for _ in range(2)]
        await until_inside(server, 2)
        assert (await server.post("me", [b"x" * 250]))[0] == 503
        server.is_free.set()
        assert await server.post("another", [b"x" * 250]) == (200, b"250")
        await asyncio.gather(*held)

    run(story)


def test_one_that_is_announced_too_large_is_refused_before_it_is_read() -> None:
    async def story(server: Server) -> None:
        assert (await server.post("me", [], length=501))[0] == 503  # nothing to receive

    run(story)


def test_what_is_only_announced_takes_no_room() -> None:
    async def story(server: Server) -> None:
        server.is_free.set()
        waiting = asyncio.Event()

        async def never() -> Message:
            waiting.set()
            await asyncio.Event().wait()
            raise AssertionError

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "headers": [(b"content-length", b"500")],
            "state": {"client": Visitor("me")},
        }
        slow = asyncio.create_task(server.limit(scope, never, never))
        await waiting.wait()
        assert await server.post("me", [b"x" * 500]) == (200, b"500")
        slow.cancel()

    run(story)


def test_a_body_in_pieces_is_refused_where_the_room_ends_and_gives_it_back() -> None:
    async def story(server: Server) -> None:
        server.is_free.set()
        assert (await server.post("me", [b"x" * 100] * 6))[0] == 503
        assert await server.post("me", [b"x" * 100] * 5) == (200, b"500")

    run(story)


def test_many_small_values_count_for_what_they_become() -> None:
    async def story(server: Server) -> None:
        server.is_free.set()
        values = b"[]," * (500 // (2 * VALUE_BYTES + 3))
        assert (await server.post("me", [values]))[0] == 200
        assert (await server.post("me", [values + b"[],"]))[0] == 503

    run(story)


def test_a_body_of_nothing_but_small_values_is_refused_for_good() -> None:
    async def story(server: Server) -> None:
        server.memory = FairShare(1 << 30, "large requests")
        server.__post_init__()
        server.is_free.set()
        most = b"," * MAX_VALUES
        assert (await server.post("me", [most]))[0] == 200
        assert (await server.post("me", [most, b","]))[0] == 422

    run(story)


# In each API's words


@pytest.fixture
def full(office: Office, clock: Clock) -> FastAPI:
    """A server that has no room for any body."""
    bodies = FairShare(1, "large requests")
    limiter = RateLimiter(clock)
    assert isinstance(office.links, UrlSigner)
    akool = akool_app(office, limiter, AkoolOptions(BASE_URL), bodies)
    return build_app(
        office,
        signer=office.links,
        bodies=bodies,
        apps_by_path={PREFIX: youcam_app(office, Terms(BASE_URL), bodies=bodies)},
        apps_beside=[Beside(("/api/open/",), akool)],
    )


def test_each_api_says_in_its_own_words_that_there_is_no_room(
    full: FastAPI, office: Office
) -> None:
    headers = {"Authorization": f"Bearer {new_client(office).key}"}
    told = {}
    with TestClient(full, headers=headers) as client:
        for path in ("/v1/swaps", "/api/open/v3/faceswap/highquality/specifyimage"):
            told[path] = client.post(path, json={"a": 1})
        told["youcam"] = client.post(f"{PREFIX}/v2.0/task/face-swap-vid", json={"a": 1})
    native, akool, youcam = told.values()
    assert {answer.status_code for answer in told.values()} == {503}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in told.values())
    assert native.json()["code"] == "too_many_at_once"
    assert akool.json()["code"] == 1005
    assert youcam.json()["error_code"] == "ServiceUnavailable"
