"""A file from outside takes over the process that looks at it first: what is in its reach then."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lendface.media import environment, inspection, sandbox
from lendface.media.inspection import Bounds, ask, inspect_film, protection, question_about
from make_media import make_video

INSPECTOR = inspection.PROGRAM

# By what is done: by which of the protections it is refused.
DEEDS = {
    "read": {"landlock"},
    "list": {"landlock"},
    "write": {"landlock", "seccomp"},
    "unlink": {"landlock", "seccomp"},
    "chmod": {"seccomp"},
    "tcp": {"landlock", "seccomp"},
    "udp": {"seccomp"},
    "unix": {"seccomp"},
    "run": {"landlock", "seccomp"},
    "fork": {"seccomp"},
    "signal": {"landlock", "seccomp"},
    "environment of the parent": {"landlock"},
    "memory of the parent": {"landlock"},
    "trace the parent": {"landlock", "seccomp"},
    "io_uring": {"seccomp"},
    "namespace": {"seccomp"},
}
HOSTILE = """
import ctypes, json, os, runpy, signal, socket, subprocess, sys

question = json.loads(sys.argv[1])
sys.path.extend(question["paths"])
inspector = runpy.run_path(INSPECTOR, run_name="inspector")
protection = inspector["confine"](question)
secret, port, told = question["secret"], question["port"], {}
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *values):
    if libc.syscall(number, *values) < 0:
        raise OSError(ctypes.get_errno(), "")

def connect(kind):
    with socket.socket(socket.AF_INET, kind) as way:
        way.connect(("127.0.0.1", port))

def fork():
    if os.fork() == 0:
        os._exit(0)
    os.wait()

parent = f"/proc/{os.getppid()}"
deeds = {
    "read": lambda: open(secret).read(),
    "list": lambda: os.listdir(os.path.dirname(secret)),
    "write": lambda: open(secret, "a"),
    "unlink": lambda: os.unlink(secret),
    "chmod": lambda: os.chmod(question["path"], 0o666),
    "tcp": lambda: connect(socket.SOCK_STREAM),
    "udp": lambda: connect(socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "run": lambda: os.execv("/bin/true", ["true"]),
    "fork": fork,
    "signal": lambda: os.kill(os.getppid(), 0),
    "environment of the parent": lambda: open(parent + "/environ").read(),
    "memory of the parent": lambda: open(parent + "/mem", "rb"),
    "trace the parent": lambda: call(PTRACE, 16, os.getppid(), 0, 0),
    "io_uring": lambda: call(425, 8, 0),
    "namespace": lambda: call(UNSHARE, 0x10000000),
}
for name, do in deeds.items():
    try:
        do()
        told[name] = "done"
    except OSError as refused:
        told[name] = refused.errno
print(json.dumps({"told": told, "protection": protection, "environment": dict(os.environ),
                  "folder": os.getcwd()}))
"""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_video(tmp_path / "film.mp4", 5)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture
def seen(
    film: Path, listener: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """What a program in the inspector's place could do, and what it was told."""
    secret = tmp_path / "data" / "secret"
    secret.parent.mkdir()
    secret.write_text("of the server")
    calls = {"x86_64": (101, 272), "aarch64": (117, 97)}[platform.machine()]
    begin = f"INSPECTOR, PTRACE, UNSHARE = {str(INSPECTOR)!r}, {calls[0]}, {calls[1]}\n"
    program = tmp_path / "hostile.py"
    program.write_text(begin + HOSTILE)
    monkeypatch.setattr(inspection, "PROGRAM", program)
    monkeypatch.setenv("LENDFACE_SECRET", "of the server")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the bucket")
    monkeypatch.setenv("PYTHONPATH", "/of/the/operator")
    port = listener.getsockname()[1]
    question = question_about(film, Bounds()) | {"secret": str(secret), "port": port}
    answer = ask(question, 600)
    assert answer is not None
    assert secret.read_text() == "of the server"
    return answer


def test_it_can_do_nothing_that_it_has_no_use_for(
    seen: dict[str, Any], listener: socket.socket
) -> None:
    in_force = {*seen["protection"]}
    done = {name for name, outcome in seen["told"].items() if outcome == "done"}
    assert done <= {name for name, by in DEEDS.items() if not by & in_force}
    if "seccomp" in in_force:
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_it_is_told_nothing_but_how_to_start(seen: dict[str, Any]) -> None:
    told = {name: value for name, value in seen["environment"].items() if name != "LC_CTYPE"}
    assert told.pop(environment.LOADER, None) == os.environ.get(environment.LOADER)
    assert told == {"LANG": "C.UTF-8"}
    assert seen["folder"] == "/"


def test_what_is_said_to_be_in_force_is_what_this_kernel_offers() -> None:
    """Asked in another way: by setting the same up in a process of no consequence."""
    code = (
        "import ctypes; libc = ctypes.CDLL(None); "
        "print(libc.syscall(444, None, ctypes.c_size_t(0), 1) > 0, libc.prctl(21) >= 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    has_landlock, has_seccomp = (word == "True" for word in done.stdout.split())
    has_seccomp &= platform.machine() in sandbox.ARCHITECTURES
    offered = {"landlock": has_landlock, "seccomp": has_seccomp}
    expected = ["limits", "no_new_privileges", *(name for name, there in offered.items() if there)]
    assert list(protection()) == expected


def test_it_still_reads_films_and_says_what_is_no_film(film: Path, tmp_path: Path) -> None:
    assert inspect_film(film).videos[0].frame_count == 5
    name = tmp_path / "Fïlm \N{CLAPPER BOARD} 'x' $(y).mp4"
    film.rename(name)
    link = tmp_path / "link.mp4"
    link.symlink_to(name)
    assert inspect_film(name) == inspect_film(link)


@pytest.mark.parametrize("machine", sandbox.ARCHITECTURES)
def test_the_filter_is_a_program_that_a_kernel_takes(machine: str) -> None:
    """Every jump stays inside and goes forward, every way ends, and no call is listed twice."""
    steps = sandbox.filter_for(machine, 4242)
    for place, (code, if_true, if_false, _) in enumerate(steps):
        if code in (sandbox.JUMP_EQUAL, sandbox.JUMP_AT_LEAST, sandbox.JUMP_ANY_BIT):
            assert place + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1] == (sandbox.RETURN, 0, 0, sandbox.ALLOW)
    column = list(sandbox.ARCHITECTURES).index(machine)
    numbers = [pair[column] for pair in (*sandbox.DENIED.values(), *sandbox.UNKNOWN.values())]
    known = [number for number in numbers if number is not None]
    assert len(known) == len({*known})
    assert sandbox.filter_for("riscv64", 4242) == []


def test_processes_that_compute_are_told_no_secret() -> None:
    told = {
        "PATH": "/usr/bin",
        "LC_ALL": "C",
        "OMP_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "LENDFACE_SECRET": "x",
        "LENDFACE_DATABASE_URL": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PGPASSWORD": "x",
        "DBOS__CONDUCTOR_KEY": "x",
        "GITHUB_TOKEN": "x",
        "SSH_AUTH_SOCK": "x",
    }
    plain = environment.plain(told)
    assert {*plain} == {"PATH", "LC_ALL", "OMP_NUM_THREADS", "ORT_DISABLE_TELEMETRY"}
    assert json.dumps(plain).count('"x"') == 0
