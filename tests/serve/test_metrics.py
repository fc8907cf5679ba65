"""What Prometheus is told, read back by its own parser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from desks import Clock
from lendface.serve.asgi import build_app
from lendface.serve.building import Built, build_office, prepare
from lendface.serve.census import Census
from lendface.serve.connections import ConnectionLimits, Connections
from lendface.serve.metrics import ConnectionMetrics, RequestMetrics, new_registry
from lendface.service.clients import create_client
from lendface.service.office import Office
from lendface.settings import load_settings
from lendface.storage.database import Database
from lendface.storage.tables import jobs

HOUR_MS = 3600 * 1000
CLIENT = "c" * 16

Samples = Mapping[tuple[str, str], float]  # (name, labels as they are written) -> value


@dataclass(eq=False)
class Line:
    """A connection, as far as it is counted."""

    is_closing: bool = False
    unsent: int = 0

    def drop(self) -> None:
        pass


@contextmanager
def building(folder: Path, **settings: str) -> Iterator[Built]:
    built = build_office(load_settings(data=folder, secret="c2VjcmV0" * 8, **settings))
    try:
        prepare(built)
        insert(built.office, "clients", id=CLIENT, name="me", scopes=[], webhook_secret="")
        yield built
    finally:
        built.close()


@pytest.fixture
def built(tmp_path: Path) -> Iterator[Built]:
    with building(tmp_path) as built:
        yield built


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(built: Built, clock: Clock) -> Office:
    return replace(built.office, now_ms=clock)


@pytest.fixture
def look(office: Office) -> Callable[[], Samples]:
    """One process that began just now, and what it says whenever it is asked."""
    return looker(office)


def looker(office: Office, **folders: Path) -> Callable[[], Samples]:
    registry = CollectorRegistry()
    registry.register(Census(office, folders))
    return lambda: read(generate_latest(registry).decode())


def read(text: str) -> Samples:
    found = {}
    for family in read_plain(text):
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            assert (sample.name, labels) not in found
            found[sample.name, labels] = sample.value
    return found


def insert(office: Office, table: str, **values: Any) -> None:
    metadata = jobs.metadata.tables[table]
    if "created_ms" in metadata.c:
        values = {"created_ms": office.now_ms(), **values}
    with office.database.writing() as connection:
        connection.execute(metadata.insert().values(**values))


def add_job(office: Office, job_id: str, **values: Any) -> None:
    given = {
        "state": "queued",
        "kind": "swap",
        "api": "native",
        "expires_ms": office.now_ms() + HOUR_MS,
        **values,
    }
    plain = {"request": {}, "notes": {}, "facts": {}, "request_hash": "", "priority": 50}
    rest = {"client_id": CLIENT, "stage": "queued", "run": 1, "changed_ms": office.now_ms()}
    insert(office, "jobs", id=job_id, **plain, **{**rest, **given})


def end_job(office: Office, job_id: str, state: str = "succeeded", **values: Any) -> None:
    change(office, jobs.c.id == job_id, state=state, finished_ms=office.now_ms(), **values)


def add_task(office: Office, job_id: str, name: str, **values: Any) -> None:
    given = {"state": "done", "attempts": 1, "frames_done": 0, "finished_ms": office.now_ms()}
    insert(office, "tasks", job_id=job_id, name=name, **{"run": 1, **given, **values})


def change(office: Office, which: Any, **values: Any) -> None:
    with office.database.writing() as connection:
        connection.execute(which.left.table.update().where(which).values(**values))


def named(samples: Samples, name: str) -> dict[str, float]:
    return {labels: value for (found, labels), value in samples.items() if found == name}


# How things are


def test_jobs_are_counted_by_state_kind_and_api(
    office: Office, look: Callable[[], Samples]
) -> None:
    add_job(office, "a")
    add_job(office, "b")
    add_job(office, "c", state="failed", kind="scan", api="akool", finished_ms=1)
    assert named(look(), "lendface_jobs") == {
        "api=native,kind=swap,state=queued": 2,
        "api=akool,kind=scan,state=failed": 1,
    }


def test_jobs_whose_files_are_gone_are_not_counted_unless_they_still_run(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    add_job(office, "a", state="succeeded", finished_ms=office.now_ms())
    add_job(office, "b", state="running")
    clock.pass_s(2 * 3600)
    assert named(look(), "lendface_jobs") == {"api=native,kind=swap,state=running": 1}


def test_jobs_that_wait_for_their_clients_turn_are_told(
    office: Office, look: Callable[[], Samples]
) -> None:
    add_job(office, "a")
    add_job(office, "b", admitted_ms=office.now_ms())
    add_job(office, "c", state="running", admitted_ms=office.now_ms())
    assert named(look(), "lendface_jobs_held_back") == {"": 1}


def put_in_queues(built: Built, clock: Clock) -> None:
    """Three jobs: one is taken, one has waited for a minute and a half."""
    with built.office.database.writing() as connection:
        for job_id in ("a", "b", "c"):
            built.durable.submit(
                connection, job_id, 1, priority=1, render_queue="cpu", client_id="me", fetches=False
            )
    with built.durable.engine.begin() as connection:
        schema = "" if built.office.database.is_sqlite else "dbos."
        connection.execute(
            sa.text(
                f"UPDATE {schema}workflow_status SET status = 'PENDING' WHERE workflow_uuid = :id"
            ),
            {"id": "job/a/1"},
        )
        connection.execute(
            sa.text(
                f"UPDATE {schema}workflow_status SET created_at = :at WHERE workflow_uuid = :id"
            ),
            {"at": clock() - 90_000, "id": "job/b/1"},
        )


def test_queues_tell_how_much_waits_and_since_when(
    built: Built, office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    put_in_queues(built, clock)
    samples = look()
    assert named(samples, "lendface_queue_waiting") == {
        "queue=jobs": 2,
        "queue=fetch": 0,
        "queue=notify": 0,
        "queue=quick": 0,
        "queue=cpu": 0,
        "queue=gpu": 0,
    }
    assert named(samples, "lendface_queue_running")["queue=jobs"] == 1
    assert named(samples, "lendface_queue_oldest_seconds")["queue=jobs"] == 90
    assert named(samples, "lendface_queue_oldest_seconds")["queue=cpu"] == 0


def test_tasks_in_hand_are_told_by_stage(office: Office, look: Callable[[], Samples]) -> None:
    add_job(office, "a", state="running", run=2)
    add_job(office, "b", state="failed", finished_ms=1)
    running = {"state": "running", "finished_ms": None}
    for number in range(2):
        add_task(office, "a", f"chunk/{number}", run=2, **running)
    add_task(office, "a", "scan", run=2)
    add_task(office, "a", "scan", run=1, **running)  # of an earlier run
    add_task(office, "b", "scan", **running)  # of a job that ended
    assert named(look(), "lendface_tasks_running") == {"stage=render": 2}


def test_workers_that_were_silent_for_long_do_not_count(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    for executor, queues, provider, ago_s in (
        ("a", ["jobs", "notify"], "none", 1),
        ("b", ["gpu"], "cuda", 14),
        ("c", ["gpu"], "cuda", 2),
        ("d", ["gpu"], "cuda", 16),
    ):
        seen_ms = clock() - ago_s * 1000
        facts = {"queues": queues, "provider": provider, "version": "1"}
        insert(office, "workers", executor=executor, started_ms=1, seen_ms=seen_ms, **facts)
    assert named(look(), "lendface_workers") == {
        "provider=none,queue=jobs": 1,
        "provider=none,queue=notify": 1,
        "provider=cuda,queue=gpu": 2,
        "provider=,queue=cpu": 0,
        "provider=,queue=quick": 0,
        "provider=,queue=fetch": 0,
    }


def add_delivery(office: Office, message_id: str, **values: Any) -> None:
    facts = {"type": "x", "url": "x", "body": "", "round": 1, "attempts": 1, "state": "waiting"}
    insert(
        office,
        "deliveries",
        id=message_id,
        client_id=CLIENT,
        **{**facts, "api": "native", **values},
    )


def test_webhooks_that_wait_are_told_and_those_that_ended_are_counted(
    office: Office, look: Callable[[], Samples]
) -> None:
    add_delivery(office, "a")
    add_delivery(office, "b", state="delivered", finished_ms=office.now_ms())
    add_delivery(office, "c", state="failed", api="akool", finished_ms=office.now_ms())
    samples = look()
    assert named(samples, "lendface_deliveries_waiting") == {"": 1}
    assert named(samples, "lendface_deliveries_total") == {
        "api=native,state=delivered": 1,
        "api=akool,state=failed": 1,
    }


def test_disks_tell_what_is_left_on_them(office: Office, tmp_path: Path) -> None:
    found = named(
        looker(office, data=tmp_path, gone=tmp_path / "gone")(), "lendface_disk_free_bytes"
    )
    assert list(found) == ["place=data"]
    assert found["place=data"] > 0


def test_the_version_is_told(look: Callable[[], Samples]) -> None:
    [labels] = named(look(), "lendface_build_info")
    assert labels.startswith("version=")


# What ended


def ended(samples: Samples) -> dict[str, float]:
    return named(samples, "lendface_jobs_ended_total")


def test_every_end_of_a_job_is_counted_once_however_often_one_asks(
    office: Office, look: Callable[[], Samples]
) -> None:
    add_job(office, "a", started_ms=office.now_ms())
    assert ended(look()) == {}
    end_job(office, "a", "failed", error_code="no_face")
    expected = {"api=native,code=no_face,kind=swap,state=failed": 1}
    assert [ended(look()) for _ in range(3)] == [expected] * 3


def test_counters_do_not_shrink_when_a_job_is_tried_again_or_its_row_is_deleted(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    failed, succeeded = (
        "api=native,code=no_face,kind=swap,state=failed",
        "api=native,code=,kind=swap,state=succeeded",
    )
    add_job(office, "a", started_ms=office.now_ms())
    end_job(office, "a", "failed", error_code="no_face")
    assert ended(look()) == {failed: 1}
    change(office, jobs.c.id == "a", state="queued", error_code=None, finished_ms=None, run=2)
    assert ended(look()) == {failed: 1}
    clock.pass_s(10)
    end_job(office, "a")
    assert ended(look()) == {failed: 1, succeeded: 1}
    with office.database.writing() as connection:
        connection.execute(jobs.delete())
    clock.pass_s(3600)
    assert ended(look()) == {failed: 1, succeeded: 1}


def test_what_ended_before_the_process_began_is_not_counted(office: Office, clock: Clock) -> None:
    add_job(office, "a", state="succeeded", finished_ms=clock() - 1)
    assert ended(looker(office)()) == {}


def test_what_ends_between_the_beginning_and_the_first_look_is_counted(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    clock.pass_s(1)
    add_job(office, "a", state="succeeded", finished_ms=office.now_ms())
    clock.pass_s(3600)
    assert sum(ended(look()).values()) == 1


@pytest.mark.parametrize("late_s", [-60, 0, 60, 299])
def test_ends_written_late_or_by_a_clock_that_is_ahead_are_counted_once(
    office: Office, look: Callable[[], Samples], clock: Clock, late_s: int
) -> None:
    clock.pass_s(3600)
    look()
    add_job(office, "a", state="succeeded", finished_ms=clock() - late_s * 1000)
    for _ in range(5):
        assert sum(ended(look()).values()) == 1
        clock.pass_s(30)


def test_every_process_counts_all_that_any_worker_did(
    office: Office, look: Callable[[], Samples]
) -> None:
    other = looker(office)
    add_job(office, "a", state="succeeded", finished_ms=office.now_ms())
    assert ended(look()) == ended(other()) == {"api=native,code=,kind=swap,state=succeeded": 1}


def test_the_times_of_jobs_fall_into_buckets(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    add_job(office, "a")
    clock.pass_s(7)
    change(office, jobs.c.id == "a", state="running", started_ms=clock())
    clock.pass_s(45)
    end_job(office, "a")
    samples = look()
    wait = named(samples, "lendface_job_wait_seconds_bucket")
    assert (wait["kind=swap,le=5.0"], wait["kind=swap,le=10.0"]) == (0, 1)
    assert named(samples, "lendface_job_wait_seconds_sum") == {"kind=swap": 7}
    assert named(samples, "lendface_job_seconds_sum") == {"kind=swap": 45}


def test_a_job_that_was_tried_again_did_not_wait_since_it_was_made(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    add_job(office, "a", run=2)
    clock.pass_s(1000)
    change(office, jobs.c.id == "a", started_ms=clock())
    end_job(office, "a")
    assert named(look(), "lendface_job_wait_seconds_count") == {}


def test_frames_times_and_retries_of_tasks_are_counted(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    began_ms = clock()
    add_job(office, "a", state="running")
    clock.pass_s(20)
    add_task(office, "a", "scan", started_ms=began_ms, frames_done=900)
    add_task(office, "a", "chunk/0", started_ms=began_ms, frames_done=600)
    add_task(office, "a", "chunk/1", started_ms=began_ms, frames_done=300, attempts=3)
    samples = look()
    assert named(samples, "lendface_frames_rendered_total") == {"": 900}
    assert named(samples, "lendface_task_seconds_sum") == {"stage=scan": 20, "stage=render": 40}
    assert named(samples, "lendface_task_retries_total") == {"stage=scan": 0, "stage=render": 2}


def test_the_pace_of_rendering_is_that_of_the_last_five_minutes(
    office: Office, look: Callable[[], Samples], clock: Clock
) -> None:
    add_job(office, "a", state="running")
    add_task(office, "a", "chunk/0", frames_done=10_000)
    clock.pass_s(200)
    add_task(office, "a", "chunk/1", frames_done=600)
    clock.pass_s(200)
    assert named(look(), "lendface_render_fps") == {"": 2}
    assert named(look(), "lendface_render_fps") == {"": 2}


# On the other database


def fill(built: Built, clock: Clock) -> Samples:
    """Something of everything, and what is told of it."""
    office = replace(built.office, now_ms=clock)
    look = looker(office)
    add_job(office, "a", state="running", admitted_ms=1, started_ms=1)
    add_job(office, "b")
    add_job(office, "c", state="failed", error_code="no_face", started_ms=1, finished_ms=clock())
    add_task(office, "a", "scan", state="running", finished_ms=None)
    add_task(office, "a", "chunk/0", started_ms=clock() - 5000, frames_done=300)
    add_delivery(office, "d")
    add_delivery(office, "e", state="failed", finished_ms=clock())
    insert(
        office,
        "workers",
        executor="x",
        queues=["jobs", "cpu"],
        provider="cpu",
        version="1",
        started_ms=1,
        seen_ms=clock(),
    )
    put_in_queues(built, clock)
    return look()


@pytest.mark.services
def test_postgresql_says_the_same_as_sqlite(tmp_path: Path, postgres: Any, clock: Clock) -> None:
    told = []
    for number, settings in enumerate([{}, {"database_url": postgres.new_database()}]):
        with building(tmp_path / str(number), **settings) as built:
            told.append(fill(built, clock))
    assert told[0] == told[1]
    assert len(told[0]) > 60


# What it costs, and when the database is away


class Plans:
    """How SQLite goes about every query of a look."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._is_explaining = False

    def note(self, connection: Any, cursor: Any, query: str, values: Any, *_: Any) -> None:
        if query.startswith("SELECT") and not self._is_explaining:
            self._is_explaining = True
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values)
            self.lines += [row[3] for row in plan]
            self._is_explaining = False


def test_no_look_reads_a_whole_table_of_what_has_ended(built: Built) -> None:
    plans, look = Plans(), looker(built.office)
    sa.event.listen(built.office.database.engine, "before_cursor_execute", plans.note)
    look()
    assert len(plans.lines) >= 9
    assert [line for line in plans.lines if line.startswith("SCAN")] == ["SCAN workers"]


def test_a_database_that_is_away_is_told_and_counters_stay(office: Office, tmp_path: Path) -> None:
    census = Census(office)
    registry = CollectorRegistry()
    registry.register(census)
    add_job(office, "a", state="succeeded", finished_ms=office.now_ms())
    before = read(generate_latest(registry).decode())
    assert named(before, "lendface_database_up") == {"": 1}
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database" * 1000)
    census._office = replace(office, database=Database(f"sqlite:///{damaged}"))
    after = read(generate_latest(registry).decode())
    assert named(after, "lendface_database_up") == {"": 0}
    assert named(after, "lendface_jobs") == {}
    assert ended(after) == ended(before)


# Over HTTP


def key_with(built: Built, *scopes: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_client(built.office, 'x', scopes=scopes).key}"}


@pytest.mark.parametrize(
    ("scopes", "status"), [((), 401), (("read", "write"), 403), (("admin",), 200)]
)
def test_metrics_are_for_keys_with_the_scope_admin(
    built: Built, scopes: tuple[str, ...], status: int
) -> None:
    headers = key_with(built, *scopes) if scopes else {}
    with TestClient(build_app(built), headers=headers) as client:
        answer = client.get("/metrics")
    assert answer.status_code == status
    assert ("lendface_jobs" in answer.text) is (status == 200)


def test_metrics_are_for_all_where_the_operator_wants_it_so(built: Built) -> None:
    settings = built.settings.model_copy(update={"metrics_open": True})
    with TestClient(build_app(replace(built, settings=settings))) as client:
        assert client.get("/metrics").status_code == 200
        assert client.head("/metrics").text == ""
        assert client.post("/metrics").status_code == 405


@pytest.mark.parametrize(
    ("accept", "parse", "content_type"),
    [
        ("", read_plain, "text/plain; version=0.0.4; charset=utf-8"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            read_open,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
    ],
)
def test_both_forms_that_prometheus_asks_for_can_be_parsed(
    built: Built, accept: str, parse: Callable[[str], Any], content_type: str
) -> None:
    headers = {"Accept": accept, **key_with(built, "admin")}
    with TestClient(build_app(built), headers=headers) as client:
        client.get("/healthz")
        answer = client.get("/metrics")
    names = {family.name for family in parse(answer.text)}
    assert answer.headers["content-type"].startswith(content_type)
    assert {"lendface_jobs", "lendface_workers", "lendface_http_request_seconds"} <= names
    assert not [name for name in names if name.endswith("_created")]


def test_requests_are_counted_by_the_pattern_of_their_route(built: Built) -> None:
    headers = key_with(built, "read", "admin")
    with TestClient(build_app(built), headers=headers) as client:
        client.get("/v1/jobs?telltale=1")
        client.get("/v1/jobs/0123456789abcdef01234567")
        client.get("/v1/telltale")
        client.get("/telltale")
        client.request("TELLTALE", "/v1/jobs")
        client.get("/v1/jobs", headers={"Authorization": "Bearer telltale"})
        text = client.get("/metrics").text
    samples = read(text)
    assert named(samples, "lendface_http_requests_total") == {
        "method=GET,route=/v1/jobs,status=200": 1,
        "method=GET,route=/v1/jobs/{job_id},status=404": 1,
        "method=GET,route=/v1,status=404": 1,
        "method=GET,route=,status=404": 1,
        "method=other,route=/v1,status=403": 1,
        "method=GET,route=/v1,status=401": 1,
    }
    assert named(samples, "lendface_http_request_seconds_count")["method=GET,route=/v1/jobs"] == 1
    assert "telltale" not in text
    assert "0123456789" not in text


def test_requests_that_break_count_as_500_and_are_not_open_any_more() -> None:
    registry = new_registry()
    app = FastAPI()

    @app.get("/breaks")
    def breaks() -> JSONResponse:
        raise RuntimeError("a mistake")

    ticks = iter(range(100))
    counted = RequestMetrics(app, registry, clock_s=lambda: float(next(ticks)))
    with TestClient(counted, raise_server_exceptions=False) as client:
        client.get("/breaks")
    samples = read(generate_latest(registry).decode())
    assert named(samples, "lendface_http_requests_total") == {
        "method=GET,route=/breaks,status=500": 1
    }
    assert named(samples, "lendface_http_request_seconds_sum") == {"method=GET,route=/breaks": 1}
    assert named(samples, "lendface_http_requests_open") == {"": 0}


def test_connections_are_counted_and_why_they_were_closed() -> None:
    now_s = 0.0
    connections = Connections(ConnectionLimits(16, 16), lambda: now_s)
    registry = new_registry()
    registry.register(ConnectionMetrics(connections))
    first, second = Line(), Line()
    connections.add(first, "192.0.2.1")
    now_s = 20.0
    connections.add(second, "192.0.2.1")
    connections.sweep()
    told = read(generate_latest(registry).decode())
    assert told["lendface_http_connections", ""] == 1
    assert told["lendface_http_connections_closed_total", "reason=slow_head"] == 1


def test_those_who_ask_for_metrics_do_not_hold_the_threads_of_the_api(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, is_free = threading.Semaphore(0), threading.Event()

    def hang(_: Census) -> Iterator[Any]:
        asked.release()
        is_free.wait(300)
        yield from ()

    monkeypatch.setattr(Census, "collect", hang)
    opened = replace(built, settings=load_settings(data=built.settings.folder, metrics_open=True))
    with TestClient(build_app(opened)) as client, ThreadPoolExecutor(20) as callers:
        answers = [callers.submit(client.get, "/metrics") for _ in range(20)]
        assert asked.acquire(timeout=300)
        refused = [done.result() for done in islice(as_completed(answers), 11)]
        assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {
            (503, "too_many_at_once")
        }
        assert client.get("/v1/jobs").status_code == 401  # found out in a thread
        is_free.set()
        codes = [answer.result().status_code for answer in answers]
    assert codes.count(200) == 9  # one at a time
