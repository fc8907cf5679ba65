"""Units: what things cost, when they are charged, and how that is told."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from facades.belongings import send_upload, submit_swap
from facades.youcam.conftest import NewCustomer
from facades.youcam.customers import (
    V1,
    V2,
    VIDEO,
    Customer,
    fail,
    failure_of,
    job_of,
    succeed,
)
from lendface.pipeline.limits import TargetFacts
from lendface.service import ledger
from lendface.service.office import Office
from lendface.service.prices import units_of
from lendface.service.requests import load_request
from lendface.service.states import SUCCEEDED
from service.offices import BASE_URL, Clock, end_job

INVALID = 400, "InvalidParameters"
FACE_URL = "https://cdn.example.test/face.jpg"


def begin(me: Customer, seconds: int) -> Any:
    body = {"src_file_url": FACE_URL, "ref_file_url": FACE_URL, "dst_duration": seconds}
    return me.http.post(f"{V2}/task/{VIDEO}", json=body)


def client_of(office: Office, me: Customer) -> str:
    return job_of(office, me.begin_video(dst_duration=1))["client_id"]


def grant(office: Office, client_id: str, units: int) -> None:
    with office.database.writing() as connection:
        ledger.grant(connection, client_id, units, office.now_ms())


# Prices


def test_costs_are_told_as_in_the_reference(me: Customer) -> None:
    answer = me.http.get(f"{V2}/credit/feature-cost")
    assert answer.json() == {
        "status": 200,
        "result": {
            "next_token": None,
            "skus": [
                {
                    "description": "AI Video Face Swap",
                    "amount": 1,
                    "unit": "second",
                    "proc_unit": 5,
                    "run_task_url": f"{BASE_URL}/s2s/v2.0/task/face-swap-vid",
                },
                {
                    "description": "AI Face Swap",
                    "amount": 1,
                    "unit": "result_image",
                    "proc_unit": 1,
                    "run_task_url": f"{BASE_URL}/s2s/v2.0/task/face-swap",
                },
            ],
        },
    }


def test_costs_come_in_pages(me: Customer) -> None:
    def page(token: str | None) -> Any:
        query = {"page_size": 1} | ({"starting_token": token} if token else {})
        return me.http.get(f"{V2}/credit/feature-cost", params=query).json()["result"]

    first = page(None)
    assert first["next_token"] == "MQ"
    second = page(first["next_token"])
    assert second["next_token"] is None
    assert first["skus"] != second["skus"]


@pytest.mark.parametrize(
    "query",
    [
        {"page_size": 21},
        {"page_size": 0},
        {"page_size": "many"},
        {"starting_token": "null"},
        {"starting_token": ""},
        {"starting_token": "MQ=="},
        {"starting_token": "LTE"},
        {"starting_token": "ä"},
        {"starting_token": "x" * 101},
    ],
    ids=str,
)
def test_a_page_that_is_none_is_refused(me: Customer, query: dict[str, Any]) -> None:
    answer = me.http.get(f"{V2}/credit/feature-cost", params=query)
    assert failure_of(answer) == INVALID


@pytest.mark.parametrize(
    ("seconds", "length_s", "units"),
    [(5, 60, 1), (6, 60, 2), (30, 60, 6), (12, 12.4, 3), (30, 4.2, 1), (10, 10.5, 2)],
)
def test_five_seconds_cost_a_unit_up_to_the_films_own_length(
    me: Customer, office: Office, seconds: int, length_s: float, units: int
) -> None:
    task_id = me.begin_video(dst_duration=seconds)
    facts = TargetFacts("video", "mov,mp4", "h264", 640, 480, 1000, length_s, 100, 25.0)
    assert units_of(load_request(job_of(office, task_id)["request"]), facts) == units


# The balance


def test_credit_is_told_as_in_the_reference(me: Customer) -> None:
    answer = me.http.get(f"{V1}/client/credit")
    assert answer.json() == {
        "status": 200,
        "results": [
            {
                "id": 1,
                "type": "ApiPaygToken",
                "amount": 100,
                "amount_dec": 100.00,
                "expiry": 4_102_444_800_000,
            }
        ],
    }
    assert isinstance(answer.json()["results"][0]["amount"], int)
    assert b'"amount_dec":100.0,' in answer.content


def test_only_success_is_charged_and_once(me: Customer, office: Office) -> None:
    task_id = me.begin_video(dst_duration=30)
    assert me.credit() == 100
    succeed(office, task_id)
    assert me.credit() == 94
    job = job_of(office, task_id)
    with office.database.writing() as connection:
        assert not ledger.charge(connection, job["id"], office.now_ms())
    assert me.credit() == 94


def test_a_failed_task_costs_nothing(me: Customer, office: Office) -> None:
    fail(office, me.begin_video(dst_duration=30), "no_face_in_target")
    assert me.credit() == 100
    assert me.history()["history"] == []


def test_the_balance_must_cover_all_that_runs(new_customer: NewCustomer, office: Office) -> None:
    """Units are set aside with the task, so that two tasks cannot count on the same ones."""
    me = new_customer(quota_units=5)
    task_id = begin(me, 20).json()["data"]["task_id"]
    assert failure_of(begin(me, 10)) == (400, "CreditInsufficiency")
    assert me.credit() == 5
    second = begin(me, 5).json()["data"]["task_id"]
    fail(office, task_id, "no_face_in_target")
    assert begin(me, 10).status_code == 200
    succeed(office, second)
    assert me.credit() == 4


def test_without_any_units_nothing_is_begun_but_faces_are_found(
    new_customer: NewCustomer,
) -> None:
    me = new_customer(quota_units=0)
    assert failure_of(begin(me, 1)) == (400, "CreditInsufficiency")
    picture = me.upload()
    body = {"src_file_id": picture, "ref_file_ids": [picture]}
    mapping = {"face_mapping": [{"index": 0, "position": 0}]}
    answer = me.http.post(f"{V2}/task/face-swap", json=body | mapping)
    assert failure_of(answer) == (400, "CreditInsufficiency")
    assert me.begin("face-swap/pre-process", {"src_file_id": picture})
    assert me.credit() == 0


def test_what_cannot_be_paid_leaves_nothing_behind(
    new_customer: NewCustomer, office: Office
) -> None:
    me = new_customer(quota_units=1)
    assert failure_of(begin(me, 30)) == (400, "CreditInsufficiency")
    assert me.http.get("/v1/jobs").json()["items"] == []
    assert me.http.get("/v1/uploads").json()["items"] == []


def test_a_client_without_a_quota_sees_a_large_number(new_customer: NewCustomer) -> None:
    assert new_customer().credit() == 1_000_000_000


# The ledger


def test_history_tells_charges_and_grants_newest_first(
    me: Customer, office: Office, clock: Clock
) -> None:
    client = client_of(office, me)
    grant(office, client, 50)
    clock.pass_s(60)
    task_id = me.begin_video(dst_duration=12)
    succeed(office, task_id)
    history = me.history()
    charge, granted = history["history"]
    assert history["next_token"] is None
    assert charge == {
        "id": charge["id"],
        "timestamp": clock.ms,
        "action": "api_face_swap_vid",
        "target_id": task_id,
        "info": {"credits": [{"id": 1, "amount": -3, "amount_dec": -3.0}]},
    }
    assert granted == {
        "id": granted["id"],
        "timestamp": clock.ms - 60_000,
        "action": "permanent_credits",
        "target_id": str(granted["id"]),
        "info": {"credits": [{"id": 1, "amount": 50, "amount_dec": 50.0}]},
    }
    assert me.credit() == 147


def test_what_is_taken_back_has_expired(me: Customer, office: Office) -> None:
    grant(office, client_of(office, me), -10)
    (entry,) = me.history()["history"]
    assert (entry["action"], entry["info"]["credits"][0]["amount"]) == ("expire", -10)
    assert me.credit() == 90


def test_charges_of_other_apis_are_in_the_history_too(me: Customer, office: Office) -> None:
    assert isinstance(me.http, TestClient)
    job_id = submit_swap(me.http, send_upload(me.http))
    client_id = client_of(office, me)
    with office.database.writing() as connection:
        ledger.hold(connection, client_id, job_id, 2, office.now_ms())
    end_job(office, job_id, SUCCEEDED, result={}, units=2)
    (entry,) = me.history()["history"]
    assert (entry["action"], entry["target_id"]) == ("api_swap", job_id)


def test_history_comes_in_pages(me: Customer, office: Office) -> None:
    client = client_of(office, me)
    for units in range(1, 6):
        grant(office, client, units)
    found, token, pages = [], None, 0
    while True:
        page = me.history(page_size=2, **({"starting_token": token} if token else {}))
        found += [entry["info"]["credits"][0]["amount"] for entry in page["history"]]
        token, pages = page["next_token"], pages + 1
        if token is None:
            break
    assert (found, pages) == ([5, 4, 3, 2, 1], 3)


def test_the_word_null_asks_for_the_first_page(me: Customer, office: Office) -> None:
    """So the vendor's page on the history says; for costs the live service refuses it."""
    grant(office, client_of(office, me), 1)
    assert len(me.history(starting_token="null")["history"]) == 1


@pytest.mark.parametrize(
    "query",
    [{"page_size": 31}, {"page_size": 0}, {"starting_token": "?"}, {"starting_token": "OTk5" * 9}],
    ids=str,
)
def test_a_page_of_history_that_is_none_is_refused(me: Customer, query: dict[str, Any]) -> None:
    answer = me.http.get(f"{V1}/client/credit/history", params=query)
    assert failure_of(answer) == INVALID


def test_nobody_sees_anothers_units(me: Customer, other: Customer, office: Office) -> None:
    grant(office, client_of(office, me), 7)
    assert other.history()["history"] == []
