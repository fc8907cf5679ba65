"""No process of ours connects to anything that it was not asked to fetch."""

from __future__ import annotations

import json
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


def test_the_command_and_the_python_api_connect_to_nothing(
    tmp_path: Path, photo: Path, film: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = "-m", "lendface", "swap", str(photo), str(film), "-o", str(tmp_path / "a.mp4"), "--json"
    assert json.loads(run(tmp_path / "command", home, *words))["frames"] == 50
    files = str(photo), str(film), str(tmp_path / "b.mp4")
    assert run(tmp_path / "python", home, "-c", SWAP, *files) == "50\n"
    assert outside(tmp_path / "command") == []
    assert outside(tmp_path / "python") == []
    ours = [home / path / "lendface" for path in (".cache", ".local/share", ".config")]
    left = [path for path in home.rglob("*") if path.is_file()]
    assert [path for path in left if not any(map(path.is_relative_to, ours))] == []


def test_a_server_and_its_workers_connect_to_nothing(
    tmp_path: Path, photo: Path, film: Path
) -> None:
    notes, home = tmp_path / "notes", tmp_path / "home"
    home.mkdir()
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
    left = {path.parts[len(home.parts)] for path in home.rglob("*") if path.is_file()}
    assert left <= {".cache"}
    assert not (home / ".cache" / "Microsoft").exists()
