"""What is told of requests and tasks while they last, and that it is nothing of a person."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.testclient import TestClient

from lendface.errors import CancelledError, NoSourceFaceError
from lendface.serve.telemetry import (
    NoTracer,
    OtelTracer,
    TracedRequests,
    WatchedWork,
    open_tracer,
)
from lendface.settings import load_settings

JOB = "0123456789abcdef01234567"


@dataclass
class Collected:
    """What reached the collector."""

    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self) -> None:
        self.tracer = OtelTracer(SimpleSpanProcessor(self.exporter), "host-1")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())


@pytest.fixture
def collected() -> Iterator[Collected]:
    collected = Collected()
    yield collected
    collected.tracer.close()


def do_nothing() -> str:
    return "value"


@dataclass
class PlainWork:
    """Plays ``jobs.work.Work``; every task and message does the same."""

    action: Callable[[], Any] = do_nothing
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def claim(self, *asked: Any) -> int | None:
        self.asked.append(asked)
        return 2

    def unclaim(self, *asked: Any) -> None:
        self.asked.append(asked)

    def perform(self, job_id: str, run: int, task: str, is_stopping: Callable[[], bool]) -> Any:
        self.asked.append((job_id, run, task, is_stopping()))
        return self.action()

    def fail(self, *asked: Any) -> None:
        self.asked.append(asked)

    def deliver(self, *asked: Any) -> None:
        self.asked.append(asked)
        self.action()


def breaking(error: Exception) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def watch(tracer: Any, action: Callable[[], Any] = do_nothing) -> WatchedWork:
    ticks = iter([1.0, 1.25, 9.0])
    return WatchedWork(PlainWork(action), tracer, clock_s=lambda: next(ticks))


def perform(work: WatchedWork, task: str = "chunk/3", job_id: str = JOB) -> Any:
    return work.perform(job_id, 1, task, lambda: False)


# Tasks


def test_a_task_is_a_span_with_the_jobs_id(collected: Collected) -> None:
    assert perform(watch(collected.tracer)) == "value"
    [span] = collected.spans
    assert span.name == "task chunk"
    assert span.attributes == {
        "lendface.job.id": JOB,
        "lendface.job.run": 1,
        "lendface.task": "chunk/3",
    }
    assert span.resource.attributes["service.name"] == "lendface"
    assert span.resource.attributes["service.instance.id"] == "host-1"
    assert span.status.status_code is StatusCode.UNSET


def test_all_tasks_of_a_job_are_one_trace_whichever_process_does_them() -> None:
    ids = []
    for job_id in (JOB, JOB, JOB[::-1]):
        process = Collected()
        perform(watch(process.tracer), job_id=job_id)
        ids.append(process.spans[0].context.trace_id)
        process.tracer.close()
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("error", "code"),
    [(NoSourceFaceError("anna.jpg"), "no_face_in_source"), (KeyError("anna"), "KeyError")],
)
def test_of_a_task_that_fails_the_code_is_told_and_no_more(
    collected: Collected, error: Exception, code: str
) -> None:
    with pytest.raises(type(error)):
        perform(watch(collected.tracer, breaking(error)))
    [span] = collected.spans
    assert span.attributes
    assert span.attributes["error.type"] == code
    assert span.status.status_code is StatusCode.ERROR
    assert "anna" not in span.to_json()


def test_a_task_that_was_told_to_stop_has_not_failed(collected: Collected) -> None:
    with pytest.raises(CancelledError):
        perform(watch(collected.tracer, breaking(CancelledError())))
    [span] = collected.spans
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes
    assert span.attributes["lendface.cancelled"] == 1


def test_a_webhook_is_a_span_without_its_receiver(collected: Collected) -> None:
    watch(collected.tracer).deliver("msg_anna", 1, 4, 0)
    [span] = collected.spans
    assert (span.name, span.attributes) == ("deliver", {"lendface.delivery.attempt": 4})


def test_what_the_engine_asks_is_passed_on() -> None:
    work = PlainWork()
    watched = WatchedWork(work, NoTracer())
    assert watched.claim(JOB, 1, "scan", "host-1") == 2
    watched.unclaim(JOB, 1, "scan")
    watched.fail(JOB, 1, "no_face", "a sentence")
    watched.perform(JOB, 1, "scan", lambda: True)
    watched.deliver("message", 1, 2, 0)
    assert work.asked == [
        (JOB, 1, "scan", "host-1"),
        (JOB, 1, "scan"),
        (JOB, 1, "no_face", "a sentence"),
        (JOB, 1, "scan", True),
        ("message", 1, 2, 0),
    ]


@pytest.mark.parametrize(
    ("error", "level", "event", "code"),
    [
        (None, "INFO", "task done", None),
        (CancelledError(), "INFO", "task ended early", None),
        (KeyError("anna"), "WARNING", "task ended early", "KeyError"),
    ],
)
def test_the_log_has_a_line_for_every_task(
    caplog: pytest.LogCaptureFixture,
    error: Exception | None,
    level: str,
    event: str,
    code: str | None,
) -> None:
    caplog.set_level(logging.INFO, logger="lendface")
    try:
        perform(watch(NoTracer(), breaking(error) if error else do_nothing))
    except (CancelledError, KeyError):
        assert error
    [record] = caplog.records
    assert (record.levelname, record.getMessage()) == (level, event)
    assert record.__dict__["ms"] == 250
    assert record.__dict__.get("code") == code


# Requests


def serve_with(collected: Collected) -> TestClient:
    app, inner = FastAPI(), FastAPI()

    @inner.get("/films/{film_id}")
    def read_film(film_id: str) -> dict[str, str]:
        if film_id == "breaks":
            raise RuntimeError(film_id)
        return {"film": film_id}

    app.mount("/v9", inner)
    return TestClient(TracedRequests(app, collected.tracer), raise_server_exceptions=False)


def test_a_request_is_a_span_named_after_its_route(collected: Collected) -> None:
    with serve_with(collected) as client:
        client.get("/v9/films/anna?token=anna")
    [span] = collected.spans
    assert span.name == "GET /v9/films/{film_id}"
    assert span.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/v9/films/{film_id}",
    }
    assert "anna" not in span.to_json()


def test_a_request_that_breaks_is_a_span_with_an_error(collected: Collected) -> None:
    with serve_with(collected) as client:
        assert client.get("/v9/films/breaks").status_code == 500
    [span] = collected.spans
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes
    assert span.attributes["error.type"] == "RuntimeError"
    assert "breaks" not in span.to_json()


# Off and on


def test_without_a_collector_nothing_is_traced_and_nothing_imported(tmp_path: Path) -> None:
    tracer = open_tracer(load_settings(data=tmp_path), "host-1")
    with tracer.span("name", {"one": 1}, JOB) as facts:
        assert facts == {"one": 1}
    code = (
        "import sys; from lendface.settings import load_settings\n"
        "from lendface.serve import asgi, telemetry\n"
        "telemetry.open_tracer(load_settings(data='.'), 'x')\n"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


def test_spans_reach_a_collector_over_http(tmp_path: Path) -> None:
    came: list[tuple[str, bytes]] = []
    has_come = threading.Event()

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            has_come.set()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        tracer = open_tracer(load_settings(data=tmp_path, otlp_url=url), "host-1")
        assert isinstance(tracer, OtelTracer)
        perform(watch(tracer))
        tracer.close()
        assert has_come.wait(30)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    [(path, body)] = came
    assert path == "/v1/traces"
    assert JOB.encode() in body
