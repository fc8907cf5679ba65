"""A swap on this machine that rests on a consent says so in its manifest and in the audit log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import lendface
from lendface import cli
from lendface.errors import ConsentMissingError, ConsentWithdrawnError
from lendface.pipeline.parts import Parts
from material import Material


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture
def consent(material: Material) -> str:
    """P003's."""
    told = run("consent", "add", material.photo, "--label", "Anna", "--json")
    return json.loads(told.stdout)["consent_id"]


def consented() -> list[list[str]]:
    told = run("audit", "export")
    entries = [json.loads(line) for line in told.stdout.splitlines()]
    return [e["detail"]["consents"] for e in entries if e["action"] == "swap.consented"]


def reference_in(path: Path) -> str | None:
    verdict = lendface.verify(path)
    assert verdict.swap is not None
    return verdict.swap.get("consent")


def test_who_names_one_in_python_is_held_to_it(
    consent: str, material: Material, parts: Parts, tmp_path: Path
) -> None:
    target, out = material.film_person, tmp_path / "out.png"
    with pytest.raises(ConsentMissingError):
        lendface.swap(material.other_person, target, out, parts=parts, consent=consent)
    assert (out.exists(), consented()) == (False, [])
    lendface.swap(material.photo, target, out, parts=parts, consent=consent)
    assert reference_in(out) == f"consent:{consent}"
    assert consented() == [[consent]]
    run("consent", "withdraw", consent)
    with pytest.raises(ConsentWithdrawnError):
        lendface.swap(material.photo, target, out, parts=parts, consent=[consent])


def test_who_names_none_is_asked_for_none(material: Material, parts: Parts, tmp_path: Path) -> None:
    lendface.swap(material.photo, material.film_person, tmp_path / "out.png", parts=parts)
    assert reference_in(tmp_path / "out.png") is None


def test_a_policy_of_consents_holds_in_python_too(
    consent: str,
    material: Material,
    parts: Parts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LENDFACE_CONSENT", "per_face")
    out = tmp_path / "out.png"
    with pytest.raises(ConsentMissingError):
        lendface.swap(material.other_person, material.film_person, out, parts=parts)
    with pytest.raises(ConsentMissingError):
        next(lendface.swap_frames(material.other_person, [], parts=parts))
    lendface.swap(material.photo, material.film_person, out, parts=parts)
    assert reference_in(out) == f"consent:{consent}"


def test_the_command_line_says_it_in_the_manifest(
    consent: str, material: Material, tmp_path: Path
) -> None:
    out = tmp_path / "out.png"
    files = (material.photo, material.film_person)
    assert run("swap", *files, "-o", out, "--consent", consent).exit_code == 0
    assert reference_in(out) == f"consent:{consent}"
    assert consented() == [[consent]]
