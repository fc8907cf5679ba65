"""The disk that holds everything, the database too, is full for a while."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from lendface.storage.tables import uploads
from system.backstage import Backstage, backstage
from system.conftest import Admit
from system.proofs import content_of
from system.servers import Server, serving, until
from system.visitors import Visitor

pytestmark = pytest.mark.services

MIB = 1 << 20


class Disk(Protocol):
    folder: Path
    codes: frozenset[str]  # of the errors that tell it

    def fill(self, server: Server, left: int = 0) -> None:
        """So that ``left`` bytes can be written, or hardly any."""
        ...

    def free(self, server: Server) -> None: ...


@dataclass
class SmallDisk:
    """A file system of its own, in memory, with a file that takes all the room."""

    folder: Path
    codes: frozenset[str] = frozenset({"disk_full"})

    def fill(self, server: Server, left: int = 0) -> None:
        with self.balloon.open("ab", buffering=0) as balloon:
            while (room := self.room() - left) > 0:
                try:
                    balloon.write(b"\0" * min(room, MIB))
                except OSError:  # somebody else was faster
                    return

    def free(self, server: Server) -> None:
        self.balloon.unlink()

    def room(self) -> int:
        facts = os.statvfs(self.folder)
        return facts.f_bavail * facts.f_bsize

    @property
    def balloon(self) -> Path:
        return self.folder / "balloon"


@dataclass
class NoGrowth:
    """Where nothing can be mounted: no file of the server's processes may grow any more. SQLite
    takes this for a broken disk."""

    folder: Path
    codes: frozenset[str] = frozenset({"disk_full", "database_unavailable"})
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)

    def fill(self, server: Server, left: int = 0) -> None:
        for pid in server.processes().values():
            self.limits[pid] = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (left, self.limits[pid][1]))

    def free(self, server: Server) -> None:
        for pid in server.processes().values():
            if pid in self.limits:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, self.limits[pid])


@contextmanager
def mounted(folder: Path) -> Iterator[SmallDisk]:
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(folder)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["mounted", "limited"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    if request.param == "limited":
        yield NoGrowth(tmp_path)
        return
    with mounted(tmp_path / "disk") as disk:
        yield disk


def test_work_stops_while_the_disk_is_full_and_goes_on_when_it_is_not(
    disk: Disk, admit: Admit, film: Path, photo: Path
) -> None:
    with serving(disk.folder / "data") as server, backstage(server) as back:
        visitor = admit(back)
        target, source = visitor.upload(film), visitor.upload(photo)
        first = visitor.succeeded(visitor.swap(target, source)["id"])["id"]
        link = visitor.declare("film.mp4", film.stat().st_size)["upload"]
        job = visitor.swap(target, source)["id"]
        back.until_task(job, "chunk/1")
        disk.fill(server)
        answers = [
            visitor.send(link, film.read_bytes()),
            visitor.http.post("/v1/uploads", json=NEW_FILE),
            visitor.http.post("/v1/swaps", json=visitor.swap_body(target, source)),
        ]
        assert {answer.json()["code"] for answer in answers} <= disk.codes
        until(lambda: visitor.http.get("/readyz").json()["files"] == "disk_full")
        assert visitor.http.get("/v1/jobs").status_code == 200
        disk.free(server)
        until(lambda: visitor.http.get("/readyz").status_code == 200)
        visitor.send(link, film.read_bytes()).raise_for_status()
        goes_on(visitor, job)
        assert content_of(visitor.result(job)) == content_of(visitor.result(first))
        assert back.charges(job) == [("charge", -1)]
        is_clean(back)


NEW_FILE = {"name": "a.mp4", "content_type": "video/mp4", "size": 1000}


def test_a_job_for_whose_files_there_is_no_room_ends_and_takes_none(
    tmp_path: Path, admit: Admit, film: Path, photo: Path
) -> None:
    """The database lies elsewhere."""
    with (
        mounted(tmp_path / "disk") as disk,
        serving(
            tmp_path / "data", blobs_url=str(disk.folder / "kept"), scratch=str(disk.folder / "own")
        ) as server,
        backstage(server) as back,
    ):
        visitor = admit(back)
        target, source = visitor.upload(film), visitor.upload(photo)
        disk.fill(server, left=MIB // 4)
        link = visitor.declare("film.mp4", film.stat().st_size)["upload"]
        assert visitor.send(link, film.read_bytes()).json()["code"] == "disk_full"
        job = visitor.swap(target, source)["id"]
        assert visitor.failed(job) == "disk_full"
        assert (back.results(job), back.charges(job)) == ([], [])
        is_clean(back)
        disk.free(server)
        goes_on(visitor, job)
        visitor.send(link, film.read_bytes()).raise_for_status()
        assert back.charges(job) == [("charge", -1)]


def goes_on(visitor: Visitor, job: str) -> None:
    """It went on by itself, or was ended and does when it is tried again."""
    ended = visitor.ended(job)
    if ended["state"] == "failed":
        assert ended["error"]["code"] == "disk_full", (ended, visitor.server.story())
        visitor.post(f"/v1/jobs/{job}/retry")
    visitor.succeeded(job)


def is_clean(back: Backstage) -> None:
    """Nothing half-written is left, and each file that is said to be here is here in full."""
    until(lambda: back.temporary() == [], story=back.temporary)
    for row in back.rows(uploads, uploads.c.state == "ready"):
        assert (back.blobs / row["blob_key"]).stat().st_size == row["size"]
