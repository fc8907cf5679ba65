"""The disk of the database takes nothing for a while; what is done then is not lost."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.crew import Crew, Worker, done_once

MOST_BYTES = 16_384  # the toys' notes fit, and no change of the database's does


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """Only here: a server of its own tells by itself that it has no room."""
    return f"sqlite:///{tmp_path / 'lendface.db'}"


@contextmanager
def no_growth(*workers: Worker) -> Iterator[None]:
    """SQLite calls this a broken disk."""
    before = [(pid_of(worker), resource.prlimit(pid_of(worker), FILE_SIZE)) for worker in workers]
    for pid, (_, hard) in before:
        resource.prlimit(pid, FILE_SIZE, (MOST_BYTES, hard))
    yield
    for pid, limits in before:
        resource.prlimit(pid, FILE_SIZE, limits)


FILE_SIZE = resource.RLIMIT_FSIZE


def pid_of(worker: Worker) -> int:
    assert worker.process.pid
    return worker.process.pid


@pytest.mark.parametrize("task", ["fetch", "probe", "chunk/1", "finish"])
def test_what_was_done_while_nothing_could_be_written_is_written_down_later(
    crew: Crew, task: str
) -> None:
    crew.order("hold", "a", task)
    both = crew.start_both()
    crew.submit("a")
    crew.until_begun("a", task)
    with no_growth(*both):
        crew.lift("hold", "a", task)
        crew.until(lambda: "disk I/O error" in (crew.folder / "stderr").read_text())
        crew.until(lambda: crew.count(None, "end", "a", task))
    crew.until_ended("a")
    done_once(crew, "a")
    assert [worker.is_alive for worker in both] == [True, True]
