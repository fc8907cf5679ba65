"""What a worker sets up for itself, without one running."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from lendface.serve.worker import use_for_temporary_files


def test_temporary_files_of_libraries_go_to_the_workers_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", "unset after the test")  # so that it is put back
    monkeypatch.delenv("TMPDIR")
    use_for_temporary_files(tmp_path)
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == tmp_path


def test_but_for_those_who_named_another_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    use_for_temporary_files(tmp_path / "scratch")
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == tmp_path
