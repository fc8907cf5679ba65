"""The command line of consent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli, cli_consent
from lendface.errors import AttestationMissingError
from material import Material
from people import read_person


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def add(photo: Path, *words: str) -> str:
    told = run("consent", "add", photo, "--label", "Anna", *words, "--json")
    assert told.exit_code == 0
    return json.loads(told.stdout)["consent_id"]


def test_a_record_is_added_shown_and_withdrawn(material: Material) -> None:
    consent_id = add(material.photo, "--until", "2999-01-01", "--statement", "signed")
    assert "valid" in run("consent", "list").stdout
    assert json.loads(run("consent", "show", consent_id, "--json").stdout)["jobs"] == []
    withdrawn = run("consent", "withdraw", consent_id, "--purge", "--json")
    assert json.loads(withdrawn.stdout)["state"] == "withdrawn"


def test_an_unknown_client_or_record_is_refused(material: Material) -> None:
    wrong = run("consent", "add", material.photo, "--label", "Anna", "--client", "nobody")
    assert (wrong.exit_code, "not_found" in wrong.stderr) == (2, True)
    assert run("consent", "withdraw", "nothing").exit_code == 2


def test_without_a_terminal_the_statement_is_implied_and_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli_consent.ask(as_json=False)
    assert "states" in capsys.readouterr().err
    assert cli_consent.read_answer() == "implied"
    cli_consent.ask(as_json=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("yes", [True, False])
def test_on_a_terminal_it_is_asked_once_even_after_an_implied_one(
    yes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def confirm(text: str, err: bool) -> bool:
        asked.append(text)
        return yes

    cli_consent.keep_answer("implied")
    for stream in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    if not yes:
        with pytest.raises(AttestationMissingError):
            cli_consent.ask(as_json=False)
        assert cli_consent.read_answer() == "implied"
        return
    for _ in range(2):
        cli_consent.ask(as_json=False)
    assert (len(asked), cli_consent.read_answer()) == (1, "given")


def test_attest_gives_it_beforehand() -> None:
    assert run("consent", "attest").exit_code == 0
    assert cli_consent.read_answer() == "given"


def test_a_swap_may_name_a_record_that_its_source_must_match(
    material: Material, here: Path
) -> None:
    import cv2

    other = here / "other.png"
    cv2.imwrite(str(other), read_person("P005")[..., ::-1])
    consent_id = add(material.photo)
    wrong = run("swap", other, material.photo, "-o", "out.png", "--consent", consent_id)
    assert (wrong.exit_code, "consent_missing" in wrong.stderr) == (9, True)
    assert not (here / "out.png").exists()


def test_a_policy_of_consents_holds_for_swaps_on_this_machine(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_CONSENT", "per_face")
    refused = run("swap", material.photo, material.photo, "-o", "out.png", "--json")
    assert json.loads(refused.stdout)["error"]["code"] == "consent_missing"
    add(material.photo)
    assert run("swap", material.photo, material.photo, "-o", "out.png").exit_code == 0


def test_a_key_may_be_made_without_the_operators_word() -> None:
    made = json.loads(run("keys", "create", "--name", "shop", "--no-attest", "--json").stdout)
    assert run("keys", "attest", made["client_id"]).exit_code == 0
    assert run("keys", "consent", made["client_id"], "per_face").exit_code == 0
