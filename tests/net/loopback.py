"""Real servers on loopback for the tests of what leaves this server."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

import httpcore2

from lendface.net.connect import Outside, dial_tcp

Answer = Callable[[socket.socket, bytes], None]
PUBLIC = "93.184.215.14"  # an ordinary public address; nothing here ever connects to it
WAIT_S = 20.0  # a deadline for what should come at once


def read_head(stream: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        more = stream.recv(65536)
        if not more:
            return b""
        head += more
    return head


def leave(stream: socket.socket) -> None:
    """End the answer, and take what still comes: unread bytes would reset the connection."""
    stream.shutdown(socket.SHUT_WR)
    while stream.recv(65536):
        pass


@dataclass
class LoopbackServer:
    """Hands every request, up to the end of its head, to ``answer``; counts and keeps them."""

    listener: socket.socket
    answer: Answer
    tls: ssl.SSLContext | None = None
    read_head: Callable[[socket.socket], bytes] = read_head
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.port: int = self.listener.getsockname()[1]

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed
                return
            connection.settimeout(WAIT_S)
            thread = Thread(target=self.serve, args=(connection,))
            with self.lock:
                self.connections += 1
                self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket) -> None:
        with suppress(OSError), self.secure(connection) as stream:  # clients may leave at any time
            head = self.read_head(stream)
            if head:
                with self.lock:
                    self.heads.append(head)
                self.answer(stream, head)
                leave(stream)

    def secure(self, connection: socket.socket) -> socket.socket:
        if not self.tls:
            return connection
        try:
            return self.tls.wrap_socket(connection, server_side=True)
        except BaseException:
            connection.close()
            raise


@contextmanager
def serving(
    answer: Answer, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> Iterator[LoopbackServer]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = LoopbackServer(socket.create_server((address, 0), family=family), answer, tls)
    accepting = Thread(target=server.run)
    accepting.start()
    try:
        yield server
    finally:
        server.listener.shutdown(socket.SHUT_RDWR)
        server.listener.close()
        accepting.join(WAIT_S)
        for thread in server.threads:
            thread.join(WAIT_S)


def reply(
    body: bytes = b"film", *, status: str = "200 OK", headers: tuple[str, ...] = ()
) -> Answer:
    """Always the same answer; Content-Length is right unless ``headers`` name one."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if not any(line.lower().startswith(("content-length", "transfer-enc")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    raw = "\r\n".join([*lines, "", ""]).encode() + body

    def answer(stream: socket.socket, _head: bytes) -> None:
        stream.sendall(raw)

    return answer


def route(answers: dict[str, Answer]) -> Answer:
    """By path, without the query."""

    def answer(stream: socket.socket, head: bytes) -> None:
        path = head.split(b" ")[1].partition(b"?")[0].decode()
        answers[path](stream, head)

    return answer


def redirect(location: str, status: str = "302 Found") -> Answer:
    return reply(b"", status=status, headers=(f"Location: {location}",))


@dataclass
class PretendedInternet:
    """Names lead to the addresses given here, and public addresses to loopback ports.

    What is looked up and dialled is kept, so that a test sees which address was connected to.
    """

    addresses: dict[str, list[str]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)  # by public address
    looked_up: list[str] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)

    def put(self, host: str, server: LoopbackServer, address: str = PUBLIC) -> None:
        self.addresses[host] = [address]
        self.ports[address] = server.port

    def resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append(host)
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[host]

    def dial(self, address: str, port: int, timeout_s: float) -> httpcore2.NetworkStream:
        self.dialled.append(address)
        if address in self.ports:
            return dial_tcp("127.0.0.1", self.ports[address], timeout_s)
        return dial_tcp(address, port, timeout_s)

    @property
    def outside(self) -> Outside:
        return Outside(resolve=self.resolve, dial=self.dial)
