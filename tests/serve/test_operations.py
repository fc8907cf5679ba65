"""What docs/operations.md promises to those who run a server."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lendface.serve.asgi import build_app
from lendface.serve.building import Built, build_office, prepare
from lendface.serve.connections import ConnectionLimits, Connections
from lendface.serve.metrics import RequestMetrics
from lendface.service.clients import create_client
from lendface.service.jobs import Wish, submit
from lendface.service.requests import ScanJob
from lendface.service.uploads import Declared, declare, mark_ready
from lendface.settings import load_settings
from lendface.storage.tables import jobs

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
TEXT = PAGE.read_text(encoding="utf-8")


@contextmanager
def running(folder: Path) -> Iterator[Built]:
    built = build_office(load_settings(data=folder, secret="c2VjcmV0" * 8))
    try:
        prepare(built)
        yield built
    finally:
        built.close()


def nobody_yet() -> Connections:
    return Connections(ConnectionLimits(16, 16), lambda: 0.0)


def add_job(built: Built, name: str) -> str:
    office = built.office
    client = create_client(office, name)
    row, _ = declare(office, client.client_id, Declared("film.mp4", "video/mp4", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_ready(office, row, 4, None)
    return submit(office, client.client_id, ScanJob(row["id"]), Wish())["id"]


def job_ids(built: Built) -> set[str]:
    with built.office.database.reading() as connection:
        return {*connection.execute(sa.select(jobs.c.id)).scalars()}


def test_a_backup_made_as_told_while_all_runs_brings_jobs_and_their_place_in_the_queue(
    tmp_path: Path,
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    there.mkdir()
    [program] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    program = program.replace("/var/lib/lendface", str(here)).replace("/backup", str(there))
    with running(here) as built:
        before = add_job(built, "before")
        subprocess.run([sys.executable, "-c", program], check=True)
        add_job(built, "after")
    with running(there) as built:
        assert job_ids(built) == {before}
        assert built.durable.is_at(before, 1)
        assert built.durable.depth_by_queue()["jobs"] == 1


def test_the_page_tells_every_metric_and_no_other(tmp_path: Path) -> None:
    with running(tmp_path) as built:
        counted = build_app(built, connections=nobody_yet())
        assert isinstance(counted, RequestMetrics)
        text = generate_latest(counted.registry).decode()
    known = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if family.name.startswith("lendface_")
    }
    rows = re.findall(r"^\| (`lendface_.*?) \| (?:gauge|counter|histogram) \|", TEXT, re.MULTILINE)
    told: set[str] = set()
    for row in rows:
        names = re.findall(r"`(\w+)(?:\{.*?\})?`", row)
        told |= {names[0], *(names[0].replace("_waiting", name) for name in names[1:])}
    assert told == known


def test_the_page_links_to_what_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)", TEXT):
        if not target.startswith("https://"):
            assert (PAGE.parent / target).exists(), target
    for name in re.findall(
        r"`((?:docker-compose|kubernetes|systemd|proxy|prometheus)[\w./-]*)`", TEXT
    ):
        assert (PAGE.parents[1] / "deploy" / name).exists(), name
