"""Imports point down the rooms; the contract lies in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_ERROR, EXIT_STATUS_SUCCESS, lint_imports

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
ENGINE_ABOVE_MODELS = """
[tool.importlinter]
root_package = "lendface"

[[tool.importlinter.contracts]]
name = "the wrong way round"
type = "layers"
layers = ["lendface.errors", "lendface.engine", "lendface.models"]
"""


def test_imports_point_down_the_rooms(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(PROJECT), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_an_arrow_that_points_up_is_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(ENGINE_ABOVE_MODELS, encoding="utf-8")
    assert lint_imports(config_filename=str(wrong), no_cache=True) == EXIT_STATUS_ERROR
    assert "lendface.models is not allowed to import lendface.errors" in capsys.readouterr().out
