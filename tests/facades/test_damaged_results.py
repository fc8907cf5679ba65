"""A file that is not what was made is never handed out, by whichever way it is asked for."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from facades.belongings import FILM, MANIFEST, finish_swap, send_upload, submit_swap
from lendface.service.office import Office
from lendface.storage.tables import uploads
from service.offices import Clock

WRONG = [FILM[:-1], FILM[::-1], b"", None]
IDS = ["truncated", "garbage", "empty", "missing"]


@pytest.fixture
def swap(me: TestClient, office: Office) -> str:
    job = submit_swap(me, send_upload(me))
    finish_swap(office, job)
    return job


def damage(office: Office, key: str, data: bytes | None) -> None:
    if data is None:
        office.blobs.delete(key)
    else:
        office.blobs.put(key, [data])


@pytest.mark.parametrize("wrong", WRONG, ids=IDS)
def test_by_key(me: TestClient, office: Office, swap: str, wrong: bytes | None) -> None:
    way = f"/v1/jobs/{swap}/result"
    assert me.get(way).content == FILM
    damage(office, f"results/{swap}/result.mp4", wrong)
    for headers in ({}, {"Range": "bytes=5-"}):
        answer = me.get(way, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (410, "result_damaged")
    assert me.head(way).status_code == 410
    assert me.get(f"{way}/manifest").content == MANIFEST


def test_after_its_time_it_is_gone_and_not_damaged(
    me: TestClient, office: Office, swap: str, clock: Clock
) -> None:
    office.blobs.delete(f"results/{swap}/result.mp4")
    clock.ms += office.rules.keep_ms + 1
    answer = me.get(f"/v1/jobs/{swap}/result")
    assert (answer.status_code, answer.json()["code"]) == (410, "result_gone")


@pytest.mark.parametrize("wrong", WRONG[:3], ids=IDS[:3])
def test_by_link(
    nobody: TestClient, office: Office, swap: str, wrong: bytes, me: TestClient
) -> None:
    key = f"results/{swap}/result.mp4"
    link = office.links.presign_get(key, 60, office.now_s)
    assert nobody.get(link).content == FILM
    damage(office, key, wrong)
    answer = nobody.get(link)
    assert (answer.status_code, answer.json()["code"]) == (410, "result_damaged")


def test_an_upload_by_link(nobody: TestClient, me: TestClient, office: Office) -> None:
    key = _key_of(office, send_upload(me))
    link = office.links.presign_get(key, 60, office.now_s)
    assert nobody.get(link).content == FILM
    damage(office, key, FILM[::-1])
    answer = nobody.get(link)
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_lost")


def _key_of(office: Office, upload_id: str) -> str:
    with office.database.reading() as connection:
        query = sa.select(uploads.c.blob_key).where(uploads.c.id == upload_id)
        return connection.execute(query).scalar_one()
