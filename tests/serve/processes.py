"""Real processes of the command line, and what they log."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lendface.settings import PREFIX

PATIENCE_S = 300.0


@dataclass(eq=False)
class Logged:
    """One process; every line of its log as it came."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def listen(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line)
                self.news.notify_all()

    def wait_for(self, event: str, **facts: Any) -> dict[str, Any]:
        """The first line that says so."""

        def found() -> dict[str, Any] | None:
            for line in self.entries():
                if line["event"] == event and facts.items() <= line.items():
                    return line
            return None

        with self.news:
            assert self.news.wait_for(lambda: found() is not None, PATIENCE_S), self.lines
            line = found()
        assert line is not None
        return line

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@contextmanager
def running(*words: str, environment: dict[str, str]) -> Iterator[Logged]:
    """``lendface WORDS``, told to end by SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lendface", *words],
        env=clean(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    logged = Logged(process)
    listener = threading.Thread(target=logged.listen)
    listener.start()
    try:
        yield logged
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
            listener.join()
            for stream in (process.stdout, process.stderr):
                assert stream
                stream.close()


def run(*words: str, environment: dict[str, str]) -> str:
    """What ``lendface WORDS`` prints."""
    return subprocess.run(
        [sys.executable, "-m", "lendface", *words],
        env=clean(environment),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    ).stdout


def clean(environment: dict[str, str]) -> dict[str, str]:
    """Without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | environment


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_in(folder: Path, **more: str) -> dict[str, str]:
    given = {"DATA": str(folder), **more}
    return {PREFIX + name: value for name, value in given.items()}
