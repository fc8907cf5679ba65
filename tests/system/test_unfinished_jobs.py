"""Jobs that end before they are done: cancelled, deleted, too slow, or deadly to their worker."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from people import read_person, swaying, write_film
from system.backstage import Backstage, backstage, until_seen
from system.conftest import Admit
from system.proofs import is_film_of
from system.receivers import Receiver
from system.servers import halt, kill, serving
from system.visitors import Visitor

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def ten_chunks(films: Path) -> Path:
    """Ten seconds; a second is a chunk."""
    frames = swaying(read_person("P005", side_px=160), 25, reach_px=3)
    return write_film(films / "ten.mp4", frames * 8, with_tone=True)


def free_again(visitor: Visitor, picture: Path) -> None:
    """The one worker does the next job."""
    visitor.succeeded(visitor.scan(picture)["id"])


@pytest.mark.parametrize("stage", ["scan", "render"])
def test_a_cancelled_job_gives_its_worker_free(
    visitor: Visitor,
    back: Backstage,
    receiver: Receiver,
    long_film: Path,
    ten_chunks: Path,
    photo: Path,
    picture: Path,
    stage: str,
) -> None:
    target = long_film if stage == "scan" else ten_chunks
    job = visitor.swap(target, photo, webhook_url=f"{receiver.url}/told")["id"]
    back.until_task(job, {"scan": "scan", "render": "chunk/1"}[stage])
    told = visitor.post(f"/v1/jobs/{job}/cancel")
    assert (told["state"], told["stage"], told["eta_s"]) == ("cancelled", "cancelled", None)
    free_again(visitor, picture)
    left = back.tasks(job)
    assert left["scan"]["state"] != "done" if stage == "scan" else "join" not in left
    assert visitor.post(f"/v1/jobs/{job}/cancel")["state"] == "cancelled"
    assert back.charges(job) == []
    assert visitor.get("/v1/usage") | {"granted": 0, "left": 0} == {
        **dict.fromkeys(("granted", "left", "used", "held"), 0)
    }
    assert visitor.http.get(f"/v1/jobs/{job}/result").json()["code"] == "result_not_ready"
    assert {letter.id for letter in receiver.until_told()} == {f"msg_{job}_1_cancelled"}


def test_a_job_tried_again_goes_on_where_it_was(
    visitor: Visitor,
    back: Backstage,
    ten_chunks: Path,
    photo: Path,
    picture: Path,
    tmp_path: Path,
) -> None:
    job = visitor.swap(ten_chunks, photo)["id"]
    back.until_task(job, "chunk/3")
    visitor.post(f"/v1/jobs/{job}/cancel")
    free_again(visitor, picture)
    had = {key: (back.blobs / key).stat() for key in back.chunks(job)}
    assert len(had) >= 3
    assert visitor.post(f"/v1/jobs/{job}/retry")["run"] == 2
    done = visitor.succeeded(job)
    assert (done["run"], done["error"]) == (2, None)
    frames = {name: row["frames_done"] for name, row in back.tasks(job, run=2).items()}
    chunks = sorted((n for n in frames if n.startswith("chunk")), key=lambda n: int(n[6:]))
    assert [frames[name] for name in chunks[: len(had)]] == [0] * len(had)
    assert all(frames[name] for name in chunks[len(had) :])
    assert frames["scan"] == 0
    for path, facts in had.items():
        now = (back.blobs / path).stat()
        assert (now.st_ino, now.st_mtime_ns) == (facts.st_ino, facts.st_mtime_ns)
    result = tmp_path / "result.mp4"
    result.write_bytes(visitor.result(job))
    is_film_of(result, ten_chunks)
    assert back.charges(job) == [("charge", -2)]


@pytest.mark.parametrize("stage", ["scan", "chunk/1", "join"])
def test_a_job_that_is_deleted_while_it_runs_leaves_nothing(
    visitor: Visitor,
    back: Backstage,
    ten_chunks: Path,
    photo: Path,
    picture: Path,
    stage: str,
) -> None:
    """The worker is stopped in the middle of it, and goes on when the job is gone."""
    worker = back.server.workers()["cpu-0"]

    def stop_in_the_middle() -> str:
        job = visitor.swap(ten_chunks, photo)["id"]
        back.at_task(job, stage, lambda: halt(worker))
        return job

    job = until_seen(stop_in_the_middle)
    try:
        visitor.delete(f"/v1/jobs/{job}")
    finally:
        kill(worker, signal.SIGCONT)
    assert visitor.http.get(f"/v1/swaps/{job}").status_code == 404
    free_again(visitor, picture)
    assert back.charges(job) == []
    assert back.results(job) == []
    assert back.chunks(job) == []


def test_a_job_that_takes_too_long_is_ended(
    tmp_path: Path, admit: Admit, long_film: Path, photo: Path, picture: Path
) -> None:
    with serving(tmp_path / "data", job_timeout_s="10") as server, backstage(server) as back:
        visitor = admit(back)
        job = visitor.swap(long_film, photo)["id"]
        assert visitor.failed(job) == "job_timeout"
        free_again(visitor, picture)
        assert back.charges(job) == []


POISON = b"this film ends its reader"
HOOK = f'''
"""Ends a worker that opens a poisoned file."""
import os, sys

def look(event, args):
    global busy
    if event == "open" and not busy and "/uploads/" in str(args[0]) and os.path.isfile(args[0]):
        busy = True
        file = os.open(args[0], os.O_RDONLY)
        if {POISON!r} in os.read(file, 1 << 20):
            os.abort()
        os.close(file)
        busy = False

busy = False
if "work" in sys.orig_argv:
    sys.addaudithook(look)
'''


def test_a_file_that_ends_every_worker_fails_its_job_and_no_other(
    tmp_path: Path, admit: Admit, film: Path, picture: Path, photo: Path
) -> None:
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    hook = {"PYTHONPATH": str(tmp_path / "hook")}
    with serving(tmp_path / "data", variables=hook) as server, backstage(server) as back:
        visitor = admit(back)
        target = visitor.upload_bytes("poison.mp4", film.read_bytes() + POISON)
        bad = visitor.swap(target, photo)["id"]
        good = visitor.swap(picture, photo)["id"]
        serve = server.processes()["serve"]
        assert visitor.failed(bad) == "worker_died"
        assert back.tasks(bad)["probe"]["attempts"] >= 3
        visitor.succeeded(good)
        free_again(visitor, picture)
        assert server.processes()["serve"] == serve
        assert (back.charges(bad), back.charges(good)) == ([], [("charge", -1)])
