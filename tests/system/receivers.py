"""Servers on loopback that a test owns: one gives files, one takes webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_S = 300.0  # never waited for where all is well


@dataclass(frozen=True)
class Letter:
    """One webhook as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Takes what is posted; ``status`` answers it. Gives ``files`` by path, each when it may."""

    files: dict[str, bytes] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    status: int = 204
    changed: threading.Condition = field(default_factory=threading.Condition)
    asked: list[str] = field(default_factory=list)
    _gates: dict[str, threading.Event] = field(default_factory=dict)
    url: str = ""

    def hold(self, path: str) -> threading.Event:
        """Half of the file comes, and the rest when the event is set."""
        return self._gates.setdefault(path, threading.Event())

    def until_asked(self, path: str, times: int = 1) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked.count(path) >= times, WAIT_S)

    def until_told(self, count: int = 1, path: str | None = None) -> list[Letter]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.told(path)) >= count, WAIT_S)
            return self.told(path)

    def told(self, path: str | None = None) -> list[Letter]:
        return [letter for letter in self.letters if path in (None, letter.path)]

    # Called by the server's threads

    def take(self, letter: Letter) -> int:
        with self.changed:
            self.letters.append(letter)
            self.changed.notify_all()
            return self.status

    def pieces(self, path: str) -> Iterator[bytes]:
        with self.changed:
            self.asked.append(path)
            self.changed.notify_all()
        data = self.files[path]
        yield data[: len(data) // 2]
        if gate := self._gates.get(path):
            gate.wait(WAIT_S)
        yield data[len(data) // 2 :]


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.take(Letter(self.path, headers, body)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            if self.path not in receiver.files:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Type", "video/mp4")
            self.send_header("Content-Length", str(len(receiver.files[self.path])))
            self.end_headers()
            with suppress(OSError):  # whoever asked was killed
                for piece in receiver.pieces(self.path):
                    self.wfile.write(piece)
                    self.wfile.flush()
            return None

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # those who are killed leave without a word

    server = Quiet(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        for gate in receiver._gates.values():
            gate.set()
        server.shutdown()
        thread.join(WAIT_S)
        server.server_close()
