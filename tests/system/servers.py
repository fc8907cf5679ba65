"""The real server and its workers: processes that a test starts, watches, kills and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from lendface.serve.server import posts_of
from lendface.settings import Settings

STEP_S = 0.02
READY_S = 300.0  # deadlines, for a machine that others use; never waited for where all is well
DONE_S = 300.0
QUICK = {
    "LENDFACE_WORKERS": "1",
    "LENDFACE_POLL_S": "0.1",
    "LENDFACE_CHUNK_S": "0.5",
    "LENDFACE_DRAIN_S": "60",
    "LENDFACE_FETCH_ALLOW": "127.0.0.1",
    "LENDFACE_RATE_PER_MINUTE": "1000000",
    "LENDFACE_METRICS_OPEN": "true",
}


def until(
    condition: Callable[[], Any],
    limit_s: float = DONE_S,
    story: Callable[[], object] = str,
    step_s: float = STEP_S,
) -> Any:
    """What the condition gives when it comes true; fails with ``story`` when it does not."""
    deadline_s = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline_s:
            raise AssertionError(f"it never came true\n{story()}")
        threading.Event().wait(step_s)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """``lendface serve`` on a port of its own; ``words`` go to its command line."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    words: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    since: int = 0  # where its log began when it was started last
    before: Sequence[str] = ()  # a program that runs it, and becomes it

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def environment(self) -> dict[str, str]:
        own = {"LENDFACE_DATA": str(self.folder), "LENDFACE_PORT": str(self.port)}
        return environment({**QUICK, **self.settings, **own})

    # Life and death

    def start(self, *, is_awaited: bool = True) -> None:
        """By default it answers, and its workers have said that they live, when this returns."""
        self.since = self.log.stat().st_size if self.log.exists() else 0
        words = ("serve", *self.words)
        self.process = run_lendface(*words, told=self.environment, log=self.log, before=self.before)
        if is_awaited:
            self.until_ready()

    def until_ready(self) -> None:
        until(self.is_ready, READY_S, self.story)
        until(lambda: self.told("worker is ready") >= self.post_count, READY_S, self.story)

    def is_ready(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.story()
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/readyz").status_code == 200
        return False

    def stop(self) -> int:
        """As an operator does; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(READY_S)

    def kill(self) -> None:
        """The API process alone, as the kernel does it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """Everything at once, as when the machine stops: nobody sees another end."""
        pids = [*self.workers().values()]
        assert self.process is not None
        for pid in (self.process.pid, *pids):
            kill(pid, signal.SIGSTOP)
        self.kill()
        for pid in pids:
            kill(pid)
        until(lambda: not self.workers(), READY_S, self.story)

    def kill_worker(self, name: str) -> int:
        """The process that was at this post; another takes its place after a while."""
        pid = until(lambda: self.workers().get(name), READY_S, self.story)
        kill(pid)
        return pid

    def close(self) -> None:
        """Whatever is left of it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for pid in self.workers().values():
            kill(pid)

    # Looking at it

    @property
    def post_count(self) -> int:
        """How many workers it keeps."""
        return 0 if "--no-workers" in self.words else len(posts_of(settings_of(self)))

    def workers(self) -> dict[str, int]:
        """Process ids of the workers of this server's folder, by the names of their posts.

        A worker that starts a program is there twice for a moment: until the child has become that
        program, it shows its parent's command line.
        """
        posts = {}
        for pid in pids():
            words = command_of(pid)
            if "--executor" in words and is_of(pid, self.folder):
                posts[pid] = words[words.index("--executor") + 1].removeprefix("local-")
        return {name: pid for pid, name in posts.items() if parent_of(pid) not in posts}

    @property
    def renderers(self) -> list[str]:
        return sorted(name for name in self.workers() if name.startswith("cpu"))

    def processes(self) -> dict[str, int]:
        """The server's and its workers'."""
        assert self.process is not None
        return {"serve": self.process.pid, **self.workers()}

    def lines(self) -> list[dict[str, Any]]:
        """What it and its workers have logged since it was started last."""
        with self.log.open("rb") as said:
            said.seek(self.since)
            texts = said.read().splitlines()
        return [json.loads(text) for text in texts if text.startswith(b"{")]

    def told(self, event: str) -> int:
        return sum(line["event"] == event for line in self.lines())

    def story(self, lines: int = 60) -> str:
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(["--- the server's log", *said.splitlines()[-lines:]])


@contextmanager
def serving(
    folder: Path,
    words: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    before: Sequence[str] = (),
    **settings: str,
) -> Iterator[Server]:
    """A running server; ``settings`` without their prefix, as ``keep_days="1"``."""
    named = {f"LENDFACE_{name.upper()}": value for name, value in settings.items()}
    server = Server(folder, {**named, **(variables or {})}, words, before=before)
    try:
        server.start()
        yield server
    finally:
        server.close()


def run_lendface(
    *words: str, told: Mapping[str, str], log: Path, before: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    with log.open("ab") as said:
        return subprocess.Popen(
            [*before, sys.executable, "-m", "lendface.__main__", *words],
            env=dict(told),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's, without what an operator may have set for a server of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LENDFACE_")}
    return {**kept, **settings}


def settings_of(server: Server) -> Settings:
    """As the server's own processes read them."""
    told = server.environment.items()
    names = {name.removeprefix("LENDFACE_").lower(): value for name, value in told
             if name.startswith("LENDFACE_")}  # fmt: skip
    return Settings(**names)


# Processes, by what the kernel tells of them


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_of(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    return []


def parent_of(pid: int) -> int | None:
    """None where the process is gone."""
    with suppress(OSError):
        told = Path(f"/proc/{pid}/stat").read_text()
        return int(told.rpartition(")")[2].split()[1])  # its name, in brackets, may hold anything
    return None


def is_of(pid: int, folder: Path) -> bool:
    with suppress(OSError):
        told = Path(f"/proc/{pid}/environ").read_bytes()
        return f"LENDFACE_DATA={folder}".encode() in told.split(b"\0")
    return False


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def halt(pid: int) -> None:
    """Stop a process where it is, until SIGCONT. No thread of it does anything more when this
    returns, as one might that was about to take the database's lock."""
    kill(pid, signal.SIGSTOP)
    until(lambda: set(thread_states(pid)) == {"T"})


def thread_states(pid: int) -> Iterator[str]:
    """Their letters; T is one that was stopped."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            yield (thread / "stat").read_text().rpartition(") ")[2][0]


def resident_bytes(pid: int) -> int:
    """How much memory a process holds; 0 once it has ended."""
    with suppress(OSError, IndexError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def open_files(pid: int) -> list[str]:
    """What a process has open, but for its database, of which its pools keep some connections."""
    found = []
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                found.append(os.readlink(link))
    return [name for name in found if ".db" not in Path(name).name]


def children(pid: int) -> dict[int, str]:
    """State letters of a process's children; Z is one that nobody has buried."""
    found = {}
    for child in pids():
        with suppress(OSError):
            _, _, rest = Path(f"/proc/{child}/stat").read_text().rpartition(") ")
            state, parent = rest.split()[:2]
            if int(parent) == pid:
                found[child] = state
    return found
