"""What a page in a browser may call: of the whole server, on loopback, as ``serve`` runs it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from lendface.facades.akool.envelopes import ANALYZE, DETECT, OLDER
from lendface.serve.asgi import build_app, open_paths_of
from lendface.serve.building import Built, build_office, prepare
from lendface.serve.connections import ConnectionLimits, Connections
from lendface.serve.http import LimitedServer, make_server
from lendface.service.clients import create_client
from lendface.settings import load_settings

PATIENCE_S = 60
ORIGIN = {"Origin": "https://shop.example"}
V3 = "/api/open/v3/faceswap"
VENDORS = (
    *(f"{V3}/highquality/specifyvideo", f"{V3}/result/listbyids", f"{V3}/quota/info"),
    *("/api/open/v3/getToken", "/api/open/v4/faceswap/faceswapByImage", DETECT, ANALYZE, OLDER),
    *("/s2s/v2.0/file", "/s2s/v2.0/task/face-swap-vid", "/s2s/v1.0/client/auth"),
    *("/s2s/v2.0/task/face-swap-vid/x", "/s2s/v1.0/client/credit", "/blobs/x"),
    *("/results/akool/x/y.mp4", "/api/open/nowhere", "/s2s/nowhere"),
)


@dataclass(frozen=True)
class Running:
    http: httpx2.Client
    key: str
    built: Built

    def preflight(self, path: str, method: str = "POST", **more: str) -> httpx2.Response:
        asked = {
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,x-api-key",
        }
        return self.http.options(path, headers=asked | ORIGIN | more)


class Announced(LimitedServer):
    is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextmanager
def running(folder: Path, **changes: Any) -> Iterator[Running]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = load_settings(data=folder, secret="c2VjcmV0" * 8, public_url=url, **changes)
        built = build_office(settings)
        prepare(built)
        connections = Connections(ConnectionLimits(64, 64), time.monotonic)
        made = make_server(
            build_app(built, connections=connections),
            connections,
            open_paths_of(settings).headers_of,
            log_config=None,
            lifespan="off",
        )
        server = Announced(made.config, connections)
        server.is_up = threading.Event()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            assert server.is_up.wait(PATIENCE_S)
            with httpx2.Client(base_url=url) as http:
                yield Running(http, create_client(built.office, "shop").key, built)
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            built.close()
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


def is_open(answer: httpx2.Response) -> bool:
    """To any origin; a browser then shows the page the answer, and sends no cookie."""
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin") == "*"


@pytest.mark.parametrize("path", VENDORS)
def test_before_a_page_calls_its_browser_asks_without_a_key(server: Running, path: str) -> None:
    answer = server.preflight(path)
    assert answer.status_code in (200, 204)
    assert is_open(answer)
    allowed = {
        each.strip().lower() for each in answer.headers["access-control-allow-headers"].split(",")
    }
    assert {"x-api-key", "authorization", "content-type", "range"} <= allowed
    assert {"GET", "HEAD", "POST", "PUT"} <= {
        each.strip() for each in answer.headers["access-control-allow-methods"].split(",")
    }


@pytest.mark.parametrize("path", VENDORS)
def test_a_page_can_read_that_it_was_refused(server: Running, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        answer = server.http.request(method, path, headers=ORIGIN, json={})
        assert is_open(answer), (method, answer.status_code)


def test_so_it_is_with_every_kind_of_refusal(server: Running) -> None:
    key = {"x-api-key": server.key} | ORIGIN
    bearer = {"Authorization": f"Bearer {server.key}"} | ORIGIN
    http = server.http
    told = {
        401: http.post("/s2s/v2.0/file", headers=ORIGIN, json={}),
        400: http.post("/s2s/v2.0/file", headers=bearer, json={}),
        200: http.post(f"{V3}/highquality/specifyvideo", headers=key, json={}),
        404: http.get("/s2s/v2.0/task/nothing/x", headers=bearer),
        413: http.post("/api/open/v3/getToken", headers=ORIGIN, content=bytes(1 << 17)),
        405: http.put(f"{V3}/quota/info", headers=key),
    }
    assert {status: answer.status_code for status, answer in told.items()} == {
        status: status for status in told
    }
    assert all(map(is_open, told.values()))


def test_a_page_may_send_a_file_and_have_its_result(server: Running) -> None:
    """By links that need no key: PUT, GET, HEAD, and a part of it."""
    bearer = {"Authorization": f"Bearer {server.key}"} | ORIGIN
    file = {"content_type": "video/mp4", "file_name": "a.mp4", "file_size": 4}
    made = server.http.post("/s2s/v2.0/file", headers=bearer, json={"files": [file]}).json()
    [request] = made["data"]["files"][0]["requests"]
    assert is_open(server.preflight(request["url"], "PUT"))
    sent = server.http.put(request["url"], headers=request["headers"] | ORIGIN, content=b"film")
    assert (sent.status_code, is_open(sent)) == (200, True)
    office = server.built.office
    office.blobs.put("results/x/a.mp4", [b"a result"])
    url = office.links.presign_get("results/x/a.mp4", 60, office.now_s, content_type="video/mp4")
    assert is_open(server.preflight(url, "GET", **{"Access-Control-Request-Headers": "range"}))
    part = server.http.get(url, headers=ORIGIN | {"Range": "bytes=2-4"})
    assert is_open(part)
    assert (part.status_code, part.content) == (206, b"res")
    assert "Content-Range" in part.headers["access-control-expose-headers"]
    for answer in (server.http.get(url, headers=ORIGIN), server.http.head(url, headers=ORIGIN)):
        assert (answer.status_code, is_open(answer)) == (200, True)


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/swaps", "/v1/uploads", "/healthz", "/metrics"])
def test_what_is_our_own_stays_as_its_setting_says(server: Running, path: str) -> None:
    assert not is_open(server.preflight(path))
    assert not is_open(server.http.get(path, headers=ORIGIN))


def test_too_many_requests_can_be_read_too(tmp_path: Path) -> None:
    with running(tmp_path, youcam_max_requests=1) as server:
        bearer = {"Authorization": f"Bearer {server.key}"} | ORIGIN
        answers = [server.http.get("/s2s/v1.0/client/credit", headers=bearer) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert all(map(is_open, answers))
        assert "Retry-After" in answers[1].headers["access-control-expose-headers"]
        assert is_open(server.preflight("/s2s/v2.0/file"))  # and asking is not counted


def test_a_server_that_is_busy_can_be_read_too(tmp_path: Path) -> None:
    with running(tmp_path, max_queued=1) as server:
        path = f"{V3}/highquality/specifyvideo"
        refs = [{"path": "https://a.example/a.jpg"}]
        body = {"sourceImage": refs, "targetImage": refs, "modifyVideo": "https://a.example/a"}
        key = {"x-api-key": server.key} | ORIGIN
        answers = [server.http.post(path, headers=key, json=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 503]
        assert all(map(is_open, answers))


def test_it_can_be_closed(tmp_path: Path) -> None:
    named = {"cors_origins": "https://studio.example"}
    with running(tmp_path, cors_vendors=False, **named) as server:
        for path in ("/s2s/v2.0/file", f"{V3}/quota/info", "/blobs/x"):
            assert not is_open(server.preflight(path))
            assert not is_open(server.http.get(path, headers=ORIGIN))
            known = server.http.get(path, headers={"Origin": "https://studio.example"})
            assert known.headers["access-control-allow-origin"] == "https://studio.example"


def test_what_needs_no_key_is_not_open(tmp_path: Path) -> None:
    """By the browser of a visitor a page could call a server that only the visitor reaches."""
    with running(tmp_path, akool_detect_client="somebody") as server:
        assert not is_open(server.preflight(OLDER))
        assert not is_open(server.http.post(OLDER, headers=ORIGIN, json={}))
        assert is_open(server.preflight(DETECT))
