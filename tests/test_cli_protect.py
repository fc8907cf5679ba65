"""``lendface protect``: what is printed, and what is kept."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from lendface import cli
from lendface.service.audit import read
from lendface.service.clients import open_desk
from lendface.service.protected import ProtectedTable
from lendface.settings import load_settings
from material import Material


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("LENDFACE_DATA", str(folder))
    return folder


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, ["protect", *(str(word) for word in words)])


def run_json(*words: str | Path) -> dict[str, Any]:
    told = run(*words, "--json")
    assert (told.exit_code, told.stderr) == (0, ""), told.output
    return json.loads(told.stdout)


def test_a_person_is_added_listed_and_removed(material: Material) -> None:
    made = run_json("add", material.photo, material.same_person, "--reason", "asked", "--keep")
    assert (made["reason"], made["photos"], made["keep"]) == ("asked", 2, True)
    assert run_json("list") == {"protected": [made]}
    line = run("list").stdout.strip()
    assert line == f"{made['id']}  {made['added'][:10]}  asked, not replaced either"
    assert run_json("remove", made["id"]) == {"removed": made["id"]}
    assert run("list").stdout == "nobody is protected\n"


def test_a_server_and_its_swaps_go_by_the_list_of_the_database_that_is_named(
    material: Material, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run_json("add", material.photo, "--reason", "asked", "--data", data)
    settings = load_settings(data=data)
    with open_desk(settings.database, settings.secret_ring, lambda: 1) as desk:
        (face,) = ProtectedTable(desk).entries()
        actions = [entry.action for entry in read(desk.database)]
    assert (face.id, actions) == (made["id"], ["protected.added"])
    monkeypatch.setenv("LENDFACE_DATABASE_URL", f"sqlite:///{tmp_path / 'shared.db'}")
    assert run_json("list") == {"protected": []}
    monkeypatch.setenv("LENDFACE_SECRET", base64.b64encode(bytes(range(32))).decode())
    run_json("add", material.photo, "--reason", "asked")
    assert (tmp_path / "shared.db").exists()
    assert len(run_json("list", "--data", tmp_path / "another")["protected"]) == 1


def test_another_data_folder_is_another_list(material: Material, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run_json("add", material.photo, "--reason", "asked", "--data", other)
    assert run_json("list") == {"protected": []}
    assert len(run_json("list", "--data", other)["protected"]) == 1


def test_neither_photos_nor_their_names_are_kept(material: Material, data: Path) -> None:
    run_json("add", material.photo, "--reason", "asked")
    kept = b"".join(path.read_bytes() for path in data.glob("lendface.db*"))
    assert b"face_" in kept
    assert material.photo.name.encode() not in kept
    assert b"asked" not in kept
    assert [path.suffix for path in data.iterdir() if path.suffix in (".png", ".jpg")] == []


def test_what_cannot_be_added_is_told(material: Material, data: Path) -> None:
    cases = (
        (("add", material.landscape, "--reason", "r"), 4, "no_face_in_source"),
        (("add", material.duo, "--reason", "r"), 4, "several_faces_in_source"),
        (("add", material.photo, material.other_person, "--reason", "r"), 4, "different_people"),
        (("add", material.photo, "--reason", " "), 2, "bad_option"),
        (("remove", "face_000000000000"), 2, "not_found"),
    )
    for words, exit_code, code in cases:
        told = run(*words)
        assert (told.exit_code, code in told.stderr) == (exit_code, True), words
    assert not (data / "lendface.db").exists()
    assert run("add", material.duo, "--reason", "r", "--face", "2").exit_code == 0
