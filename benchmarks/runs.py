"""A command as a process of its own: how long, how much processor, how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.1
LENDFACE = (sys.executable, "-m", "lendface")


@dataclass(frozen=True)
class Run:
    """What one process and its children took."""

    wall_s: float
    cpu_s: float  # of all threads and children
    peak_mib: float  # the most that the peaks (VmHWM) of processes alive together summed up to
    said: str  # standard output
    line_s: float | None = None  # when the awaited line came on standard error


def run(
    command: Sequence[str | Path],
    *,
    cores: Sequence[int] = (),
    until_line: str = "",
    env: Mapping[str, str] | None = None,
) -> Run:
    """Run ``command``, on ``cores`` only where given. Raises CalledProcessError with what it said.

    ``until_line``: how a line of standard error begins whose time is wanted.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (env or {}),
            preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        )
        memory = MemoryLook(process.pid)
        with memory:
            line_s, told = None, list[str]()
            for line in process.stderr or ():
                told.append(line)
                if until_line and line_s is None and line.startswith(until_line):
                    line_s = time.perf_counter() - began
            _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, said, "".join(told))
    return Run(wall_s, usage.ru_utime + usage.ru_stime, memory.peak_kib / 1024, said, line_s)


class MemoryLook:
    """Reads now and then how much a process and its children have had at most."""

    def __init__(self, pid: int) -> None:
        self.peak_kib = 0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> MemoryLook:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_EVERY_S):
            total = sum(peak_of(pid) for pid in family(self._pid))
            self.peak_kib = max(self.peak_kib, total)


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return [pid]
    return [pid, *(member for child in text.split() for member in family(int(child)))]


def peak_of(pid: int) -> int:
    """KiB; 0 for a process that is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0
