"""Consents and attestations over the native API; a worker is played by the tests."""

from __future__ import annotations

import numpy as np
import pytest
from starlette.testclient import TestClient

from facades.belongings import send_upload, submit_swap
from lendface.service import consents
from lendface.service.house import Housekeeping
from lendface.service.office import Office
from lendface.service.permission import rest_on
from lendface.storage.tables import consents as table
from service.offices import Clock, change_job, new_client, start_job

FACE = np.eye(1, 128, dtype=np.float32)[0]
PHOTO_SHA256 = "ab" * 32


def add(me: TestClient, upload: str, **more: object) -> dict[str, object]:
    body = {"photo": {"upload_id": upload}, "label": "Anna", **more}
    answer = me.post("/v1/consents", json=body)
    assert answer.status_code == 202
    return answer.json()


def add_valid(me: TestClient, office: Office, **more: object) -> str:
    """As if a worker had found the face."""
    consent_id = str(add(me, send_upload(me), **more)["id"])
    consents.keep_face(office, consent_id, FACE, PHOTO_SHA256)
    return consent_id


def rest(office: Office, job_id: str, consent_id: str) -> None:
    """As a worker writes down what it matched."""
    with office.database.writing() as connection:
        job = consents.get_row(connection, job_id)
        rest_on(connection, office, job, [consent_id])


def job_of(me: TestClient, job_id: str) -> dict[str, object]:
    return me.get(f"/v1/jobs/{job_id}").raise_for_status().json()


# On record


def test_a_consent_waits_for_its_face_and_is_then_valid(me: TestClient, office: Office) -> None:
    made = add(me, send_upload(me), scope="the trailer", statement="by e-mail")
    assert (made["state"], made["label"], made["scope"]) == ("pending", "Anna", "the trailer")
    assert me.get("/v1/jobs").json()["items"][0]["kind"] == "consent"
    consents.keep_face(office, str(made["id"]), FACE, PHOTO_SHA256)
    now = me.get(f"/v1/consents/{made['id']}").json()
    assert (now["state"], now["photo_sha256"], now["statement"]) == (
        "valid",
        PHOTO_SHA256,
        "by e-mail",
    )
    assert me.get("/v1/consents").json()["items"] == [now]


def test_what_names_or_shows_a_person_is_sealed_in_the_database(
    me: TestClient, office: Office
) -> None:
    add_valid(me, office, statement="Anna signed")
    with office.database.reading() as connection:
        row = connection.execute(table.select()).mappings().one()
    assert "Anna" not in row["label"] + row["statement"]
    assert all(row[name].startswith("v1.") for name in ("label", "statement", "embedding"))


def test_a_consent_expires(me: TestClient, office: Office, clock: Clock) -> None:
    consent_id = add_valid(me, office, until="2026-10-01T00:00:00Z")
    clock.pass_s(400 * 24 * 3600)
    assert me.get(f"/v1/consents/{consent_id}").json()["state"] == "expired"


def test_terms_that_make_no_sense_are_refused(me: TestClient) -> None:
    upload = send_upload(me)
    for wrong in ({"until": "2001-01-01T00:00:00Z"}, {"label": " "}, {"evidence_sha256": "x"}):
        body = {"photo": {"upload_id": upload}, "label": "Anna", **wrong}
        assert me.post("/v1/consents", json=body).status_code == 422


# Asked for


def test_a_key_without_an_attestation_swaps_nothing_until_its_owner_attests(
    nobody: TestClient, office: Office
) -> None:
    nobody.headers["X-Api-Key"] = new_client(office, "new", is_attested=False).key
    upload = send_upload(nobody)
    body = {
        "target": {"upload_id": upload},
        "pairs": [{"source": {"upload_ids": [upload]}}],
    }
    refused = nobody.post("/v1/swaps", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "attestation_missing")
    assert not nobody.get("/v1/attestation").json()["is_attested"]
    told = nobody.post("/v1/attestation", json={"text_version": 1})
    assert (told.status_code, told.json()["made_by"]) == (201, "client")
    assert nobody.post("/v1/swaps", json=body).status_code == 202


def test_each_job_records_the_attestation_it_ran_under(me: TestClient, office: Office) -> None:
    job_id = submit_swap(me, send_upload(me))
    with office.database.reading() as connection:
        assert consents.get_row(connection, job_id)["attestation_id"] is not None
    assert me.get("/v1/attestation").json()["made_by"] == "operator"


def test_a_client_held_to_consents_needs_one_before_anything_is_queued(
    nobody: TestClient, office: Office
) -> None:
    made = new_client(office, "strict", consent_policy="per_face")
    nobody.headers["X-Api-Key"] = made.key
    assert nobody.get("/v1/attestation").json()["policy"] == "per_face"
    upload = send_upload(nobody)
    body = {
        "target": {"upload_id": upload},
        "pairs": [{"source": {"upload_ids": [upload]}}],
    }
    refused = nobody.post("/v1/swaps", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_missing")
    add_valid(nobody, office)
    assert nobody.post("/v1/swaps", json=body).status_code == 202


def test_somebody_elses_consent_is_as_good_as_none(
    me: TestClient, other: TestClient, office: Office
) -> None:
    consent_id = add_valid(me, office)
    upload = send_upload(other)
    body = {
        "target": {"upload_id": upload},
        "pairs": [{"source": {"upload_ids": [upload]}}],
        "consents": [consent_id],
    }
    refused = other.post("/v1/swaps", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_missing")


# Withdrawn


def test_a_withdrawal_stops_what_waits_and_what_runs(me: TestClient, office: Office) -> None:
    consent_id = add_valid(me, office)
    upload = send_upload(me)
    waiting = submit_swap(me, upload, consents=[consent_id])
    running, other = submit_swap(me, upload), submit_swap(me, upload)
    start_job(office, running)
    rest(office, running, consent_id)
    told = me.post(f"/v1/consents/{consent_id}/withdraw").json()
    assert told["state"] == "withdrawn"
    for job_id in (waiting, running):
        job = job_of(me, job_id)
        assert (job["state"], job["error"]["code"]) == ("failed", "consent_withdrawn")
    assert job_of(me, other)["state"] == "queued"
    with office.database.reading() as connection:
        assert connection.execute(table.select()).mappings().one()["embedding"] is None
    refused = me.post(
        "/v1/swaps",
        json={
            "target": {"upload_id": upload},
            "pairs": [{"source": {"upload_ids": [upload]}}],
            "consents": [consent_id],
        },
    )
    assert refused.json()["code"] == "consent_withdrawn"


@pytest.mark.parametrize("purge", [False, True])
def test_results_go_with_a_withdrawal_only_where_that_is_asked_for(
    me: TestClient, office: Office, purge: bool
) -> None:
    from facades.belongings import finish_swap

    consent_id = add_valid(me, office)
    done = submit_swap(me, send_upload(me), consents=[consent_id])
    finish_swap(office, done)
    query = "?purge=true" if purge else ""
    assert me.delete(f"/v1/consents/{consent_id}{query}").status_code == 204
    assert me.get(f"/v1/jobs/{done}/result").status_code == (410 if purge else 200)
    assert job_of(me, done)["state"] == "succeeded"


def test_a_worker_that_matched_just_then_finds_the_consent_withdrawn(
    me: TestClient, office: Office
) -> None:
    consent_id = add_valid(me, office)
    job_id = submit_swap(me, send_upload(me))
    me.post(f"/v1/consents/{consent_id}/withdraw").raise_for_status()
    with pytest.raises(consents.ConsentWithdrawnError):
        rest(office, job_id, consent_id)


def test_housekeeping_stops_what_a_broken_off_withdrawal_left(
    me: TestClient, office: Office
) -> None:
    consent_id = add_valid(me, office)
    job_id = submit_swap(me, send_upload(me), consents=[consent_id])
    change_job(office, job_id)
    with office.database.writing() as connection:
        connection.execute(table.update().values(withdrawn_ms=office.now_ms()))
    Housekeeping(office, "cpu", lambda job, run: True).stop_withdrawn()
    assert job_of(me, job_id)["error"]["code"] == "consent_withdrawn"
