"""Processes are killed as the kernel does it, at every stage; nothing is lost or doubled."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from system.backstage import Backstage, backstage, until_seen
from system.conftest import Admit
from system.proofs import content_of
from system.receivers import Receiver, receiving
from system.servers import (
    READY_S,
    Server,
    children,
    open_files,
    run_lendface,
    serving,
    until,
)
from system.visitors import Visitor, new_visitor

pytestmark = pytest.mark.services

VICTIMS_BY_STAGE = {
    "fetch": ("control", "serve", "everything"),
    "probe": ("quick", "serve", "everything"),
    "scan": ("cpu-0", "control", "serve", "everything"),
    "render": ("cpu-0", "control", "serve", "everything"),
    "join": ("cpu-0", "control", "serve", "everything"),
    "finish": ("control", "serve", "everything"),
}
PLACES = [(stage, victim) for stage, victims in VICTIMS_BY_STAGE.items() for victim in victims]
NUMBERS = count(1)

JOBS, DEATHS = 30, 10
ANYBODY = ("control", "quick", "cpu-0", "cpu-1", "serve", "everything")


@dataclass(frozen=True, eq=False)
class Site:
    """A server with a film to fetch, and what becomes of it when nobody is killed."""

    server: Server
    back: Backstage
    receiver: Receiver
    photo: Path
    right: object  # what its result holds

    def submit(self, visitor: Visitor, number: int = 0) -> str:
        """Every job of a stage fetches from an address of its own."""
        film = f"/film/{number}"
        self.receiver.files[film] = self.receiver.files["/film"]
        told = f"{self.receiver.url}/told/{visitor.client.client_id}"
        return visitor.swap(f"{self.receiver.url}{film}", self.photo, webhook_url=told)["id"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, film: Path, photo: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site") / "data"
    with receiving() as receiver, serving(folder) as server, backstage(server) as back:
        receiver.files["/film"] = film.read_bytes()
        site = Site(server, back, receiver, photo, b"")
        visitor = new_visitor(server, back.settings)
        right = content_of(visitor.result(visitor.succeeded(site.submit(visitor))["id"]))
        visitor.close()
        yield Site(server, back, receiver, photo, right)


def kill_at(site: Site, visitor: Visitor, stage: str, victim: str) -> list[str]:
    """Jobs; in the middle of a stage of the last one processes were killed. Of those before it, if
    there are any, nobody saw the stage."""
    jobs = []

    def attempt() -> None:
        number = next(NUMBERS)
        gate = site.receiver.hold(f"/film/{number}")
        jobs.append(site.submit(visitor, number))
        site.receiver.until_asked(f"/film/{number}")
        if stage != "fetch":
            gate.set()
        if stage == "render":
            site.back.until_task(jobs[-1], "chunk/1")
        site.back.at_stage(jobs[-1], stage, lambda: kill(site.server, victim))
        gate.set()

    until_seen(attempt)
    return jobs


def kill(server: Server, victim: str) -> None:
    match victim:
        case "everything":
            server.kill_all()
        case "serve":
            server.kill()
        case worker:
            server.kill_worker(worker)


def revive(server: Server, victim: str) -> None:
    """Start again what nobody else starts."""
    if victim in ("everything", "serve"):
        until(lambda: not server.workers(), story=server.story)  # they notice that they are alone
        server.start()


@pytest.mark.parametrize(("stage", "victim"), PLACES)
def test_a_job_survives(site: Site, admit: Admit, stage: str, victim: str) -> None:
    visitor = admit(site.back)
    jobs = kill_at(site, visitor, stage, victim)
    revive(site.server, victim)
    for job in jobs:
        visitor.succeeded(job)
    ended_right(site.back, site.receiver, visitor, dict.fromkeys(jobs, site.right))


def test_a_server_that_is_told_to_stop_ends_what_it_began(site: Site, admit: Admit) -> None:
    """The chunk that runs is rendered to its end, and none is begun twice."""
    visitor = admit(site.back)
    job = site.submit(visitor)
    site.back.until_task(job, "chunk/1")
    assert site.server.stop() == 0
    assert not site.server.workers()
    rows = site.back.tasks(job)
    assert {row["state"] for row in rows.values()} == {"done"}
    site.server.start()
    visitor.succeeded(job)
    assert {row["attempts"] for row in site.back.tasks(job).values()} == {1}
    ended_right(site.back, site.receiver, visitor, {job: site.right})


def test_a_second_worker_of_a_name_is_refused_and_disturbs_nobody(site: Site, admit: Admit) -> None:
    visitor = admit(site.back)
    job = site.submit(visitor)
    site.back.until_task(job, "chunk/0")
    words = ("work", "--queue", "cpu", "--executor", "local-cpu-0")
    second = run_lendface(*words, told=site.server.environment, log=site.server.log)
    assert second.wait(READY_S) != 0
    assert "[executor_taken]" in site.server.story()
    visitor.succeeded(job)
    assert {row["attempts"] for row in site.back.tasks(job).values()} == {1}
    ended_right(site.back, site.receiver, visitor, {job: site.right})


def ended_right(
    back: Backstage,
    receiver: Receiver,
    visitor: Visitor,
    right: dict[str, object],
    before: int = 0,
) -> None:
    """Each job has its one result, was paid for once and told of once, and left nothing else.

    ``before`` is how many units were used for others.
    """
    for job, content in right.items():
        assert content_of(visitor.result(job)) == content
        assert len(back.results(job)) == 1
        assert back.charges(job) == [("charge", -1)]
        until(lambda of=job: [row["state"] for row in back.deliveries(of)] == ["delivered"])
        told = [letter.id for letter in receiver.letters if job in letter.id]
        assert set(told) == {f"msg_{job}_1_succeeded"}
    assert visitor.used_units() == before + len(right)
    assert visitor.get("/v1/usage")["held"] == 0
    back.clean_up()
    assert [back.chunks(job) for job in right] == [[] for _ in right]
    until(lambda: back.temporary() == [], story=back.temporary)  # when all workers are back


@pytest.mark.parametrize("seed", [1])
def test_jobs_survive_while_anything_dies_at_random(
    seed: int, admit: Admit, film: Path, picture: Path, photo: Path, tmp_path: Path
) -> None:
    chance = random.Random(seed)
    with (
        receiving() as receiver,
        serving(tmp_path / "data", workers="2", max_running="8") as server,
        backstage(server) as back,
    ):
        receiver.files["/film"] = film.read_bytes()
        visitor = admit(back)
        source = visitor.upload(photo)
        targets = [f"{receiver.url}/film", visitor.upload(picture)]
        right = {
            target: content_of(visitor.result(visitor.succeeded(job)["id"]))
            for target, job in [(t, visitor.swap(t, source)["id"]) for t in targets]
        }
        before = {name: open_files(pid) for name, pid in server.processes().items()}
        target_by_job = {
            visitor.swap(target, source, webhook_url=f"{receiver.url}/told")["id"]: target
            for target in chance.choices(targets, weights=[1, 3], k=JOBS)
        }
        for _ in range(DEATHS):
            victim = chance.choice(ANYBODY)
            back.in_the_moment(partial(may_die, victim=victim), partial(kill, server, victim))
            revive(server, victim)
            threading.Event().wait(chance.uniform(0.1, 2))
        for job in target_by_job:
            visitor.succeeded(job)
        wanted = {job: right[target] for job, target in target_by_job.items()}
        ended_right(back, receiver, visitor, wanted, before=len(targets))
        leaves_nothing_open(server, before)


def may_die(connection: Any, victim: str) -> bool:
    """Not what is at a task for the third time: then the job would end too, and rightly."""
    who = f"local-{victim}" if victim not in ("serve", "everything") else "%"
    query = (
        "SELECT count(*) FROM tasks JOIN jobs ON jobs.id = tasks.job_id AND jobs.run = tasks.run "
        "WHERE tasks.state = 'running' AND attempts > 2 AND executor LIKE ? "
        "AND jobs.state IN ('queued', 'running')"
    )
    return not connection.execute(query, (who,)).fetchone()[0]


# Sockets and pipes that a process needs for work and had not opened before it. Thirty jobs that
# leak would keep more open.
KEPT_OPEN = 15


def leaves_nothing_open(server: Server, before: dict[str, list[str]]) -> None:
    """Neither files nor children that nobody buried."""
    until(lambda: set(server.processes()) == set(before), story=server.story)
    now = server.processes()

    def is_as_before() -> bool:
        return all(len(open_files(now[name])) <= len(before[name]) + KEPT_OPEN for name in now)

    def what_is_open() -> str:
        return repr({name: open_files(pid) for name, pid in now.items()})

    until(is_as_before, story=what_is_open)
    dead = [state for pid in now.values() for state in children(pid).values() if state == "Z"]
    assert dead == []
