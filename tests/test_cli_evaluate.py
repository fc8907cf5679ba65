"""``lendface evaluate``, end to end, and ``lendface.evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

import lendface
from lendface import cli
from lendface.pipeline.parts import Parts
from material import Material

REFERENCES = {"no_swap", "hard_paste", "mean_colour"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def swapped(material: Material, parts: Parts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("swapped") / "out.mp4"
    lendface.swap(material.photo, material.film, output, parts=parts)
    return output


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, ["evaluate", *(str(word) for word in words)])


def words_of(material: Material, output: Path) -> list[str | Path]:
    return ["--source", material.photo, "--target", material.film, "--output", output]


def test_an_output_is_measured_beside_its_references(
    material: Material, swapped: Path, here: Path
) -> None:
    told = run(*words_of(material, swapped), "--stride", "4", "--json")
    assert (told.exit_code, told.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(told.stdout)
    assert set(answer["rows"]) == {"output", *REFERENCES}
    assert answer["rows"]["output"]["nearer_to_source"]["value"] == 1
    assert answer["rows"]["no_swap"]["nearer_to_source"]["value"] == 0
    assert answer["rows"]["output"]["dropped_frames"]["value"] == 0
    assert answer["failures"] == []
    assert list(here.iterdir()) == []


def test_a_report_holds_all_of_it_and_is_not_overwritten(
    material: Material, swapped: Path, here: Path
) -> None:
    words = [*words_of(material, swapped), "--stride", "9", "--no-references", "--report", "told"]
    told = run(*words)
    assert told.exit_code == 0
    assert "measuring: 1 of 10 frames" in told.stderr
    assert any(line.startswith("nearer to source") for line in told.stdout.splitlines())
    assert told.stdout.splitlines()[-1] == "told"
    assert sorted(path.name for path in (here / "told").iterdir()) == [
        "faces_1.jpg", "p003__film", "suite.json", "table.md",
    ]  # fmt: skip
    again = run(*words, "--json")
    assert again.exit_code == 5
    assert json.loads(again.stdout)["error"]["code"] == "output_exists"
    assert run(*words, "--force").exit_code == 0
    same = run("--before", "told", "--after", "told/suite.json")
    assert (same.exit_code, same.stdout) == (0, "no change that counts\n")


def test_pairs_are_measured_and_failures_told(
    material: Material, swapped: Path, here: Path
) -> None:
    rows = [
        {"source": str(material.photo), "target": str(material.film), "output": str(swapped)},
        {"source": "gone.jpg", "target": str(material.film), "name": "gone"},
    ]
    (here / "pairs.json").write_text(json.dumps(rows))
    told = run("--pairs", "pairs.json", "--report", "out", "--no-references", "--json")
    assert (told.exit_code, told.stderr) == (0, "")
    answer = json.loads(told.stdout)
    assert answer["pairs"] == ["p003__film"]
    assert answer["failures"] == [
        {"name": "gone", "code": "file_missing", "message": "gone.jpg: there is no such file"}
    ]
    assert str(material.folder) not in (here / "out" / "suite.json").read_text()


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "hint"),
    [
        (["--source", "a.jpg"], "bad_option", 2, "--source, --target and --output"),
        (["--pairs", "x"], "bad_option", 2, "--report"),
        (["--pairs", "x", "--source", "a.jpg"], "bad_option", 2, "not both"),
        (["--after", "x"], "bad_option", 2, "--before"),
        (["--pairs", "x", "--report", "r"], "file_missing", 3, "x"),
        (["--before", "x", "--after", "y"], "file_missing", 3, "x: there is no"),
        (["--source", "a.jpg", "--target", "t", "--output", "o"], "file_missing", 3, "a.jpg"),
    ],
)
def test_what_goes_wrong_is_said(
    words: list[str], code: str, exit_code: int, hint: str, here: Path
) -> None:
    told = run(*words)
    assert (told.exit_code, told.stdout) == (exit_code, "")
    assert told.stderr.endswith(f" [{code}]\n")
    assert hint in told.stderr
    in_json = run(*words, "--json")
    assert json.loads(in_json.stdout)["error"]["code"] == code
    assert list(here.iterdir()) == []


def test_an_output_without_a_film_is_told(material: Material, here: Path) -> None:
    told = run(*words_of(material, material.text), "--json")
    assert told.exit_code == 3
    assert json.loads(told.stdout)["error"]["code"] == "unreadable_media"


def test_python_measures_the_same(material: Material, swapped: Path, parts: Parts) -> None:
    judged = lendface.evaluate(
        material.photo, material.film, swapped, stride=9, references=False, parts=parts
    )
    assert judged.figures["nearer_to_source"].value == 1
    assert [sample.index for sample in judged.measured.samples] == [0, 9]
    assert judged.references == {}
