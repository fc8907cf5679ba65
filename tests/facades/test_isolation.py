"""No key opens what is somebody else's, and no key opens nothing; for every route there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any, Literal

import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount
from starlette.testclient import TestClient

from facades.belongings import Belongings, gather
from lendface.service.office import Office
from service.offices import new_client

Outcome = Literal["not found", "empty", "own", "public", "link"]
Body = Callable[[Belongings], dict[str, Any]]


def swap_of(
    target: dict[str, Any], source: dict[str, Any], who: Any = "everyone"
) -> dict[str, Any]:
    return {"target": target, "pairs": [{"source": source, "who": who}]}


URL = {"url": "https://example.org/a.mp4"}
URLS = {"urls": ["https://example.org/a.jpg"]}

# What the other client gets: not found; an empty list; only what is its own; what is everybody's.
NOT_FOUND: dict[tuple[str, str], list[Body | None]] = {
    ("GET", "/v1/uploads/{upload}"): [None],
    ("DELETE", "/v1/uploads/{upload}"): [None],
    ("POST", "/v1/uploads/{waiting}/link"): [None],
    ("POST", "/v1/scans"): [lambda mine: {"target": {"upload_id": mine.upload}}],
    ("GET", "/v1/scans/{scan}"): [None],
    ("GET", "/v1/scans/{scan}/tracks"): [None],
    ("POST", "/v1/swaps"): [
        lambda mine: swap_of({"upload_id": mine.upload}, URLS),
        lambda mine: swap_of(URL, {"upload_ids": [mine.upload]}),
        lambda mine: swap_of(URL, {"scan_id": mine.scan, "face": 1}),
        lambda mine: swap_of(URL, URLS, {"reference": {"upload_id": mine.upload}}),
    ],
    ("GET", "/v1/swaps/{swap}"): [None],
    ("GET", "/v1/jobs/{running}"): [None],
    ("POST", "/v1/jobs/{running}/cancel"): [None],
    ("POST", "/v1/jobs/{failed}/retry"): [None],
    ("DELETE", "/v1/jobs/{running}"): [None],
    ("GET", "/v1/jobs/{running}/events"): [None],
    ("GET", "/v1/jobs/{swap}/result"): [None],
    ("HEAD", "/v1/jobs/{swap}/result"): [None],
    ("GET", "/v1/jobs/{swap}/result/manifest"): [None],
    ("GET", "/v1/webhooks/endpoints/{endpoint}"): [None],
    ("DELETE", "/v1/webhooks/endpoints/{endpoint}"): [None],
    ("POST", "/v1/webhooks/endpoints/{endpoint}/test"): [None],
    ("POST", "/v1/webhooks/deliveries/{delivery}/replay"): [None],
    ("POST", "/v1/consents"): [
        lambda mine: {"photo": {"upload_id": mine.upload}, "label": "Anna"},
    ],
    ("GET", "/v1/consents/{consent}"): [None],
    ("DELETE", "/v1/consents/{consent}"): [None],
    ("POST", "/v1/consents/{consent}/withdraw"): [None],
}
EMPTY = [
    ("GET", "/v1/uploads"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/usage/history"),
    ("GET", "/v1/webhooks/endpoints"),
    ("GET", "/v1/webhooks/deliveries"),
    ("GET", "/v1/consents"),
]
OWN: dict[tuple[str, str], Body | None] = {
    ("POST", "/v1/uploads"): lambda mine: {"name": "a", "content_type": "image/png", "size": 1},
    ("GET", "/v1/usage"): None,
    ("GET", "/v1/webhooks/secret"): None,
    ("POST", "/v1/webhooks/endpoints"): lambda mine: URL,
    ("GET", "/v1/attestation"): None,
    ("POST", "/v1/attestation"): lambda mine: {"text_version": 1},
}
EVERYBODYS = [("GET", "/v1/openapi.json"), ("GET", "/v1/docs")]
WITHOUT_KEY = [(m, path) for path in ("/healthz", "/readyz") for m in ("GET", "HEAD")]
BY_LINK = [(method, "/blobs/{token}") for method in ("GET", "HEAD", "PUT")]
WITH_KEY = [*NOT_FOUND, *EMPTY, *OWN, *EVERYBODYS]


def routes_of(routes: list[BaseRoute], above: str = "") -> Iterator[tuple[str, str]]:
    """Every method and path of an application and of what is mounted in it."""
    for route in routes:
        if isinstance(route, Mount):
            yield from routes_of(list(route.routes), above + route.path)
        elif included := getattr(route, "original_router", None):  # FastAPI's, of include_router
            yield from routes_of(list(included.routes), above)
        else:
            for method in getattr(route, "methods", None) or ():
                yield method, above + getattr(route, "path", "")


def shape(way: tuple[str, str]) -> tuple[str, str]:
    """Without the names of what is in braces."""
    parts = [part if not part.startswith("{") else "{}" for part in way[1].split("/")]
    return way[0], "/".join(parts)


@pytest.fixture
def mine(me: TestClient, office: Office) -> Belongings:
    return gather(me, office)


def ask(client: TestClient, way: tuple[str, str], mine: Belongings, body: Body | None) -> Any:
    method, path = way
    json = body(mine) if body else None
    return client.request(method, path.format(**asdict(mine), token="x"), json=json)


def test_every_route_is_looked_at_here(app: FastAPI) -> None:
    known = {shape(way) for way in [*WITH_KEY, *WITHOUT_KEY, *BY_LINK]}
    assert {shape(way) for way in routes_of(app.routes)} == known


def test_without_a_key_nothing_but_health_answers(nobody: TestClient, mine: Belongings) -> None:
    for way in WITH_KEY:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-Api-Key": "wrong"}):
            nobody.headers.update(headers)
            answer = ask(nobody, way, mine, None)
            assert (way, answer.status_code) == (way, 401)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/nothing", "/v1/", "/v1/jobs/"):
        assert nobody.get(path).status_code == 401
    for way in WITHOUT_KEY:
        assert ask(nobody, way, mine, None).status_code == 200
    for way in BY_LINK:
        assert ask(nobody, way, mine, None).status_code == 403


def test_somebody_elses_things_are_not_there(
    me: TestClient, other: TestClient, mine: Belongings
) -> None:
    before = look_at(me, mine)
    for way, bodies in NOT_FOUND.items():
        for body in bodies:
            answer = ask(other, way, mine, body)
            assert (way, answer.status_code) == (way, 404)
            check_nothing_told(answer.text, mine)
    for way in EMPTY:
        answer = ask(other, way, mine, None)
        assert (way, answer.json()["items"]) == (way, [])
    for way, body in OWN.items():
        answer = ask(other, way, mine, body)
        assert answer.is_success
        check_nothing_told(answer.text, mine)
    for way in EVERYBODYS:
        check_nothing_told(ask(other, way, mine, None).text, mine)
    assert look_at(me, mine) == before


def look_at(me: TestClient, mine: Belongings) -> list[Any]:
    """All that could have been changed; links are new each time."""
    paths = [
        f"/v1/uploads/{mine.upload}", "/v1/uploads", "/v1/jobs", f"/v1/jobs/{mine.swap}/result",
        "/v1/usage", "/v1/usage/history", "/v1/webhooks/endpoints", "/v1/webhooks/deliveries",
        "/v1/consents",
    ]  # fmt: skip
    return [me.get(path).raise_for_status().content for path in paths]


def check_nothing_told(text: str, mine: Belongings) -> None:
    for name in asdict(mine).values():
        assert name not in text


def test_the_owner_finds_all_of_it(me: TestClient, mine: Belongings) -> None:
    for way, (body, *_) in NOT_FOUND.items():
        if way[0] == "GET" and not way[1].endswith("events"):
            assert (way, ask(me, way, mine, body).status_code) == (way, 200)
    for way in EMPTY:
        assert (way, len(ask(me, way, mine, None).json()["items"]) > 0) == (way, True)


def test_a_key_that_may_only_read_changes_nothing(
    me: TestClient, office: Office, nobody: TestClient, mine: Belongings
) -> None:
    made = new_client(office, "reader", scopes=["read"])
    nobody.headers["X-Api-Key"] = made.key
    for way in WITH_KEY:
        answer = ask(nobody, way, mine, None)
        assert (answer.status_code == 403) == (way[0] not in ("GET", "HEAD") or "secret" in way[1])
        if answer.status_code == 403:
            assert answer.json()["code"] == "scope_missing"


def test_a_key_that_may_only_write_sees_nothing(
    office: Office, nobody: TestClient, mine: Belongings
) -> None:
    made = new_client(office, "writer", scopes=["write"])
    nobody.headers["X-Api-Key"] = made.key
    for way in WITH_KEY:
        if way[0] in ("GET", "HEAD"):
            assert ask(nobody, way, mine, None).status_code == 403
