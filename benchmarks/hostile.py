"""Peers that mean harm, and the server that they are set on: what ``benchmarks.attacks`` needs.

Everything stays on loopback. Attackers come from 127.0.0.2 and on, the others from 127.0.0.1, so
that a server which counts by address can tell them apart as it could outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

READY_S = 120.0
AGAIN_S = 1.0  # until somebody who was turned away comes again
DRIP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1000000\r\n\r\n"


@dataclass(frozen=True)
class Caller:
    """A client of the server, by its first key."""

    id: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@dataclass
class Server:
    """``lendface serve`` with a data folder and a port of its own."""

    folder: Path
    workers: int = 0
    files: int | None = None  # RLIMIT_NOFILE
    before: Sequence[str] = ()  # a command that starts it, such as strace
    variables: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "LENDFACE_DATA": str(self.folder),
            "LENDFACE_PORT": str(self.port),
            "LENDFACE_FETCH_ALLOW": "127.0.0.0/8",
            "LENDFACE_FIRST_KEY": "false",
        }
        return clean_environment() | own | self.variables

    @property
    def pid(self) -> int:
        """Of the process that answers HTTP."""
        assert self.process is not None
        return self.process.pid

    def __enter__(self) -> Server:
        words = ["--workers", str(self.workers)] if self.workers else ["--no-workers"]
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                [*self.before, sys.executable, "-m", "lendface", "serve", *words],
                env=self.environment,
                stdout=said,
                stderr=said,
                preexec_fn=self._set_limit,
            )
        until(self._is_ready, READY_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """As an operator does; harmless when done again."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _set_limit(self) -> None:
        if self.files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))

    def _is_ready(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise SystemExit(f"the server ended: {self.log.read_text()[-2000:]}")
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/readyz", timeout=10).status_code == 200
        return False

    def lendface(self, *words: str) -> str:
        """What a command prints that is run on this server's data."""
        made = subprocess.run(
            [sys.executable, "-m", "lendface", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return made.stdout

    def add_client(self, name: str) -> Caller:
        told = self.lendface("keys", "create", "--name", name, "--json", "--rate", "1000000")
        facts = json.loads(told)
        return Caller(facts["client_id"], facts["key"])

    def client(self, caller: Caller, timeout_s: float = 120) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers=caller.headers, timeout=timeout_s)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("LENDFACE_")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], limit_s: float, step_s: float = 0.05) -> Any:
    """What the condition gives when it comes true. Raises TimeoutError."""
    deadline_s = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(step_s)
    return found


def declare(client: httpx2.Client, kind: str, size: int) -> dict[str, Any]:
    """An upload that is promised and not sent yet."""
    body = {"name": "a", "content_type": kind, "size": size}
    return client.post("/v1/uploads", json=body).raise_for_status().json()


def upload(client: httpx2.Client, kind: str, data: bytes) -> str:
    made = declare(client, kind, len(data))
    request = made["upload"]
    headers, timeout = request["headers"], client.timeout
    httpx2.put(request["url"], content=data, headers=headers, timeout=timeout).raise_for_status()
    return made["id"]


# Hostile peers: all of them in one thread


class Background:
    """An event loop in a thread of its own, until the end of a ``with``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._started: list[Future[Any]] = []  # the loop itself keeps no hold of them

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        self._started.append(asyncio.run_coroutine_threadsafe(work, self._loop))

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)

    async def _cancel(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


@dataclass
class Tally:
    """What became of many connections."""

    open: int = 0
    ended: Counter[str] = field(default_factory=Counter)  # by the status that was answered


async def drip(port: int, address: str, head: bytes, every_s: float, tally: Tally) -> None:
    """Send ``head`` from an address and then a byte now and then; begin again when cut off."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0)
            )
        except OSError:
            tally.ended["not connected"] += 1
            await asyncio.sleep(AGAIN_S)
            continue
        tally.open += 1
        try:
            tally.ended[await _drip_on(reader, writer, head, every_s)] += 1
        finally:
            tally.open -= 1
            writer.close()
        await asyncio.sleep(AGAIN_S)


async def _drip_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes, every_s: float
) -> str:
    try:
        writer.write(head)
        while True:
            with suppress(TimeoutError):
                answer = await asyncio.wait_for(reader.read(4096), every_s)
                return answer.split(b" ")[1].decode() if answer[:5] == b"HTTP/" else "closed"
            writer.write(b"a")
    except OSError:
        return "closed"


async def listen(port: int, address: str, head: bytes, tally: Tally) -> None:
    """Send a request and read what comes for as long as it comes; then ask again."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0)
            )
            try:
                writer.write(head)
                await _read_all(reader, tally)
            finally:
                writer.close()
        await asyncio.sleep(AGAIN_S)


async def _read_all(reader: asyncio.StreamReader, tally: Tally) -> None:
    first = await reader.readline()
    status = first.split(b" ")[1].decode() if first[:5] == b"HTTP/" else "closed"
    if status != "200":
        tally.ended[status] += 1
        return
    tally.open += 1
    try:
        while await reader.read(65536):
            pass
    finally:
        tally.open -= 1


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(port: int, addresses: Sequence[str], answer: Answer) -> None:
    """Answer whoever connects to one of these addresses, until it is cancelled."""
    servers = [await asyncio.start_server(answer, address, port) for address in addresses]
    try:
        await asyncio.Event().wait()
    finally:
        for server in servers:
            server.close()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A receiver that takes everything and says nothing."""
    with suppress(OSError, asyncio.CancelledError):
        while await reader.read(65536):
            pass
    writer.close()


def dripping(every_s: float, tally: Tally) -> Answer:
    """A file of a megabyte that comes one byte at a time."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tally.open += 1
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(DRIP_HEAD)
            while not reader.at_eof():
                writer.write(b"a")
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), every_s)
        tally.open -= 1
        writer.close()

    return answer


def taking(told: threading.Event) -> Answer:
    """A receiver that answers 200, and says so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            await reader.readuntil(b"\r\n\r\n")
            told.set()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    return answer


# Watching a process


def peak_mb(pid: int) -> float:
    """The most memory that a process held since it began, or since ``forget_peak``."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_s(pid: int) -> float:
    facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(facts[11]) + int(facts[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Probe:
    """How long /healthz took each time; a time that was not answered counts as all of it."""

    seconds: list[float] = field(default_factory=list)
    unanswered: int = 0

    def __str__(self) -> str:
        if not self.seconds:
            return "never asked"
        worst = max(self.seconds)
        told = f"{sorted(self.seconds)[len(self.seconds) // 2]:.2f} s, longest {worst:.2f} s"
        return f"{told}, {self.unanswered} of {len(self.seconds)} unanswered"


@contextmanager
def probing(url: str, every_s: float = 0.2, patience_s: float = 10.0) -> Iterator[Probe]:
    """Ask for /healthz again and again, each time by a new connection."""
    probe, over = Probe(), threading.Event()

    def ask() -> None:
        while not over.wait(every_s):
            began = time.monotonic()
            try:
                httpx2.get(f"{url}/healthz", timeout=patience_s).raise_for_status()
            except httpx2.HTTPError:
                probe.unanswered += 1
            probe.seconds.append(time.monotonic() - began)

    asker = threading.Thread(target=ask, daemon=True)
    asker.start()
    try:
        yield probe
    finally:
        over.set()
        asker.join(patience_s + 5)
