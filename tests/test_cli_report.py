"""``swap --report``, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli
from material import Material


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def swap(material: Material, *words: str) -> Result:
    inputs = [str(material.photo), str(material.film), "-o", "out.mp4"]
    return CliRunner().invoke(cli.app, ["swap", *inputs, *words])


def test_a_page_is_written_beside_the_result(material: Material, here: Path) -> None:
    told = swap(material, "--report", "page.html", "--json")
    assert told.exit_code == 0
    assert json.loads(told.stdout)["report"] == "page.html"
    html = (here / "page.html").read_text(encoding="utf-8")
    assert "p003.png on film.mp4" in html
    assert str(material.folder) not in html
    assert sorted(path.name for path in here.iterdir()) == ["out.mp4", "page.html"]


def test_a_folder_is_made_where_the_name_has_no_ending(material: Material, here: Path) -> None:
    told = swap(material, "--report", "told")
    assert told.exit_code == 0
    assert told.stdout.splitlines()[-1] == "told"
    assert (here / "told" / "index.html").is_file()
    assert json.loads((here / "told" / "report.json").read_text())["people"]


def test_a_report_that_exists_is_told_before_the_swap_begins(
    material: Material, here: Path
) -> None:
    (here / "page.html").write_text("older")
    told = swap(material, "--report", "page.html", "--json")
    assert told.exit_code == 5
    assert json.loads(told.stdout)["error"]["code"] == "output_exists"
    assert [path.name for path in here.iterdir()] == ["page.html"]
    assert (here / "page.html").read_text() == "older"
