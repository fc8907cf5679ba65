"""A real server on loopback, in a thread: for what no test client shows (streams, broken lines)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from lendface.facades.native.webhooks import API, NativeForm
from lendface.facades.server import build_app
from lendface.service.office import Office
from lendface.storage.signing import UrlSigner
from service.offices import new_client, open_office

START_S = STOP_S = 300.0  # never waited for where all is well


class Server(uvicorn.Server):
    """Says when it is there."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(app, log_config=None, lifespan="off", ws="none", loop="asyncio")
        )
        self.is_there = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_there.set()


@dataclass(frozen=True)
class Live:
    """A running server and a key for it."""

    url: str
    key: str
    office: Office
    server: Server

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition(":")
        return host, int(port)


@contextmanager
def run_live(folder: Path, **options: Any) -> Iterator[Live]:
    """``options`` are those of ``build_app``; a clock of the office is not, it stands still."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with open_office(folder, base_url=url, forms={API: NativeForm()}) as office:
            assert isinstance(office.links, UrlSigner)
            app = build_app(office, signer=office.links, **options)
            with run_app(app, listener) as server:
                yield Live(url, new_client(office).key, office, server)


@contextmanager
def run_app(app: FastAPI, listener: socket.socket) -> Iterator[Server]:
    server = Server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert server.is_there.wait(START_S)
        yield server
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        assert not thread.is_alive()
