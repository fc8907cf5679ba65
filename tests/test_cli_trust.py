"""``lendface verify``, and the label on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli
from lendface.settings import load_settings
from material import Material


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


@pytest.fixture(scope="module")
def swapped(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("swapped") / "out.mp4"
    told = run("swap", material.photo, material.film, "-o", output, "--label-size", "0.1")
    assert told.exit_code == 0
    return output


def test_a_result_is_explained(swapped: Path) -> None:
    told = run("verify", swapped)
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert lines[0] == "out.mp4 is as it was when it was signed, and the signer is known here"
    assert "  what         Faces were replaced by AI." in lines
    assert "  setting      visible_label true" in lines


def test_a_result_is_explained_to_machines(swapped: Path) -> None:
    told = run("verify", swapped, "--json")
    answer = json.loads(told.stdout)
    assert told.exit_code == 0
    assert (answer["file"], answer["state"]) == ("out.mp4", "trusted")
    assert (answer["holds"], answer["is_face_swap"], answer["problems"]) == (True, True, [])
    assert answer["swap"]["engine"] == "mesh"


def test_a_changed_result_ends_with_8(swapped: Path, tmp_path: Path) -> None:
    path = tmp_path / "changed.mp4"
    data = bytearray(swapped.read_bytes())
    data[len(data) * 3 // 4] ^= 1
    path.write_bytes(data)
    told = run("verify", path)
    assert told.exit_code == 8
    assert "the film was changed after it was signed [assertion.bmffHash.mismatch]" in told.stdout
    answer = json.loads(run("verify", path, "--json").stdout)
    assert (answer["state"], answer["holds"]) == ("invalid", False)


def test_a_file_that_says_nothing_ends_with_8(material: Material) -> None:
    told = run("verify", material.film)
    assert (told.exit_code, told.stdout.splitlines()) == (
        8,
        ["film.mp4 is without a manifest; that says nothing about how it was made"],
    )


def test_somebody_elses_root_can_be_trusted(
    swapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = load_settings().data / "c2pa" / "root.pem"
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path))  # another machine
    assert json.loads(run("verify", swapped, "--json").stdout)["state"] == "valid"
    told = run("verify", swapped, "--json", "--trust", root)
    assert json.loads(told.stdout)["state"] == "trusted"
    told = run("verify", swapped, "--json", "--trust", swapped)
    assert (told.exit_code, json.loads(told.stdout)["error"]["code"]) == (2, "bad_credentials")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    told = run("verify", tmp_path / "gone.mp4", "--json")
    assert (told.exit_code, json.loads(told.stdout)["error"]["code"]) == (3, "file_missing")


def test_no_option_of_swap_leaves_out_the_signature() -> None:
    told = run("swap", "--help")
    assert "--label" in told.stdout
    assert not [word for word in ("sign", "provenance", "c2pa") if word in told.stdout.lower()]
