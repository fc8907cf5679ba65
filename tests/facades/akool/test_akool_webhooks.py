"""Webhooks as receivers get them, read by a receiver that shares nothing with us."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.akool.bodies import V3_VIDEO, video
from facades.akool.receiver import Receiver, decrypt, is_genuine
from facades.akool.workers import FILM, finish_film, start_film
from lendface.facades.akool.app import akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.facades.akool.webhooks import AkoolForm, plaintext_of
from lendface.service.clients import NewClient, list_clients, revoke_key, rotate_key
from lendface.service.deliveries import attempt
from lendface.service.jobs import get_row
from lendface.service.office import Office
from lendface.service.rates import RateLimiter
from lendface.service.states import CANCELLED, FAILED
from lendface.service.work import JobWork
from lendface.storage.tables import deliveries
from service.offices import BASE_URL, Clock, RecordingQueue, end_job


def submit(me: TestClient, url: str) -> dict[str, Any]:
    return me.post(V3_VIDEO, json=video(webhookUrl=url)).json()["data"]


def begin(office: Office, job_id: str) -> None:
    """As a worker does it."""
    nothing: Any = None
    assert JobWork(office, nothing, nothing, nothing).claim(job_id, 1, "fetch", "a worker") == 1
    assert JobWork(office, nothing, nothing, nothing).claim(job_id, 1, "probe", "a worker") == 1
    start_film(office, job_id)


def deliver(office: Office) -> None:
    """Every attempt that waits in the queue, once."""
    assert isinstance(office.queue, RecordingQueue)
    waiting, office.queue.sent[:] = list(office.queue.sent), []
    for delivery_id, round_number, number in waiting:
        attempt(office, delivery_id, round_number, number)


def state_of(office: Office) -> list[tuple[str, str]]:
    with office.database.reading() as connection:
        query = sa.select(deliveries.c.type, deliveries.c.state).order_by(deliveries.c.id)
        return [(row.type, row.state) for row in connection.execute(query)]


def test_a_receiver_of_its_own_making_reads_start_and_end(
    me: TestClient, nobody: TestClient, office: Office, made: NewClient, clock: Clock
) -> None:
    with Receiver() as receiver:
        data = submit(me, receiver.url)
        begin(office, data["_id"])
        deliver(office)
        clock.pass_s(60)
        finish_film(office, data["_id"])
        deliver(office)
    for call in receiver.calls:
        assert set(call.body) == {"signature", "dataEncrypt", "timestamp", "nonce"}
        assert (call.path, call.content_type) == ("/hook", "application/json")
        assert is_genuine(made.client_id, call.body)
        assert re.fullmatch("[0-9a-f]{40}", call.body["signature"])
        assert re.fullmatch(r"\d{4}", call.body["nonce"])
        assert type(call.body["timestamp"]) is int
    assert receiver.calls[1].body["timestamp"] == clock.ms
    started, ended = (decrypt(made.client_id, made.key, call.body) for call in receiver.calls)
    assert started == {"_id": data["_id"], "status": 2, "type": "faceswap", "url": ""}
    assert ended == {
        "_id": data["_id"],
        "status": 3,
        "type": "faceswap",
        "url": data["url"],
        "deduction_credit": 2,
    }
    assert nobody.get(ended["url"]).content == FILM
    assert [state for _, state in state_of(office)] == ["delivered", "delivered"]


def test_only_the_right_secret_opens_it_and_nothing_may_be_changed(
    me: TestClient, office: Office, made: NewClient
) -> None:
    with Receiver() as receiver:
        finish_film(office, submit(me, receiver.url)["_id"])
        deliver(office)
    [call] = receiver.calls
    wrong_key = made.key[::-1]
    with pytest.raises((subprocess.CalledProcessError, UnicodeDecodeError, ValueError)):
        decrypt(made.client_id, wrong_key, call.body)
    for name, value in (
        ("timestamp", call.body["timestamp"] + 1),
        ("nonce", "x"),
        ("dataEncrypt", call.body["dataEncrypt"][::-1]),
    ):
        assert not is_genuine(made.client_id, call.body | {name: value})
    assert not is_genuine("another-client-i", call.body)


@pytest.mark.parametrize("state", [FAILED, CANCELLED])
def test_a_failure_has_status_4_and_says_why(
    me: TestClient, office: Office, made: NewClient, state: Any
) -> None:
    why = {"error_code": "no_face_in_target", "error_message": "no face"} if state == FAILED else {}
    with Receiver() as receiver:
        data = submit(me, receiver.url)
        end_job(office, data["_id"], state, **why)
        deliver(office)
    [call] = receiver.calls
    assert decrypt(made.client_id, made.key, call.body) == {
        "_id": data["_id"],
        "status": 4,
        "type": "faceswap",
        "url": "",
        "error_msg": "no face" if why else "the job was cancelled",
    }


def test_anything_but_200_is_tried_again(me: TestClient, office: Office, made: NewClient) -> None:
    with Receiver([500, 204, 302]) as receiver:
        finish_film(office, submit(me, receiver.url)["_id"])
        for _ in range(5):
            deliver(office)
    assert len(receiver.calls) == 4
    plain = [decrypt(made.client_id, made.key, call.body) for call in receiver.calls]
    assert all(each == plain[0] for each in plain)
    assert state_of(office) == [("faceswap.ended", "delivered")]


def test_a_start_that_nobody_took_is_not_told_after_the_end(
    me: TestClient, office: Office, made: NewClient
) -> None:
    with Receiver([503]) as receiver:
        data = submit(me, receiver.url)
        begin(office, data["_id"])
        deliver(office)
        finish_film(office, data["_id"])
        deliver(office)
        deliver(office)
    told = [decrypt(made.client_id, made.key, call.body)["status"] for call in receiver.calls]
    assert told == [2, 3]
    assert state_of(office) == [
        ("faceswap.processing", "failed"),
        ("faceswap.ended", "delivered"),
    ]


def test_an_operator_may_leave_the_start_untold(office: Office, made: NewClient) -> None:
    options = AkoolOptions(BASE_URL, processing_webhooks=False)
    app = akool_app(office, RateLimiter(office.now_ms), options)
    with Receiver() as receiver, TestClient(app, headers={"x-api-key": made.key}) as me:
        data = submit(me, receiver.url)
        begin(office, data["_id"])
        finish_film(office, data["_id"])
        deliver(office)
    assert len(receiver.calls) == 1


def test_each_key_is_the_secret_of_its_own_jobs(
    app: FastAPI, me: TestClient, office: Office, made: NewClient
) -> None:
    with Receiver() as receiver:
        first = submit(me, receiver.url)["_id"]
        new = rotate_key(office, made.client_id, grace_s=3600)
        with TestClient(app, headers={"x-api-key": new.key}) as renewed:
            second = submit(renewed, receiver.url)["_id"]
        finish_film(office, second)
        finish_film(office, first)
        deliver(office)
        assert read_id(made.client_id, new.key, receiver.calls[0].body) == second
        assert read_id(made.client_id, made.key, receiver.calls[1].body) == first

        third = submit(me, receiver.url)["_id"]
        revoke_key(office, list_clients(office)[0].keys[0].id)
        finish_film(office, third)
        deliver(office)
        assert read_id(made.client_id, new.key, receiver.calls[2].body) == third


def read_id(client_id: str, key: str, body: dict[str, Any]) -> str:
    return decrypt(client_id, key, body)["_id"]


def test_without_any_key_left_it_is_not_sent(
    me: TestClient, office: Office, made: NewClient
) -> None:
    with Receiver() as receiver:
        job_id = submit(me, receiver.url)["_id"]
        revoke_key(office, list_clients(office)[0].keys[0].id)
        finish_film(office, job_id)
        deliver(office)
        assert not receiver.calls
    assert state_of(office) == [("faceswap.ended", "waiting")]


def test_the_plain_text_is_written_as_in_the_reference() -> None:
    job = {
        "id": "65f7d2a1c4b8e90012ab34ce",
        "state": "running",
        "notes": {"base": "https://swap.example.test", "link": "t", "ending": "mp4"},
        "result": None,
    }
    assert plaintext_of(job) == (
        '{"_id":"65f7d2a1c4b8e90012ab34ce","status":2,"type":"faceswap","url":""}'
    )


def test_a_tried_again_job_tells_of_both_ends(
    me: TestClient, office: Office, made: NewClient
) -> None:
    form = AkoolForm()
    job_id = submit(me, "https://a.example/hook")["_id"]
    end_job(office, job_id, FAILED, error_code="internal", error_message="x")
    with office.database.reading() as connection:
        row = dict(get_row(connection, job_id))
        [first] = form.messages(connection, office, row, "failed")
        [again] = form.messages(connection, office, row | {"run": 2}, "failed")
    assert first.id != again.id
