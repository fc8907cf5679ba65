"""Server-sent events, as a browser's EventSource meets them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from facades.belongings import finish_swap, send_upload, submit_swap
from facades.live import START_S, Live, run_live
from lendface.errors import DatabaseError
from lendface.facades.native import events as events_module
from lendface.facades.native.events import take_snapshot
from lendface.service import watching
from lendface.service.clients import (
    READ,
    Caller,
    find_client,
    revoke_client,
    revoke_key,
    rotate_key,
)
from lendface.service.jobs import delete
from lendface.service.office import Office
from lendface.storage.tables import clients, tasks
from service.offices import Clock, change_job, new_client, start_job


@dataclass
class Closing:
    """Whether the server wants to stop."""

    is_so: bool = False

    def __call__(self) -> bool:
        return self.is_so


@dataclass
class Stream:
    """The events of one connection; ``comments`` are what else came."""

    lines: Iterator[str]
    comments: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[dict[str, str]]:
        event: dict[str, str] = {}
        for line in self.lines:
            if line.startswith(":"):
                self.comments.append(line)
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                yield event
                event = {}


@pytest.fixture
def closing() -> Closing:
    return Closing()


@pytest.fixture
def live(tmp_path: Path, closing: Closing) -> Iterator[Live]:
    with run_live(tmp_path, poll_s=0.01, heartbeat_s=0.03, is_closing=closing) as live:
        yield live


@pytest.fixture
def job(live: Live) -> str:
    with httpx2.Client(base_url=live.url, headers=live.headers) as me:
        return submit_swap(me, send_upload(me))


@contextmanager
def watch(live: Live, job: str, last_id: str | None = None) -> Iterator[Stream]:
    headers = live.headers | ({"Last-Event-ID": last_id} if last_id else {})
    url = f"{live.url}/v1/jobs/{job}/events"
    with httpx2.stream("GET", url, headers=headers, timeout=START_S) as got:
        assert got.status_code == 200
        assert got.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert got.headers["cache-control"] == "no-store"
        yield Stream(got.iter_lines())


def data_of(event: dict[str, str]) -> dict[str, Any]:
    return json.loads(event["data"])


def test_a_job_is_watched_to_its_end(live: Live, job: str) -> None:
    with watch(live, job) as stream:
        events = iter(stream)
        first = next(events)
        assert (first["event"], data_of(first)["state"]) == ("progress", "queued")
        assert first["retry"] == "2000"
        start_job(live.office, job, "render", frames_total=100)
        assert data_of(next(events))["stage"] == "render"
        with live.office.database.writing() as connection:
            connection.execute(
                tasks.insert().values(
                    job_id=job, run=1, name="chunk/0", state="running", attempts=1,
                    frames_done=40, frames_total=100, created_ms=0,
                )
            )  # fmt: skip
        assert data_of(next(events))["frames_done"] == 40
        finish_swap(live.office, job)
        *_, last = events  # the stream ends by itself
    assert (last["event"], data_of(last)["state"]) == ("end", "succeeded")


def test_whoever_comes_again_hears_nothing_twice(live: Live, job: str) -> None:
    with watch(live, job) as stream:
        first = next(iter(stream))
    with watch(live, job, first["id"]) as stream:
        start_job(live.office, job)
        second = next(iter(stream))
        assert data_of(second)["state"] == "running"
    finish_swap(live.office, job)
    with watch(live, job, second["id"]) as stream:
        (last,) = stream
        assert last["event"] == "end"
    headers = live.headers | {"Last-Event-ID": last["id"]}
    again = httpx2.get(f"{live.url}/v1/jobs/{job}/events", headers=headers)
    assert again.status_code == 204  # which tells an EventSource to stay away
    with watch(live, job) as stream:
        (only,) = stream
        assert only["event"] == "end"


def test_a_quiet_job_is_heard_of_all_the_same(live: Live, job: str) -> None:
    with watch(live, job) as stream:
        events = iter(stream)
        next(events)
        line = next(line for line in stream.lines if line)
    assert line == ": still here"


def test_the_guess_of_the_end_alone_is_no_news(live: Live, job: str) -> None:
    start_job(live.office, job, "render", frames_total=100)
    with live.office.database.writing() as connection:
        connection.execute(
            tasks.insert().values(
                job_id=job, run=1, name="chunk/0", state="running", attempts=1, frames_done=40,
                frames_total=100, created_ms=0,
            )
        )  # fmt: skip
    client, clock = find_client(live.office, live.key).id, live.office.now_ms
    assert isinstance(clock, Clock)
    before = take_snapshot(live.office, client, job)
    clock.pass_s(10)
    after = take_snapshot(live.office, client, job)
    assert before.data != after.data
    assert before.id == after.id


def test_a_job_that_is_deleted_ends_its_streams(live: Live, job: str) -> None:
    with watch(live, job) as stream:
        events = iter(stream)
        next(events)
        delete(live.office, find_client(live.office, live.key).id, job)
        *_, last = events
    assert last["event"] == "end"


def test_a_server_that_stops_ends_all_streams(live: Live, job: str, closing: Closing) -> None:
    with watch(live, job) as stream:
        events = iter(stream)
        next(events)
        closing.is_so = True
        assert list(events) == []


def test_who_leaves_is_not_written_to_any_more(live: Live, job: str) -> None:
    for _ in range(20):
        with watch(live, job) as stream:
            next(iter(stream))
    # Whatever still ran would keep the server from stopping, and fail the fixture.


def test_nobody_elses_job_can_be_watched(live: Live, job: str) -> None:
    headers = {"X-Api-Key": new_client(live.office).key}
    answer = httpx2.get(f"{live.url}/v1/jobs/{job}/events", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_database_that_is_away_for_a_moment_breaks_no_stream(
    live: Live, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, real = threading.Event(), watching.read_marks

    def away(*_: object) -> None:
        tried.set()
        raise DatabaseError

    with watch(live, job) as stream:
        events = iter(stream)
        next(events)
        monkeypatch.setattr(watching, "read_marks", away)
        assert tried.wait(START_S)
        monkeypatch.setattr(watching, "read_marks", real)
        change_job(live.office, job, stage="scan")
        assert data_of(next(events))["stage"] == "scan"


# What ends a stream


def revoke_its_key(live: Live) -> None:
    revoke_key(live.office, str(find_client(live.office, live.key).key_id))


def revoke_its_client(live: Live) -> None:
    revoke_client(live.office, find_client(live.office, live.key).id)


def let_its_key_expire(live: Live) -> None:
    rotate_key(live.office, find_client(live.office, live.key).id)


def take_its_scope(live: Live) -> None:
    with live.office.database.writing() as connection:
        connection.execute(clients.update().values(scopes=["write"]))


@pytest.mark.parametrize(
    ("lose", "code"),
    [
        (revoke_its_key, "key_revoked"),
        (revoke_its_client, "key_revoked"),
        (let_its_key_expire, "key_expired"),
        (take_its_scope, "scope_missing"),
    ],
)
def test_a_stream_ends_with_the_right_to_look(
    live: Live, job: str, lose: Callable[[Live], None], code: str
) -> None:
    with watch(live, job) as stream, watch(live, job) as another:
        both = iter(stream), iter(another)
        last_ids = {next(events)["id"] for events in both}
        lose(live)
        assert [list(events) for events in both] == [[], []]
    headers = live.headers | {"Last-Event-ID": last_ids.pop()}
    again = httpx2.get(f"{live.url}/v1/jobs/{job}/events", headers=headers)
    assert again.json()["code"] == code  # which tells an EventSource to stay away


def test_a_key_that_ends_ends_nobody_elses_streams(live: Live, job: str) -> None:
    renewed = rotate_key(live.office, find_client(live.office, live.key).id, grace_s=3600)
    with_new_key = replace(live, key=renewed.key)
    with watch(live, job) as stream, watch(with_new_key, job) as kept:
        events, going_on = iter(stream), iter(kept)
        next(events), next(going_on)
        revoke_its_key(live)
        assert list(events) == []
        start_job(live.office, job)
        assert data_of(next(going_on))["state"] == "running"


def test_a_stream_that_is_old_ends_and_can_be_gone_on_with(tmp_path: Path) -> None:
    with run_live(tmp_path, poll_s=0.01, max_age_s=0.05) as live:
        with httpx2.Client(base_url=live.url, headers=live.headers) as me:
            job = submit_swap(me, send_upload(me))
        with watch(live, job) as stream:
            events = list(stream)  # it ends by itself
        assert [event["event"] for event in events] == ["progress"]
        with watch(live, job, events[0]["id"]) as stream:
            assert list(stream) == []


def test_a_client_has_so_many_streams_and_no_more(tmp_path: Path) -> None:
    with run_live(tmp_path, poll_s=0.01, max_streams=2) as live:
        with httpx2.Client(base_url=live.url, headers=live.headers) as me:
            job = submit_swap(me, send_upload(me))
        other = replace(live, key=new_client(live.office, "other").key)
        with httpx2.Client(base_url=live.url, headers=other.headers) as them:
            others_job = submit_swap(them, send_upload(them))
        with watch(live, job) as first, watch(live, job) as second:
            one, two = iter(first), iter(second)
            next(one), next(two)
            refused = httpx2.get(f"{live.url}/v1/jobs/{job}/events", headers=live.headers)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_streams")
            assert refused.headers["Retry-After"] == "5"
            with watch(other, others_job) as stream:
                assert next(iter(stream))["event"] == "progress"
            finish_swap(live.office, job)
            assert [list(one)[-1]["event"], list(two)[-1]["event"]] == ["end", "end"]
        with watch(live, job) as stream:  # their places are free again
            assert next(iter(stream))["event"] == "end"


def test_many_streams_have_one_reader(
    live: Live, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    real = watching.look

    def counted(office: Office, marks: Mapping[str, Any], callers: Collection[Caller]) -> Any:
        looks.append(len(marks))
        assert set(callers) == {Caller(mine.id, mine.key_id, READ)}
        return real(office, marks, callers)

    mine = find_client(live.office, live.key)
    monkeypatch.setattr(watching, "look", counted)
    written: list[object] = []
    write = events_module.snapshot_of
    monkeypatch.setattr(
        events_module, "snapshot_of", lambda *facts: written.append(facts) or write(*facts)
    )
    with ExitStack() as stack:
        streams = [iter(stack.enter_context(watch(live, job))) for _ in range(20)]
        for events in streams:
            next(events)
        written.clear()
        start_job(live.office, job)
        heard = [data_of(next(events))["state"] for events in streams]
    assert heard == ["running"] * 20
    assert len(written) == 1  # for all twenty
    assert set(looks) == {1}  # each look at one job, however many watch it
