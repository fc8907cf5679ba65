"""How much memory the processes of a server take while something is done to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from system.servers import Server, children, resident_bytes

MIB = 1 << 20


@dataclass
class Peaks:
    """The most that was seen, in MiB, by the name of a process."""

    before: dict[str, int]
    most: dict[str, int] = field(default_factory=dict)

    def look(self, server: Server) -> None:
        named = server.processes()
        held = {name: resident_bytes(pid) for name, pid in named.items()}
        held["children"] = max(
            (resident_bytes(child) for pid in named.values() for child in children(pid)
             if child not in named.values()),
            default=0,
        )  # fmt: skip
        for name, size in held.items():
            self.most[name] = max(self.most.get(name, 0), size // MIB)

    def growth(self) -> dict[str, int]:
        return {name: self.most[name] - self.before.get(name, 0) for name in self.most}


@contextmanager
def watched(server: Server) -> Iterator[Peaks]:
    """Looks twenty times a second."""
    now = Peaks({})
    now.look(server)
    peaks, stop = Peaks(dict(now.most)), threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            peaks.look(server)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        stop.set()
        thread.join()
        peaks.look(server)
