"""Ceph's S3 gateway on loopback, in memory: a real S3 server that checks signatures.

One monitor, one object daemon and one gateway, from Debian's ``radosgw ceph-mon ceph-osd``. All is
gone when it stops.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .s3_server import S3Server

PROGRAMS = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
READY_WITHIN_S = 300
LOOK_EVERY_S = 0.2
KEYS = ("rgw-access", "rgw-secret-of-the-tests")

# The daemon does not place itself: it may ask before it knows whom, and then give up.
CONF = """
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon_port}]
auth cluster required = none
auth service required = none
auth client required = none
ms bind msgr2 = false
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
run dir = {root}
log file = {root}/$name.log
pid file =
admin socket =
keyring = {root}/keyring
mon data = {root}/mon
mon data avail warn = 1
mon data avail crit = 1
mon allow pool size one = true
osd data = {root}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class update on start = false
osd crush update on start = false
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
rgw data = {root}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port}
"""


class Ceph:
    """The daemons of one little cluster."""

    def __init__(self, root: Path) -> None:
        self._root, self._port, self._mon_port = root, free_port(), free_port()
        self._fsid = str(uuid.uuid4())
        self._running: list[subprocess.Popen[bytes]] = []
        for name in ("mon", "osd", "rgw"):
            (root / name).mkdir()
        (root / "keyring").touch()
        values = {"fsid": self._fsid, "root": root, "port": self._port, "mon_port": self._mon_port}
        (root / "ceph.conf").write_text(CONF.format(**values), encoding="utf-8")

        self.server = S3Server(f"http://127.0.0.1:{self._port}", *KEYS)

    def start(self) -> None:
        self._start_monitor()
        self._start_object_daemon()
        self.start_gateway()
        keys = (f"--access-key={KEYS[0]}", f"--secret={KEYS[1]}")
        self._run("radosgw-admin", "user", "create", "--uid=t", "--display-name=t", *keys)

    def start_gateway(self) -> None:
        """Waits until it answers. What was kept before is still there."""
        self._gateway = self._start("radosgw", "-f", "-n", "client.rgw")
        self._wait_for(self.server.endpoint, self._gateway)

    def stop_gateway(self) -> None:
        """Nobody answers there any more."""
        self._gateway.kill()
        self._gateway.wait()

    def stop(self) -> None:
        """At once: the object daemon does not end when asked, and nothing is worth keeping."""
        for process in reversed(self._running):
            process.kill()
            process.wait()

    def _start_monitor(self) -> None:
        address, monmap = f"[v1:127.0.0.1:{self._mon_port}]", str(self._root / "monmap")
        make = ["monmaptool", "--create", "--addv", "a", address, "--fsid", self._fsid, monmap]
        self._call(make)
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap)
        self._start("ceph-mon", "-f", "-i", "a")

    def _start_object_daemon(self) -> None:
        osd = str(uuid.uuid4())
        self._run("ceph", "--connect-timeout", "60", "osd", "new", osd, "0")
        self._run("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=here")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._start("ceph-osd", "-f", "-i", "0")

    def _start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        with (self._root / f"{program}.out").open("wb") as said:
            process = subprocess.Popen(
                self._words(program, words), stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        self._running.append(process)
        return process

    def _run(self, program: str, *words: str) -> None:
        self._call(self._words(program, words))

    def _call(self, words: Sequence[str]) -> None:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=READY_WITHIN_S,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stderr.decode(errors='replace')}")

    def _words(self, program: str, words: Sequence[str]) -> list[str]:
        return [program, "-c", str(self._root / "ceph.conf"), *words]

    def _wait_for(self, endpoint: str, gateway: subprocess.Popen[bytes]) -> None:
        """Until the gateway answers; it makes its pools first."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not answers(endpoint):
            try:
                gateway.wait(LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() < deadline:
                    continue
            said = "".join(path.read_text() for path in sorted(self._root.glob("*.out")))
            raise RuntimeError(f"the gateway does not come up: {said}")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status == 200
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_ceph() -> Iterator[Ceph]:
    with tempfile.TemporaryDirectory(prefix="rgw-") as folder:
        ceph = Ceph(Path(folder))
        try:
            ceph.start()
            yield ceph
        finally:
            ceph.stop()


@pytest.fixture(scope="session")
def ceph() -> Iterator[Ceph]:
    """Started once per test process. Without Ceph the test is skipped, but never in CI."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        refuse = pytest.fail if os.environ.get("CI") else pytest.skip
        refuse(f"not installed: {', '.join(missing)} (Debian: radosgw ceph-mon ceph-osd)")
    with run_ceph() as ceph:
        yield ceph


@pytest.fixture(scope="session")
def rgw(ceph: Ceph) -> S3Server:
    return ceph.server
