"""Logs: one JSON object a line, and nothing in it that is somebody's."""

from __future__ import annotations

import ast
import json
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.contextvars import bound_contextvars

import lendface
from lendface.errors import DatabaseError, NoSourceFaceError
from lendface.serve.logs import FIELDS, describe, make_formatter, strip
from serve.processes import Logged, free_port, run, running, settings_in

SOURCE = Path(lendface.__file__).parent
TELLTALE = "telltale"
LEVELS = ("debug", "info", "warning", "error", "exception", "critical")


@dataclass(frozen=True)
class Desk:
    """A logger that writes to memory as a server's does."""

    logger: logging.Logger
    stream: StringIO

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def line(self) -> dict[str, Any]:
        [line] = self.lines()
        return line


@pytest.fixture(params=["lendface.test"])
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(make_formatter("json"))
    logger = logging.getLogger(request.param)
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.DEBUG)
    yield Desk(logger, stream)
    logger.handlers, logger.propagate = [], True


# One line


def test_a_line_is_one_json_object_that_begins_with_the_time(desk: Desk) -> None:
    desk.logger.info("worker is ready", extra={"executor": "host-cpu", "queues": ("cpu",)})
    assert list(desk.line) == ["timestamp", "level", "logger", "event", "executor", "queues"]
    assert desk.line["timestamp"].endswith("Z")
    assert desk.line | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "logger": "lendface.test",
        "event": "worker is ready",
        "executor": "host-cpu",
        "queues": ["cpu"],
    }


def test_what_is_not_on_the_list_stays_out(desk: Desk) -> None:
    desk.logger.info("a line", extra={"url": TELLTALE, "job_id": "a", "client_id": None})
    assert "job_id" in desk.line
    assert not {"url", "client_id"} & {*desk.line}


def test_lines_from_within_a_task_have_its_jobs_id(desk: Desk) -> None:
    with bound_contextvars(job_id="a", task="scan"):
        desk.logger.info("a line")
    desk.logger.info("a line")
    within, outside = desk.lines()
    assert (within["job_id"], within["task"]) == ("a", "scan")
    assert "job_id" not in outside


@pytest.mark.parametrize("desk", ["somebody.elses"], indirect=True)
def test_what_libraries_say_is_stripped(desk: Desk) -> None:
    desk.logger.warning("retrying %s after %s", f"https://h/{TELLTALE}.mp4?x={TELLTALE}", "5 s")
    assert desk.line["event"] == "retrying … after 5 s"


def test_lines_for_people_are_readable() -> None:
    record = logging.LogRecord("lendface.x", logging.INFO, "", 0, "a line", (), None)
    record.job_id = "a"
    text = make_formatter("text").format(record)
    assert "a line" in text
    assert "job_id=a" in text


# Errors


@pytest.mark.parametrize(
    ("text", "stripped"),
    [
        ("division by zero", "division by zero"),
        ("the server's pool isn't free", "the server's pool isn't free"),
        ("GET https://a.example/b?c=d: 404", "GET … 404"),
        ("s3://films/anna is missing", "… is missing"),
        ("at data:image/png;base64,AAAA", "at …"),
        ("[Errno 2] No such file: '/srv/anna and bob.mp4'", "[Errno 2] No such file: …"),
        ('key "anna" exists', "key … exists"),
        ("in ~/films/x: full", "in …: full"),
        ("write /srv/films/x: full", "write …: full"),
        ("anna@example.org is unknown", "… is unknown"),
        ("anna.MP4 is damaged", "… is damaged"),
        ("key AbCdEfGhIjKlMnOpQrStUvWxYz012345 is wrong", "key … is wrong"),
        ("x" * 5 + " " + "ab " * 1000, ("x" * 5 + " " + "ab " * 1000)[:300]),
    ],
)
def test_texts_lose_what_may_be_somebodys(text: str, stripped: str) -> None:
    assert strip(text) == stripped


def fail_deeply() -> None:
    try:
        try:
            raise FileNotFoundError(2, "No such file or directory", f"/srv/{TELLTALE}.mp4")
        except OSError as fault:
            raise DatabaseError from fault
    except DatabaseError:
        raise KeyError(TELLTALE)  # noqa: B904


def caught(action: Any) -> BaseException:
    with pytest.raises(BaseException) as told:
        action()
    return told.value


def test_an_error_tells_its_way_through_the_code_and_where_it_came_from() -> None:
    text = describe(caught(fail_deeply))
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert heads == [
        "FileNotFoundError: [Errno 2] No such file or directory: …",
        "DatabaseError: database_unavailable",
        "KeyError: …",
    ]
    assert text.count("in fail_deeply") == 3


def test_our_own_errors_tell_their_code_and_not_their_sentence() -> None:
    text = describe(caught(lambda: (_ for _ in ()).throw(NoSourceFaceError(f"{TELLTALE} film"))))
    assert text.endswith("NoSourceFaceError: no_face_in_source")
    assert TELLTALE not in text


def test_several_errors_at_once_are_all_told() -> None:
    group = ExceptionGroup(f"of '{TELLTALE}'", [KeyError(TELLTALE), ValueError("plain")])
    text = describe(group)
    assert "| KeyError: …" in text
    assert "| ValueError: plain" in text
    assert TELLTALE not in text


def test_errors_that_caused_each_other_end() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert describe(first).count("ValueError") == 2


def test_a_line_with_an_error_has_the_traceback_in_one_string(desk: Desk) -> None:
    try:
        fail_deeply()
    except KeyError:
        desk.logger.exception("task failed", extra={"job_id": "a"})
    assert [*desk.line][-1] == "exception"
    assert "in fail_deeply" in desk.line["exception"]
    assert f'"{TELLTALE}' not in desk.line["exception"].replace("{TELLTALE}", "")


# A process of its own

SAYS_ALL = """
import logging, threading, warnings
from lendface.serve.logs import set_up_logs
from lendface.settings import load_settings

set_up_logs(load_settings(data=".", log_level="debug"))
for name in ("httpx2", "httpcore2", "uvicorn.error", "botocore", "asyncio", "multipart"):
    logging.getLogger(name).debug("GET telltale")
logging.getLogger("lendface.x").debug("of ours")
warnings.warn("about 'telltale'")
logging.getLogger("lendface.x").info("broken %s %s", "telltale")
thread = threading.Thread(target=lambda: [].remove("telltale" "s"))
thread.start()
thread.join()
raise RuntimeError("of 'telltale'".replace("x", "y"))
"""


def test_whatever_a_process_says_goes_the_same_way(tmp_path: Path) -> None:
    script = tmp_path / "says_all.py"
    script.write_text(SAYS_ALL)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    told = [(line["level"], line["logger"], line["event"]) for line in lines]
    assert told[0] == ("debug", "lendface.x", "of ours")
    assert told[1][:2] == ("warning", "py.warnings")
    assert told[2:] == [("critical", "lendface", "uncaught")] * 2
    assert lines[2]["exception"].endswith("ValueError: list.remove(x): x not in list")
    assert lines[3]["exception"].endswith("RuntimeError: of …")
    assert done.returncode == 1
    assert done.stdout == ""


# Our own lines


def calls_of_logs() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=word)) if (
                    word in LEVELS
                ):
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", node


def test_our_lines_are_texts_that_were_written_beforehand() -> None:
    places = list(calls_of_logs())
    assert len(places) > 10
    for place, call in places:
        assert len(call.args) == 1, place
        assert isinstance(call.args[0], ast.Constant | ast.Name), place


def test_our_lines_add_only_what_is_on_the_list() -> None:
    for place, call in calls_of_logs():
        for word in call.keywords:
            if word.arg == "extra" and isinstance(word.value, ast.Dict):
                names = {key.value for key in word.value.keys if isinstance(key, ast.Constant)}
                assert names <= FIELDS, place


# A real server and a real worker


@dataclass(frozen=True)
class Story:
    """What was asked of them, and what they logged."""

    server: Logged
    worker: Logged
    secrets: tuple[str, ...]
    job_id: str
    broken_request: str  # its id

    @property
    def texts(self) -> list[str]:
        return [*self.server.lines, *self.worker.lines]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder, port, closed = tmp_path_factory.mktemp("data"), free_port(), free_port()
    settings = settings_in(
        folder,
        PORT=str(port),
        FIRST_KEY="false",
        LOG_LEVEL="debug",
        FETCH_ALLOW="127.0.0.1",
        DRAIN_S="1",
    )
    key = json.loads(run("keys", "create", "--name", TELLTALE, "--json", environment=settings))
    with (
        running("serve", "--no-workers", environment=settings) as server,
        running("work", "--queue", "control", environment=settings) as worker,
    ):
        server.wait_for("Uvicorn running on … (Press CTRL+C to quit)")
        worker.wait_for("worker is ready")
        with httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {key['key']}"},
            timeout=60,
        ) as client:
            story = tell_story(client, closed, folder)
        worker.wait_for("webhook attempted")
        server.wait_for("request", request_id=story[2])
        yield Story(server, worker, (key["key"], key["webhook_secret"], *story[0]), *story[1:])


def tell_story(client: httpx2.Client, closed: int, folder: Path) -> tuple[list[str], str, str]:
    """Everything that a client could tell, told wrong and right."""
    private = f"http://127.0.0.1:{closed}/{TELLTALE}?signature={TELLTALE}"
    client.get(f"/v1/jobs?cursor={TELLTALE}")
    client.get(f"/v1/jobs/{TELLTALE}")
    client.get(f"/{TELLTALE}?x={TELLTALE}")
    client.get("/v1/jobs", headers={"Authorization": f"Bearer {TELLTALE}"})
    named = ("User-Agent", "Referer", "Cookie", "X-Forwarded-For", "Origin", "If-None-Match")
    client.get("/v1/jobs", headers=dict.fromkeys(named, TELLTALE))
    client.get("/v1/jobs", headers={"X-Request-Id": f"{TELLTALE} of a stranger"})
    client.request(TELLTALE.upper(), "/v1/jobs")
    client.post("/v1/swaps", content=f'{{"{TELLTALE}"', headers={"Content-Type": "text/plain"})
    client.post("/v1/swaps", json={TELLTALE: TELLTALE})
    client.post(
        "/v1/swaps", json={"target": {"url": f"ftp://{TELLTALE}"}, "notes": {"a": TELLTALE}}
    )
    endpoint = client.post("/v1/webhooks/endpoints", json={"url": private}).raise_for_status()
    file = {"name": f"{TELLTALE} at the beach.mp4", "content_type": "video/mp4", "size": 8}
    link = client.post("/v1/uploads", json=file).raise_for_status().json()["upload"]
    client.put(link["url"], content=TELLTALE.encode(), headers=link["headers"]).raise_for_status()
    client.put(link["url"] + "x", content=TELLTALE.encode(), headers=link["headers"])
    client.put(link["url"], content=b"another!", headers=link["headers"])
    client.post("/v1/uploads", json={"url": private, "name": f"{TELLTALE}.mp4"}).raise_for_status()
    made = client.post("/v1/scans", json={"target": {"url": private}, "notes": {"a": TELLTALE}})
    job_id = made.raise_for_status().json()["id"]
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as events:
        assert "url_unreachable" in "".join(events.iter_text())
    with sqlite3.connect(folder / "lendface.db", timeout=60) as database:
        database.execute("UPDATE jobs SET facts = ?", (f"{TELLTALE}: no JSON",))
    database.close()
    broken = client.get(f"/v1/jobs/{job_id}")
    assert broken.status_code == 500
    secrets = [link["url"].rpartition("/")[2], endpoint.json()["secret"]]
    return secrets, job_id, broken.headers["x-request-id"]


@pytest.mark.services
def test_nothing_that_a_client_told_is_in_any_log(story: Story) -> None:
    for line in story.texts:
        assert TELLTALE not in line.lower()
        for secret in story.secrets:
            assert secret not in line


@pytest.mark.services
def test_every_line_is_an_object_with_time_level_logger_and_event(story: Story) -> None:
    for entry in (*story.server.entries(), *story.worker.entries()):
        assert [*entry][:4] == ["timestamp", "level", "logger", "event"]
    assert len(story.texts) > 20


@pytest.mark.services
def test_a_request_is_one_line_with_the_pattern_of_its_route(story: Story) -> None:
    [entry] = [
        entry
        for entry in story.server.entries()
        if entry["event"] == "request" and entry["request_id"] == story.broken_request
    ]
    assert entry["route"] == "/v1/jobs/{job_id}"
    assert (entry["method"], entry["status"]) == ("GET", 500)
    assert entry["ms"] >= 0
    assert len(entry["client_id"]) == 16


@pytest.mark.services
def test_of_a_request_that_broke_the_log_alone_tells_where(story: Story) -> None:
    [entry] = [entry for entry in story.server.entries() if "exception" in entry]
    assert entry["request_id"] == story.broken_request
    assert "JSONDecodeError" in entry["exception"]


@pytest.mark.services
def test_the_worker_tells_of_the_job_by_its_id(story: Story) -> None:
    ended = story.worker.wait_for("task ended early", job_id=story.job_id)
    assert (ended["task"], ended["code"]) == ("fetch", "url_unreachable")
    failed = story.worker.wait_for("job failed", job_id=story.job_id)
    assert failed["code"] == "url_unreachable"


def test_of_a_long_text_what_may_be_cut_through_is_not_told() -> None:
    """Nor does it take long: a quote that never ends was looked for from each quote on."""
    assert strip("it failed: '" + "anna at the beach " * 100_000) == "it failed: …"
    assert strip("it failed: " + "'a" * 1_000_000) == "it failed: …"
    assert "anna" not in strip("word " * 479 + "x anna@example.org and more " * 5)
    assert strip("a few words " * 1000) == ("a few words " * 1000)[:300]
