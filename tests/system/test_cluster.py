"""Several machines: PostgreSQL, a bucket, an API without workers, and workers elsewhere."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lendface.pipeline.parts import Parts
from lendface.storage.tables import clients, jobs, ledger
from lendface.trust.certificates import keep_chain
from lendface.trust.verify import verify
from people import read_person, swaying, write_film
from services.postgres import PostgresServer
from services.rgw import Ceph
from system.backstage import Backstage, backstage
from system.conftest import Admit
from system.proofs import content_of, is_film_of, looks_like, saved
from system.receivers import Receiver, receiving
from system.servers import READY_S, Server, environment, run_lendface, serving, until
from system.visitors import Visitor

pytestmark = pytest.mark.services

CREW = {
    "control-1": "control",
    "quick-1": "quick",
    "render-1": "cpu",
    "render-2": "cpu",
}


@dataclass(eq=False)
class Cluster:
    """Every process has a data folder of its own, as if on a machine of its own."""

    folder: Path
    told: dict[str, str]
    server: Server
    back: Backstage
    receiver: Receiver
    right: bytes = b""
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        own = {"LENDFACE_DATA": str(self.folder / name)}
        words = ("work", "--queue", CREW[name], "--executor", name)
        self.workers[name] = run_lendface(
            *words, told=environment({**self.told, **own}), log=self.server.log
        )

    def until_ready(self) -> None:
        until(lambda: set(self.back.workers()) == set(self.workers), READY_S, self.server.story)

    def close(self) -> None:
        for process in self.workers.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def film_of_chunks(films: Path) -> Path:
    """Four seconds, in eight chunks."""
    frames = swaying(read_person("P005", side_px=160), 25, reach_px=3)
    return write_film(films / "chunks.mp4", frames * 4, with_tone=True)


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, ceph: Ceph
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    keep_chain(folder / "c2pa", datetime.now(UTC))
    settings = {
        "database_url": postgres.new_database(),
        "blobs_url": ceph.server.url(ceph.server.new_bucket()),
        "s3_access_key": ceph.server.keys["access_key"],
        "s3_secret_key": ceph.server.keys["secret_key"],
        "secret": secret,
        "c2pa_cert": str(folder / "c2pa" / "chain.pem"),
        "c2pa_key": str(folder / "c2pa" / "key.pem"),
        "poll_s": "0.2",
    }
    with (
        receiving() as receiver,
        serving(folder / "api", ["--no-workers"], **settings) as server,
        backstage(server) as back,
        ExitStack() as ends,
    ):
        told = {n: v for n, v in server.environment.items() if n.startswith("LENDFACE_")}
        cluster = Cluster(folder, told, server, back, receiver)
        ends.callback(cluster.close)
        for name in CREW:
            cluster.start(name)
        cluster.until_ready()
        yield cluster


@contextmanager
def in_the_middle(cluster: Cluster, visitor: Visitor, target: str, source: str) -> Iterator[str]:
    """A job of which some chunks are done and some are not; afterwards it has ended right."""
    told = f"{cluster.receiver.url}/told"
    job = visitor.swap(target, source, webhook_url=told)["id"]
    cluster.back.until_task(job, "chunk/2", "done")
    yield job
    ended = visitor.ended(job)
    if ended["state"] == "failed":
        assert ended["error"]["code"] in ("storage_unavailable", "database_unavailable")
        visitor.post(f"/v1/jobs/{job}/retry")
    visitor.succeeded(job)
    assert content_of(visitor.result_from_bucket(job)) == content_of(cluster.right)
    assert cluster.back.charges(job) == [("charge", -1)]
    letters = [letter.id for letter in cluster.receiver.until_told() if job in letter.id]
    until(lambda: {row["state"] for row in cluster.back.deliveries(job)} == {"delivered"})
    assert set(letters) <= {row["id"] for row in cluster.back.deliveries(job)}


@pytest.fixture
def visitor(cluster: Cluster, admit: Admit) -> Visitor:
    return admit(cluster.back)


def test_files_go_straight_to_the_bucket_and_come_from_it(
    cluster: Cluster,
    ceph: Ceph,
    visitor: Visitor,
    film_of_chunks: Path,
    photo: Path,
    parts: Parts,
    tmp_path: Path,
) -> None:
    made = visitor.declare(film_of_chunks.name, film_of_chunks.stat().st_size)
    link = made["upload"]
    assert link["url"].startswith(ceph.server.endpoint)
    wrong = link | {"headers": link["headers"] | WRONG_LENGTH}
    too_much = visitor.send(wrong, bytes(10))
    assert too_much.status_code == 403
    visitor.send(link, film_of_chunks.read_bytes()).raise_for_status()
    job = visitor.succeeded(visitor.swap(made["id"], visitor.upload(photo))["id"])
    answer = visitor.http.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status_code == 307
    assert answer.headers["location"].startswith(ceph.server.endpoint)
    head = visitor.http.head(f"/v1/jobs/{job['id']}/result")
    assert (head.status_code, head.headers["content-length"]) == (200, str(job["result"]["size"]))
    cluster.right = visitor.result_from_bucket(job["id"])
    result = saved(cluster.right, tmp_path / "result.mp4")
    is_film_of(result, film_of_chunks)
    looks_like(result, film_of_chunks, photo, parts)
    root = (cluster.folder / "c2pa" / "root.pem").read_text()  # whichever machine signed it
    assert verify(result, anchors=[root]).state == "trusted"
    rendered = {row["executor"] for name, row in cluster.back.tasks(job["id"]).items()
                if name.startswith("chunk")}  # fmt: skip
    assert rendered == {"render-1", "render-2"}


WRONG_LENGTH = {"Content-Length": "10"}


def test_the_database_goes_away_in_the_middle(
    cluster: Cluster, postgres: PostgresServer, visitor: Visitor, film_of_chunks: Path, photo: Path
) -> None:
    target, source = visitor.upload(film_of_chunks), visitor.upload(photo)
    with in_the_middle(cluster, visitor, target, source):
        postgres.stop()
        try:
            refused = visitor.http.get("/v1/jobs")
            assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
            until(lambda: visitor.http.get("/readyz").status_code == 503)
            assert visitor.http.get("/healthz").status_code == 200
        finally:
            postgres.start()
    until(lambda: visitor.http.get("/readyz").status_code == 200)
    assert all(process.poll() is None for process in cluster.workers.values())


def test_the_bucket_goes_away_in_the_middle(
    cluster: Cluster, ceph: Ceph, visitor: Visitor, film_of_chunks: Path, photo: Path
) -> None:
    target, source = visitor.upload(film_of_chunks), visitor.upload(photo)
    done = visitor.succeeded(visitor.swap(source, source)["id"])["id"]
    with in_the_middle(cluster, visitor, target, source):
        ceph.stop_gateway()
        try:
            refused = visitor.http.get(f"/v1/jobs/{done}/result")
            assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
            until(lambda: visitor.http.get("/readyz").status_code == 503)
        finally:
            ceph.start_gateway()
    assert all(process.poll() is None for process in cluster.workers.values())


def test_a_machine_that_is_gone_for_good_is_not_missed(
    cluster: Cluster, visitor: Visitor, film_of_chunks: Path, photo: Path
) -> None:
    target, source = visitor.upload(film_of_chunks), visitor.upload(photo)
    with in_the_middle(cluster, visitor, target, source) as job:
        until(lambda: any(row["executor"] == "render-2" and row["state"] == "running"
                          for row in cluster.back.tasks(job).values()))  # fmt: skip
        cluster.workers["render-2"].kill()
        cluster.workers.pop("render-2").wait()
    left = [row["executor"] for row in cluster.back.tasks(job).values()]
    assert left.count("render-1") > 1


def test_all_is_accounted_for(cluster: Cluster) -> None:
    """Runs last."""
    swaps = cluster.back.rows(jobs, jobs.c.kind == "swap")
    assert {row["state"] for row in swaps} == {"succeeded"}
    charged = cluster.back.rows(ledger)
    assert {row["reason"] for row in charged} == {"charge"}
    assert sorted(row["job_id"] for row in charged) == sorted(row["id"] for row in swaps)
    assert len(cluster.back.rows(clients)) == 5  # with the first one of every server
    office = cluster.back.built.office
    cluster.back.clean_up()
    assert list(office.blobs.list("work")) == []
    assert len(list(office.blobs.list("results"))) == len(swaps)
