"""Time for the tests that need some to pass."""

from __future__ import annotations

import select
import socket
from threading import Semaphore

from loopback import Answer


class TickingClock:
    """A second, or ``step_s``, passes whenever it is looked at, and a server that drips sends a
    byte for it."""

    def __init__(self, step_s: float = 1.0) -> None:
        self.now_s, self.step_s = 0.0, step_s
        self.ticks = Semaphore(0)

    def __call__(self) -> float:
        self.now_s += self.step_s
        self.ticks.release()
        return self.now_s

    def drip(self, head: bytes) -> Answer:
        def answer(stream: socket.socket, _head: bytes) -> None:
            stream.sendall(head)
            while not has_left(stream):
                if self.ticks.acquire(timeout=0.01):
                    stream.sendall(b"x")

        return answer


def has_left(stream: socket.socket) -> bool:
    """Whether the other end has closed; what it may have sent is taken."""
    readable, _, _ = select.select([stream], [], [], 0)
    return bool(readable) and stream.recv(65536) == b""
