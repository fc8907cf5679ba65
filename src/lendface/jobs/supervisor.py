"""Keeps worker processes running beside a server on one machine.

Processes, not threads: a crash in a decoder or a runtime must not take the server with it.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

log = logging.getLogger("lendface.jobs")

LONG_LIFE_S = 30.0  # a worker that lived this long may start again at once
WAITS_S = (0.0, 0.5, 2.0, 5.0, 15.0, 30.0)  # after short lives, one after the other


@dataclass
class Post:
    """One worker's place: the command that fills it."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    short_lives: int = 0
    not_before_s: float = 0.0

    def is_due(self, now_s: float) -> bool:
        return self.process is None and now_s >= self.not_before_s

    def start(self, environment: Mapping[str, str], now_s: float) -> None:
        """Raises OSError, where no process can be had just now."""
        self.started_s = now_s
        # Our end of the pipe closes with us, however we end; the worker then ends too.
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, env=dict(environment), start_new_session=True
        )

    def has_died(self, now_s: float) -> bool:
        """Notices the end of the process and says when the next may start."""
        if self.process is None or self.process.poll() is None:
            return False
        if self.process.stdin:
            self.process.stdin.close()
        self.process = None
        self.put_off(now_s)
        return True

    def put_off(self, now_s: float) -> None:
        """The next may start after a pause that grows with short lives, one after the other."""
        self.short_lives = 0 if now_s - self.started_s > LONG_LIFE_S else self.short_lives + 1
        self.not_before_s = now_s + WAITS_S[min(self.short_lives, len(WAITS_S) - 1)]


@dataclass
class Supervisor:
    """Starts workers and starts them again."""

    posts: Sequence[Post]
    environment: Mapping[str, str]
    interval_s: float = 0.2
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._round()
        self._thread = threading.Thread(target=self._run, daemon=True, name="supervisor")
        self._thread.start()

    def stop(self, patience_s: float) -> None:
        """Tell the workers to end, wait, and end those that did not."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        running = [post.process for post in self.posts if post.process]
        for process in running:
            process.terminate()
        deadline_s = time.monotonic() + patience_s
        for process in running:
            try:
                process.wait(max(0.1, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()

    def _run(self) -> None:
        while not self._stop.wait(self.interval_s):
            self._round()

    def _round(self) -> None:
        now_s = time.monotonic()
        for post in self.posts:
            if post.has_died(now_s):
                log.warning("a worker ended and is started again", extra={"executor": post.name})
            if post.is_due(now_s):
                self._start(post, now_s)

    def _start(self, post: Post, now_s: float) -> None:
        try:
            post.start(self.environment, now_s)
        except OSError as fault:
            post.put_off(now_s)
            log.error(
                "a worker could not be started",
                extra={"executor": post.name, "reason": type(fault).__name__},
            )
