"""A receiver of Akool's webhooks, written from the vendor's description and from nothing of ours.

With OpenSSL on the command line: AES-CBC, the key is the client secret, the IV the first 16
characters of the client id.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    path: str
    content_type: str | None
    body: dict[str, Any]


class Receiver:
    """Answers each call with the next of ``statuses``, and 200 when there are no more."""

    def __init__(self, statuses: list[int] | None = None) -> None:
        self.calls: list[Call] = []
        self.statuses = list(statuses or [])
        self.came = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, is_enough: Callable[[list[Call]], bool], timeout_s: float) -> list[Call]:
        with self.came:
            assert self.came.wait_for(lambda: is_enough(self.calls), timeout_s), self.calls
            return list(self.calls)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with receiver.came:
                    kind = self.headers["content-type"]
                    receiver.calls.append(Call(self.path, kind, body))
                    status = receiver.statuses.pop(0) if receiver.statuses else 200
                    receiver.came.notify_all()
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def is_genuine(client_id: str, body: dict[str, Any]) -> bool:
    """Whether the signature is of these four texts, sorted and joined."""
    texts = [client_id, str(body["timestamp"]), str(body["nonce"]), body["dataEncrypt"]]
    joined = "".join(sorted(texts)).encode()
    return hashlib.sha1(joined).hexdigest() == body["signature"]


def decrypt(client_id: str, client_secret: str, body: dict[str, Any]) -> dict[str, Any]:
    key, iv = client_secret.encode().hex(), client_id[:16].encode().hex()
    command = ["openssl", "enc", "-d", f"-aes-{len(client_secret) * 8}-cbc", "-K", key, "-iv", iv]
    data = base64.b64decode(body["dataEncrypt"], validate=True)
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return json.loads(done.stdout)
