"""The examples, as a reader would run them; in place of workers somebody who just says done."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from facades.belongings import FILM, finish_swap
from facades.live import Live, run_live
from lendface.service.clients import find_client
from lendface.service.jobs import list_jobs

EXAMPLES = Path(__file__).parents[2] / "examples"
COMMANDS = {
    "python": [sys.executable, str(EXAMPLES / "swap_with_client.py")],
    "curl": ["sh", str(EXAMPLES / "swap_with_curl.sh")],
}
LOOK_S = 0.02


@contextmanager
def finishing(live: Live) -> Iterator[None]:
    """Every swap succeeds shortly after it was submitted."""
    is_over = threading.Event()
    client = find_client(live.office, live.key).id

    def finish() -> None:
        while not is_over.wait(LOOK_S):
            for job in list_jobs(live.office, client, states=["queued"], kind="swap"):
                finish_swap(live.office, job["id"])

    thread = threading.Thread(target=finish)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_does_what_it_says(tmp_path: Path, name: str) -> None:
    (tmp_path / "me.jpg").write_bytes(b"a face")
    (tmp_path / "clip.mp4").write_bytes(b"a film")
    with run_live(tmp_path / "server", poll_s=0.02) as live, finishing(live):
        done = subprocess.run(
            [*COMMANDS[name], "me.jpg", "clip.mp4", "out.mp4"],
            cwd=tmp_path,
            env={**os.environ, "LENDFACE_URL": live.url, "LENDFACE_KEY": live.key},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").read_bytes() == FILM
    assert ("succeeded" in done.stdout) or ("100%" in done.stdout)
