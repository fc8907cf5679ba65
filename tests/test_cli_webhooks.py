"""``lendface webhooks``: what is printed, and what is then told to whom."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli
from lendface.cli_desk import open_desk
from lendface.service.clients import SmallDesk, create_client
from lendface.service.endpoints import MAX_ENDPOINTS, enabled_endpoints, list_endpoints

URL = "https://receiver.example/told"


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDesk]:
    for name in [name for name in os.environ if name.startswith("LENDFACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path))
    monkeypatch.setenv("LENDFACE_DATABASE_URL", database_url)
    with open_desk(None) as desk:
        yield desk


@pytest.fixture
def client(desk: SmallDesk) -> str:
    return create_client(desk, "Anna").client_id


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["webhooks", *words])


def run_json(*words: str) -> dict[str, Any]:
    told = run(*words, "--json")
    assert (told.exit_code, told.stderr) == (0, ""), told.output
    return json.loads(told.stdout)


def test_an_endpoint_is_made_listed_and_deleted(desk: SmallDesk, client: str) -> None:
    assert "lendface webhooks create" in run("list", client).stdout
    made = run_json("create", client, URL)
    assert made["secret"].startswith("whsec_")
    facts = {"endpoint_id": made["endpoint_id"], "api": "youcam", "url": URL, "state": "enabled"}
    assert made == {**facts, "secret": made["secret"]}
    assert run_json("list", client) == {"endpoints": [facts]}
    assert run("list", client).stdout == f"{made['endpoint_id']}  youcam  enabled  {URL}\n"
    with desk.database.reading() as connection:
        assert len(enabled_endpoints(connection, client, "youcam")) == 1
    assert run_json("delete", client, made["endpoint_id"]) == {"deleted": made["endpoint_id"]}
    assert run_json("list", client) == {"endpoints": []}


def test_the_secret_is_shown_once_and_kept_sealed(desk: SmallDesk, client: str) -> None:
    told = run("create", client, URL)
    secret = told.stdout.split()[-1]
    assert secret.startswith("whsec_")
    assert "not shown again" in told.stderr
    (row,) = list_endpoints(desk, client)
    assert secret not in run("list", client, "--json").output + str(dict(row))


def test_each_api_has_its_own_ten(desk: SmallDesk, client: str) -> None:
    for _ in range(MAX_ENDPOINTS):
        run_json("create", client, URL)
    assert run("create", client, URL).exit_code == 7
    assert run_json("create", client, URL, "--api", "native")["api"] == "native"
    assert len(list_endpoints(desk, client, "youcam")) == MAX_ENDPOINTS


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["create", "nobody", URL], 2, "not_found"),
        (["create", "{client}", "receiver.example"], 1, "url_invalid"),
        (["create", "{client}", "http://10.0.0.1/told"], 1, "url_not_allowed"),
        (["list", "nobody"], 2, "not_found"),
        (["delete", "{client}", "none"], 2, "not_found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_goes_wrong_is_said_in_one_sentence(
    words: list[str], exit_code: int, code: str, client: str
) -> None:
    told = run(*(word.format(client=client) for word in words), "--json")
    assert (told.exit_code, told.stderr) == (exit_code, "")
    assert json.loads(told.stdout)["error"]["code"] == code


def test_a_private_receiver_has_to_be_allowed(client: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_FETCH_ALLOW", "10.0.0.1")
    assert run_json("create", client, "http://10.0.0.1/told")["state"] == "enabled"
