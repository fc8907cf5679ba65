"""``lendface audit`` and ``lendface erase``: what is printed, and how they end."""

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
from lendface.cli_audit import read_time
from lendface.cli_desk import open_desk
from lendface.errors import BadOptionError
from lendface.serve.building import build_office, prepare
from lendface.service.audit import read, record_alone
from lendface.service.clients import SmallDesk, create_client
from lendface.service.jobs import submit
from lendface.service.office import Office
from lendface.service.requests import ScanJob
from lendface.service.uploads import Declared, declare, mark_received
from lendface.settings import load_settings
from lendface.storage.tables import audit

DAY_MS = 24 * 3600 * 1000


@pytest.fixture(autouse=True)
def _server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's folder, named as an operator names it."""
    for name in [name for name in os.environ if name.startswith("LENDFACE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))


@pytest.fixture
def desk() -> Iterator[SmallDesk]:
    """With four entries of four days."""
    with open_desk(None) as desk:
        for day in range(4):
            record_alone(desk.database, "key.revoked", f"key-{day}", None, {}, day * DAY_MS)
        yield desk


@pytest.fixture
def office() -> Iterator[Office]:
    built = build_office(load_settings())
    prepare(built)
    yield built.office
    built.close()


def run(*words: str, said: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, list(words), input=said)


def run_json(*words: str, code: int = 0) -> dict[str, Any]:
    told = run(*words, "--json")
    assert (told.exit_code, told.stderr) == (code, ""), told.output
    (line,) = told.stdout.splitlines()
    return json.loads(line)


def change(desk: SmallDesk, number: int) -> None:
    with desk.database.writing() as connection:
        connection.execute(audit.update().where(audit.c.id == number).values(subject="other"))


def test_a_chain_that_holds_is_told_with_its_head(desk: SmallDesk) -> None:
    found = run_json("audit", "verify")
    *_, newest = read(desk.database)
    assert found == {"holds": True, "entries": 4, "head": newest.hash, "breaks": []}
    told = run("audit", "verify")
    assert told.stdout == f"the chain of 4 entries holds; head {newest.hash}\n"


def test_a_changed_entry_is_named_and_ends_with_eight(desk: SmallDesk) -> None:
    change(desk, 2)
    found = run_json("audit", "verify", code=8)
    assert [(each["number"], each["kind"]) for each in found["breaks"]] == [(2, "changed")]
    told = run("audit", "verify")
    assert told.exit_code == 8
    assert "entry 2 was changed" in told.stdout
    assert "does not hold" in told.stdout


def test_a_cut_off_tail_is_found_by_a_head_that_was_kept(desk: SmallDesk) -> None:
    head = run_json("audit", "verify")["head"]
    assert run_json("audit", "verify", "--head", head)["holds"]
    with desk.database.writing() as connection:
        connection.execute(audit.delete().where(audit.c.id == 4))
    found = run_json("audit", "verify", "--head", head, code=8)
    assert [(each["number"], each["kind"]) for each in found["breaks"]] == [(4, "truncated")]


def test_a_head_that_is_no_hash_is_a_wrong_option() -> None:
    assert run_json("audit", "verify", "--head", "abc", code=2)["error"]["code"] == "bad_option"


def test_entries_of_a_span_of_time_are_exported_as_lines(desk: SmallDesk, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    words = ("audit", "export", "--since", "1970-01-02", "--until", "1970-01-04T01:00:00+01:00")
    assert run_json(*words, "-o", str(file)) == {"output": str(file), "entries": 2}
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [row["subject"] for row in rows] == ["key-1", "key-2"]
    assert rows[1]["previous"] == rows[0]["hash"]
    assert set(rows[0]) == {
        *("number", "at_ms", "action", "actor", "client_id", "subject", "detail"),
        *("previous", "hash"),
    }


def test_an_export_without_a_file_is_printed(desk: SmallDesk) -> None:
    told = run("audit", "export")
    assert [json.loads(line)["number"] for line in told.stdout.splitlines()] == [1, 2, 3, 4]


def test_an_export_overwrites_nothing_unless_told(desk: SmallDesk, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text("mine")
    words = ("audit", "export", "-o", str(file))
    assert run_json(*words, code=5)["error"]["code"] == "output_exists"
    assert file.read_text() == "mine"
    assert run_json(*words, "--force")["entries"] == 4
    nowhere = str(tmp_path / "no" / "log")
    assert run_json("audit", "export", "-o", nowhere, code=5)["error"]["code"] == (
        "output_folder_missing"
    )


def test_times_are_read_with_and_without_a_zone() -> None:
    assert read_time("--since", "1970-01-02") == DAY_MS
    assert read_time("--since", "1970-01-01T01:00:00+01:00") == 0
    assert read_time("--since", None) is None
    with pytest.raises(BadOptionError, match="--since yesterday"):
        read_time("--since", "yesterday")


def give(office: Office) -> tuple[str, str]:
    """A client, and its job that waits for a worker."""
    client = create_client(office, "Anna").client_id
    row, _ = declare(office, client, Declared("anna.mp4", "video/mp4", 4))
    office.blobs.put(row["blob_key"], [b"film"])
    mark_received(office, row["blob_key"], 4, "0" * 64)
    return client, submit(office, client, ScanJob(row["id"]))["id"]


def test_a_job_is_erased(office: Office) -> None:
    _, job = give(office)
    found = run_json("erase", "--job", job, "--yes")
    assert found == {
        "erased": "job",
        "id": job,
        "jobs": 1,
        "uploads": 1,
        "files": 1,
        "consents": 0,
        "messages": 0,
        "shared_with": [],
    }
    assert list(office.blobs.list()) == []
    assert run_json("audit", "verify")["holds"]


def test_a_client_is_erased_when_the_question_is_answered(office: Office) -> None:
    client, _ = give(office)
    assert run("erase", "--client", client, said="n\n").exit_code == 130
    assert len(list(office.blobs.list())) == 1
    told = run("erase", "--client", client, said="y\n")
    assert told.exit_code == 0
    assert "1 jobs, 1 uploads, 1 files" in told.stdout
    assert list(office.blobs.list()) == []


def test_files_that_stay_are_told(office: Office) -> None:
    client, job = give(office)
    with office.database.reading() as connection:
        upload = connection.exec_driver_sql("SELECT id FROM uploads").scalar_one()
    other = submit(office, client, ScanJob(upload))["id"]
    told = run("erase", "--job", job, "--yes")
    assert f"  {other}\n" in told.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--yes",),
        ("--job", "a", "--client", "b", "--yes"),
        ("--job", "a"),
        ("--job", "nobody", "--yes"),
        ("--client", "nobody", "--yes"),
        ("--consent", "nobody", "--yes"),
    ],
    ids=["nothing", "two things", "unasked", "no job", "no client", "no consent"],
)
def test_what_cannot_be_erased_is_a_wrong_option(words: tuple[str, ...]) -> None:
    assert run_json("erase", *words, code=2)["error"]["code"] in ("bad_option", "not_found")
