"""Akool's API beside ours on a real server, and in other places."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Host, Mount
from starlette.testclient import TestClient

from facades.akool.bodies import V3_VIDEO, video
from facades.akool.workers import FILM, finish_film
from facades.live import run_app
from lendface.facades.akool.app import PREFIXES, akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.facades.akool.webhooks import API, AkoolForm
from lendface.facades.beside import Beside
from lendface.facades.server import build_app
from lendface.service.clients import NewClient
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from lendface.storage.signing import UrlSigner
from service.offices import BASE_URL, new_client, open_office

CREDIT = "/api/open/v3/faceswap/quota/info"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Office, httpx2.Client]]:
    """The whole server on loopback, and a client with a key."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with open_office(tmp_path, base_url=url, forms={API: AkoolForm()}) as office:
            assert isinstance(office.links, UrlSigner)
            akool = akool_app(office, RateLimiter(office.now_ms), AkoolOptions(url))
            app = build_app(office, signer=office.links, apps_beside=[Beside(PREFIXES, akool)])
            headers = {"x-api-key": new_client(office).key}
            with run_app(app, listener), httpx2.Client(base_url=url, headers=headers) as client:
                yield office, client


def test_both_apis_answer_at_their_own_addresses(
    live: tuple[Office, httpx2.Client],
) -> None:
    _, client = live
    assert client.get(CREDIT).json()["code"] == 1000
    assert client.get("/v1/usage").json()["used"] == 0
    assert client.post("/detect", json={}).json()["error_code"] == 1
    for path, code in (("/detection", "not_found"), ("/api/closed/x", "not_found")):
        response = client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, code)
    assert client.get("/api/open/v3/x").json()["code"] == 1014
    assert "x-request-id" in client.get(CREDIT).headers


def test_a_result_is_fetched_whole_in_parts_and_not_at_all(
    live: tuple[Office, httpx2.Client],
) -> None:
    office, client = live
    data = client.post(V3_VIDEO, json=video()).json()["data"]
    with httpx2.Client() as anybody:
        assert anybody.head(data["url"]).status_code == 404
        finish_film(office, data["_id"])
        assert anybody.head(data["url"]).headers["content-length"] == str(len(FILM))
        assert anybody.get(data["url"]).content == FILM
        part = anybody.get(data["url"], headers={"Range": "bytes=-5", "Origin": "https://a.test"})
        assert (part.status_code, part.content) == (206, FILM[-5:])
        assert part.headers["access-control-allow-origin"] == "*"


def test_a_body_may_come_in_pieces(live: tuple[Office, httpx2.Client]) -> None:
    _, client = live
    pieces = iter([b'{"_ids', b'":"a', b'"}'])
    response = client.post("/api/open/v3/faceswap/result/delbyids", content=pieces)
    assert response.json() == {"code": 1000, "msg": "OK"}


@pytest.mark.parametrize("place", ["host", "folder"])
def test_it_stands_on_a_host_or_in_a_folder_of_its_own(
    office: Office, made: NewClient, place: str
) -> None:
    akool = akool_app(office, RateLimiter(office.now_ms), AkoolOptions(BASE_URL))
    routes = {"host": Host("akool.example", akool), "folder": Mount("/akool", akool)}
    app = Starlette(routes=[routes[place]])
    base = {"host": "http://akool.example", "folder": "http://a.example/akool"}[place]
    with TestClient(app, base_url=base, headers={"x-api-key": made.key}) as client:
        assert client.get(CREDIT).json()["code"] == 1000
        response = client.post("/interface/detect-api/detect_faces", json={})
        assert (response.status_code, response.json()["error_code"]) == (400, 1)
        token = {"clientId": made.client_id, "clientSecret": made.key}
        answer = client.post("/api/open/v3/getToken", json=token, headers={"x-api-key": ""})
        assert answer.json()["code"] == 1000
    with TestClient(app, base_url="http://other.example") as client:
        assert client.get(CREDIT).status_code == 404
