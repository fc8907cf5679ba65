"""A change of what protects people is an entry of the audit log, once."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lendface.serve.guards import GUARDS, note_guards
from lendface.service.audit import read, verify
from lendface.service.office import Office
from lendface.settings import Settings, load_settings
from service.offices import open_office

KEYS = {"c2pa_key"}  # goes with c2pa_cert


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    for name in [name for name in os.environ if name.startswith("LENDFACE_")]:
        monkeypatch.delenv(name)
    with open_office(tmp_path) as office:
        yield office


def start(office: Office, tmp_path: Path, place: str = "server", **settings: Any) -> bool:
    return note_guards(office, load_settings(data=tmp_path, **settings), place)


def test_the_first_start_writes_how_they_stand_and_the_next_nothing(
    office: Office, tmp_path: Path
) -> None:
    assert start(office, tmp_path)
    assert not start(office, tmp_path)
    (entry,) = read(office.database)
    assert (entry.action, entry.actor, entry.subject) == ("settings.changed", "operator", "server")
    assert entry.detail["settings"]["provenance"] == "on"
    assert entry.detail["before"] == {}


def test_a_guard_that_is_off_or_lowered_is_written_down_at_each_start(
    office: Office, tmp_path: Path
) -> None:
    reason = "paintings of nudes, for a museum"
    for _ in range(2):
        start(office, tmp_path, gate="off", gate_off_reason=reason, protected_likeness=0.7)
    start(office, tmp_path)
    found = [entry for entry in read(office.database) if entry.action == "guards.lowered"]
    expected = {"gate": "off", "gate_reason": reason, "protected_likeness": 0.7}
    assert [entry.detail for entry in found] == [expected] * 2
    assert [entry.subject for entry in found] == ["server"] * 2
    assert verify(office.database).holds


def test_a_protection_that_was_switched_off_and_on_is_two_entries(
    office: Office, tmp_path: Path
) -> None:
    start(office, tmp_path)
    assert start(office, tmp_path, provenance="off")
    assert not start(office, tmp_path, provenance="off", keep_days=3.0)
    assert start(office, tmp_path)
    _, off, on = read(office.database)
    assert (off.detail["settings"]["provenance"], off.detail["before"]) == (
        "off",
        {"provenance": "on"},
    )
    assert on.detail["before"] == {"provenance": "off"}
    assert verify(office.database).holds


def test_a_worker_elsewhere_has_settings_of_its_own(office: Office, tmp_path: Path) -> None:
    start(office, tmp_path)
    assert start(office, tmp_path, "gpu-1", label="always")
    assert not start(office, tmp_path, "gpu-1", label="always")
    assert not start(office, tmp_path)


def test_a_certificate_is_known_by_what_is_in_it(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "chain.pem"
    file.write_text("one")
    assert start(office, tmp_path, c2pa_cert=str(file))
    assert not start(office, tmp_path, c2pa_cert=str(file))
    file.write_text("two")
    assert start(office, tmp_path, c2pa_cert=str(file))
    assert "chain.pem" not in str([entry.detail for entry in read(office.database)])


def test_every_setting_of_trust_is_watched() -> None:
    section = inspect.getsource(Settings).partition("# Trust\n")[2].partition("\n    # ")[0]
    named = set(re.findall(r"^    (\w+): ", section, re.MULTILINE))
    assert named == {*GUARDS, *KEYS}
