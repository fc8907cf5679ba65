"""Nothing in the data folder is for other users of the machine, whatever folder it was put into."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from lendface.app import open_signer
from lendface.cli import app
from lendface.facades.forms import FORMS
from lendface.serve.building import build_office, locks_of, prepare, scratch_of
from lendface.service.clients import create_client
from lendface.settings import Settings, load_settings
from lendface.storage.database import Database
from lendface.storage.disk import keep_to_owner, private_files


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Made by somebody beforehand, for all to read."""
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    return folder


def open_to_others(folder: Path) -> list[str]:
    """What is in it and may be read, written or entered by others."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if stat.S_IMODE(path.lstat().st_mode) & 0o077 and not path.is_symlink()
    ]


def use_everything(settings: Settings) -> None:
    """As a server and its workers do, without their umask."""
    built = build_office(settings, FORMS)
    try:
        prepare(built)
        create_client(built.office, "Anna")
        built.office.blobs.put("uploads/a/b", [b"a photo"])
        with locks_of(settings, built.office.database).borrow("a lock"):
            pass
        scratch_of(settings, "local-cpu-0")
        open_signer(settings)
    finally:
        built.close()


def test_what_a_server_writes_is_for_its_owner_alone(folder: Path) -> None:
    use_everything(load_settings(data=folder))
    assert open_to_others(folder) == []
    assert {"lendface.db", "secret", "blobs", "locks", "c2pa"} <= set(os.listdir(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755  # which is its maker's business


def test_what_an_earlier_version_left_open_is_closed_at_the_start(folder: Path) -> None:
    settings = load_settings(data=folder)
    use_everything(settings)
    for path in [folder / name for name in ("lendface.db", "secret", "c2pa", "blobs", "locks")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    (folder / "lendface.db-wal").touch()
    (folder / "lendface.db-wal").chmod(0o664)
    built = build_office(settings, FORMS)
    try:
        prepare(built)
        assert open_to_others(folder) == []
    finally:
        built.close()


def test_the_journal_beside_the_database_is_as_private(folder: Path) -> None:
    database = Database(f"sqlite:///{folder / 'lendface.db'}")
    try:
        with database.writing() as connection:
            connection.execute(sa.text("CREATE TABLE t (a)"))
            beside = sorted(os.listdir(folder))  # while the transaction goes on
            assert len(beside) > 1
            assert open_to_others(folder) == []
    finally:
        database.close()


def test_commands_write_for_their_owner_alone(folder: Path) -> None:
    made = CliRunner().invoke(app, ["keys", "create", "--name", "Anna", "--data", str(folder)])
    assert made.exit_code == 0, made.output
    assert open_to_others(folder) == []


def test_rights_are_taken_only_while_it_lasts_and_children_have_them_too(tmp_path: Path) -> None:
    with private_files():
        (tmp_path / "inside").touch()
        thread = threading.Thread(target=(tmp_path / "in a thread").touch)
        thread.start()
        thread.join()
    (tmp_path / "after").touch()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"inside": 0o600, "in a thread": 0o600, "after": 0o644}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    keep_to_owner(tmp_path / "link", tmp_path / "nothing")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
