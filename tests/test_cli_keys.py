"""``lendface keys``: what is printed, and what the keys then do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli
from lendface.cli_keys import open_desk
from lendface.errors import KeyExpiredError, KeyRevokedError
from lendface.service import ledger
from lendface.service.clients import (
    SmallDesk,
    find_client,
    key_text_of,
    list_clients,
    webhook_secret_of,
)


@pytest.fixture
def desk(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDesk]:
    """A server's database and secret, named as an operator names them."""
    for name in [name for name in os.environ if name.startswith("LENDFACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path))
    monkeypatch.setenv("LENDFACE_DATABASE_URL", database_url)
    with open_desk(None) as desk:
        yield desk


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["keys", *words])


def run_json(*words: str) -> dict[str, Any]:
    """The one object on standard output; nothing else is printed."""
    told = run(*words, "--json")
    assert (told.exit_code, told.stderr) == (0, ""), told.output
    (line,) = told.stdout.splitlines()
    return json.loads(line)


def test_a_new_key_is_one_json_object_of_three_fields(desk: SmallDesk) -> None:
    made = run_json("create", "--name", "Anna")
    assert set(made) == {"key", "client_id", "webhook_secret"}
    client = find_client(desk, made["key"])
    assert (client.id, client.name) == (made["client_id"], "Anna")
    assert client.scopes == {"read", "write"}
    assert webhook_secret_of(desk, client.id) == made["webhook_secret"]


def test_a_new_key_is_told_to_people_once(desk: SmallDesk) -> None:
    told = run("create", "--name", "Anna")
    facts = dict(line.split(maxsplit=1) for line in told.stdout.splitlines())
    assert find_client(desk, facts["key"]).id == facts["client_id"]
    assert facts["webhook_secret"].startswith("whsec_")
    assert "not shown again" in told.stderr
    again = run("list").output + run("list", "--json").output
    assert facts["client_id"] in again
    for secret in (facts["key"], facts["webhook_secret"]):
        assert secret not in again


def test_what_a_client_may_do_is_as_asked(desk: SmallDesk) -> None:
    made = run_json(
        "create", "--name", "Anna", "--scope", "read", "--scope", "admin", "--quota-units", "9",
        "--rate", "30", "--max-running", "2",
    )  # fmt: skip
    client = find_client(desk, made["key"])
    assert client.scopes == {"read", "admin"}
    assert (client.quota_units, client.rate_per_minute, client.max_running) == (9, 30, 2)


def test_the_list_tells_units_and_states_of_keys(desk: SmallDesk) -> None:
    assert "lendface keys create" in run("list").stdout
    made = run_json("create", "--name", "Анна", "--quota-units", "9")
    run_json("rotate", made["client_id"], "--grace", "3600")
    with desk.database.writing() as connection:
        ledger.grant(connection, made["client_id"], 3, desk.now_ms())
    (row,) = run_json("list")["clients"]
    assert (row["client_id"], row["name"], row["revoked"]) == (made["client_id"], "Анна", None)
    assert row["units"] == {"granted": 12, "used": 0, "held": 0, "left": 12}
    old, new = sorted(row["keys"], key=lambda key: key["expires"] is None)
    assert (old["state"], old["ends_with"]) == ("valid", made["key"][-4:])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", old["expires"])
    assert (new["state"], new["expires"], new["revoked"]) == ("valid", None, None)
    text = run("list").stdout
    for fact in (made["client_id"], "Анна", old["key_id"], "0 used, 0 held of 12", "valid until"):
        assert fact in text


def test_a_rotated_key_replaces_the_old_one(desk: SmallDesk) -> None:
    made = run_json("create", "--name", "Anna")
    renewed = run_json("rotate", made["client_id"])
    assert set(renewed) == {"key", "client_id"}
    assert find_client(desk, renewed["key"]).id == made["client_id"] == renewed["client_id"]
    with pytest.raises(KeyExpiredError):
        find_client(desk, made["key"])


def test_a_rotation_may_leave_a_grace_and_renew_the_secret(desk: SmallDesk) -> None:
    made = run_json("create", "--name", "Anna")
    renewed = run_json("rotate", made["client_id"], "--grace", "3600", "--webhook-secret")
    assert find_client(desk, made["key"]) == find_client(desk, renewed["key"])
    assert key_text_of(desk, made["client_id"]) == renewed["key"]
    secret = webhook_secret_of(desk, made["client_id"])
    assert secret == renewed["webhook_secret"] != made["webhook_secret"]


def test_units_are_granted_and_taken_back(desk: SmallDesk) -> None:
    made = run_json("create", "--name", "Anna", "--quota-units", "9")
    client = made["client_id"]
    assert run_json("grant", client, "3") == {"client_id": client, "granted": 3, "left": 12}
    assert run("grant", client, "-2").stdout == f"{client} has 10 units left\n"
    endless = run_json("create", "--name", "Otto")["client_id"]
    assert run("grant", endless, "1").stdout == f"{endless} has no end of units left\n"


def test_a_login_secret_is_the_same_until_it_is_renewed(desk: SmallDesk) -> None:
    client = run_json("create", "--name", "Anna")["client_id"]
    first = run("login-secret", client).stdout.strip()
    assert run_json("login-secret", client) == {"client_id": client, "login_secret": first}
    assert first not in run("list", "--json").stdout
    assert run("login-secret", client, "--renew").stdout.strip() != first


def test_one_key_or_a_whole_client_is_revoked(desk: SmallDesk) -> None:
    made = run_json("create", "--name", "Anna")
    renewed = run_json("rotate", made["client_id"], "--grace", "3600")
    (old,) = [key for key in list_clients(desk)[0].keys if made["key"].endswith(key.hint)]
    assert run_json("revoke", old.id) == {"revoked": "key", "id": old.id}
    with pytest.raises(KeyRevokedError):
        find_client(desk, made["key"])
    assert find_client(desk, renewed["key"]).id == made["client_id"]
    told = run("revoke", made["client_id"])
    assert told.stdout == f"revoked the client {made['client_id']}\n"
    with pytest.raises(KeyRevokedError):
        find_client(desk, renewed["key"])
    assert "revoked" in run("list").stdout


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["create", "--name", " "], 2, "bad_option"),
        (["create", "--name", "A", "--scope", "fly"], 2, "bad_option"),
        (["create", "--name", "A", "--rate", "0"], 2, "bad_option"),
        (["rotate", "nobody"], 2, "not_found"),
        (["rotate", "nobody", "--grace", "-1"], 2, "bad_option"),
        (["revoke", "nobody"], 2, "not_found"),
        (["grant", "nobody", "1"], 2, "not_found"),
        (["grant", "nobody", "0"], 2, "bad_option"),
        (["login-secret", "nobody"], 2, "not_found"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_goes_wrong_is_said_in_one_sentence(
    words: list[str], exit_code: int, code: str, desk: SmallDesk
) -> None:
    told = run(*words, "--json")
    assert (told.exit_code, told.stderr) == (exit_code, "")
    assert json.loads(told.stdout)["error"]["code"] == code
    told = run(*words)
    assert (told.exit_code, told.stdout) == (exit_code, "")
    (line,) = told.stderr.splitlines()
    assert line.startswith("lendface: ")
    assert line.endswith(f"[{code}]")
    assert list_clients(desk) == []


def test_a_database_that_is_none_is_told_without_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path))
    (tmp_path / "lendface.db").write_text("no database" * 100)
    told = run("create", "--name", "Anna", "--json")
    error = json.loads(told.stdout)["error"]
    assert (told.exit_code, error["code"]) == (7, "database_unavailable")
    assert str(tmp_path) not in told.output


# As a process


def test_the_installed_command_makes_a_key_where_there_was_nothing(tmp_path: Path) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith("LENDFACE_")}
    done = subprocess.run(
        [sys.executable, "-m", "lendface", "keys", "create", "--name", "Anna", "--json",
         "--data", str(tmp_path / "new")],
        capture_output=True, text=True, check=False, timeout=120, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"key", "client_id", "webhook_secret"}
    assert (tmp_path / "new" / "lendface.db").is_file()


def test_help_does_not_wait_for_a_database_to_be_loaded() -> None:
    script = (
        "import sys; from lendface import cli; "
        "print(sorted({'sqlalchemy', 'alembic', 'pydantic', 'cryptography'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
