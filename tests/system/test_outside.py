"""No process of ours connects to anything that it was not asked to fetch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from system.backstage import backstage
from system.servers import environment, serving, until
from system.traffic import is_outside, outside, watched
from system.visitors import new_visitor

pytestmark = pytest.mark.services

NOWHERE = "192.0.2.1"  # RFC 5737: of nobody
ASK = f"""
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("{NOWHERE}", 9))
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
"""
SWAP = "import sys, lendface; print(lendface.swap(*sys.argv[1:4]).frames)"


def run(notes: Path, home: Path, *words: str) -> str:
    variables = {"HOME": str(home), "XDG_CACHE_HOME": "", "CI": ""}
    told = environment(variables)
    told.pop("ORT_DISABLE_TELEMETRY")
    command = [*watched(notes), sys.executable, *words]
    done = subprocess.run(command, env=told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_watch_sees_who_connects_and_lets_this_machine_pass(tmp_path: Path) -> None:
    run(tmp_path / "notes", tmp_path, "-c", ASK)
    [seen] = outside(tmp_path / "notes")
    assert NOWHERE in seen
    assert not is_outside(seen, [NOWHERE])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user's home of the test's own, but for the kernels that others have compiled."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    (caches / "lendface").mkdir(parents=True, exist_ok=True)
    (tmp_path / "home" / ".cache").mkdir(parents=True)
    (tmp_path / "home" / ".cache" / "lendface").symlink_to(caches / "lendface")
    return tmp_path / "home"


def left_by_others(home: Path) -> list[str]:
    """Files below a home that are not ours."""
    ours = [home / path / "lendface" for path in (".local/share", ".config")]
    files = [Path(folder, name) for folder, _, names in os.walk(home) for name in names]
    return [str(path) for path in files if not any(map(path.is_relative_to, ours))]


def test_the_command_and_the_python_api_connect_to_nothing(
    tmp_path: Path, home: Path, photo: Path, film: Path
) -> None:
    words = "-m", "lendface", "swap", str(photo), str(film), "-o", str(tmp_path / "a.mp4"), "--json"
    assert json.loads(run(tmp_path / "command", home, *words))["frames"] == 50
    files = str(photo), str(film), str(tmp_path / "b.mp4")
    assert run(tmp_path / "python", home, "-c", SWAP, *files) == "50\n"
    assert outside(tmp_path / "command") == []
    assert outside(tmp_path / "python") == []
    assert left_by_others(home) == []


def test_a_server_and_its_workers_connect_to_nothing(
    tmp_path: Path, home: Path, photo: Path, film: Path
) -> None:
    notes = tmp_path / "notes"
    variables = {"HOME": str(home), "XDG_CACHE_HOME": "", "ORT_DISABLE_TELEMETRY": "0", "CI": ""}
    with serving(tmp_path / "data", variables=variables, before=watched(notes)) as server:
        with backstage(server) as back:
            visitor = new_visitor(server, back.settings, "visitor")
            job = visitor.succeeded(visitor.swap(film, photo)["id"])
            assert visitor.result(job["id"])
            visitor.close()
        assert server.stop() == 0, server.story()
        until(lambda: not server.workers())
    assert outside(notes) == []
    assert left_by_others(home) == []
