"""Of two clients of one server none sees anything of the other's."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from system.backstage import Backstage
from system.conftest import Admit
from system.receivers import Receiver
from system.servers import DONE_S
from system.visitors import Json, Visitor

pytestmark = pytest.mark.services


def test_what_is_one_clients_is_nobodys_to_the_other(
    back: Backstage, admit: Admit, receiver: Receiver, film: Path, photo: Path
) -> None:
    owner, stranger = admit(back, "owner"), admit(back, "stranger")
    target, source = owner.upload(film), owner.upload(photo)
    endpoint = owner.post("/v1/webhooks/endpoints", {"url": f"{receiver.url}/told"})["id"]
    scan = owner.succeeded(owner.scan(target)["id"])["id"]
    swap = owner.succeeded(owner.swap(target, source)["id"])["id"]
    (letter, *_) = receiver.until_told(2)
    refused = [
        *[(m, f"/v1/jobs/{job}{rest}") for job in (swap, scan) for m, rest in OF_A_JOB],
        *[("GET", f"/v1/swaps/{swap}"), ("GET", f"/v1/scans/{scan}")],
        ("GET", f"/v1/scans/{scan}/tracks"),
        *[(method, f"/v1/uploads/{target}") for method in ("GET", "DELETE")],
        ("POST", f"/v1/uploads/{target}/link"),
        *[(method, f"/v1/webhooks/endpoints/{endpoint}") for method in ("GET", "DELETE")],
        ("POST", f"/v1/webhooks/endpoints/{endpoint}/test"),
        ("POST", f"/v1/webhooks/deliveries/{letter.id}/replay"),
    ]
    answers = {(m, path): stranger.http.request(m, path).status_code for m, path in refused}
    assert set(answers.values()) == {404}, answers
    for body in (
        stranger.swap_body(target, source),
        {**stranger.swap_body(photo, photo), "pairs": [by_scan(scan)]},
    ):
        assert stranger.http.post("/v1/swaps", json=body).status_code == 404
    for what in ("jobs", "webhooks/deliveries"):
        assert stranger.list_all(what) == []
    assert {upload["id"] for upload in stranger.list_all("uploads")}.isdisjoint({target, source})
    assert stranger.get("/v1/webhooks/endpoints")["items"] == []
    assert (stranger.used_units(), owner.used_units()) == (0, 1)
    assert owner.result(swap) != b""


OF_A_JOB = (
    ("GET", ""),
    ("DELETE", ""),
    ("GET", "/result"),
    ("HEAD", "/result"),
    ("GET", "/events"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
)


def by_scan(scan: str) -> Json:
    return {"source": {"scan_id": scan, "face": 1}}


@pytest.mark.parametrize("key", [None, "x" * 32, "Bearer"])
def test_without_a_right_key_nothing_is_told(back: Backstage, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    for path in ("/v1/jobs", "/v1/usage", "/v1/openapi.json", "/v1/nothing"):
        answer = httpx2.get(back.server.url + path, headers=headers, timeout=DONE_S)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_key_that_only_reads_changes_nothing(
    back: Backstage, admit: Admit, film: Path, photo: Path
) -> None:
    reader: Visitor = admit(back, "reader", scopes=["read"])
    for path in ("/v1/uploads", "/v1/swaps", "/v1/scans", "/v1/webhooks/endpoints"):
        assert reader.http.post(path, json={}).json()["code"] == "scope_missing"
    assert reader.list_all() == []
