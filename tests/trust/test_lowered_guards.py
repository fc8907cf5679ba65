"""Whoever switches a guard off, or moves it, says so in words, on record and in every result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lendface
from lendface.errors import BadOptionError
from lendface.pipeline.parts import Parts
from lendface.service.audit import read
from lendface.service.clients import open_desk
from lendface.service.office import Office
from lendface.settings import load_settings
from lendface.trust.certificates import machine_credentials
from lendface.trust.provenance import Provenance
from lendface.trust.verify import verify
from material import Material
from people import read_person
from service.crafts import do_job, fetch_result, submit_swap, worker
from service.offices import new_client, open_office

REASON = "paintings of nudes, for a museum"
OFF = {"gate": "off", "gate_reason": REASON, "protected_likeness": 0.7}


@pytest.fixture
def lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a machine without a gate, where only the like are protected."""
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LENDFACE_GATE", "off")
    monkeypatch.setenv("LENDFACE_GATE_OFF_REASON", f"  {REASON} ")
    monkeypatch.setenv("LENDFACE_PROTECTED_LIKENESS", "0.7")
    return tmp_path / "data"


def entries() -> list[dict[str, object]]:
    """What this machine's own audit log tells of lowered guards."""
    settings = load_settings()
    with open_desk(settings.database, settings.secret_ring, lambda: 0) as desk:
        return [entry.detail for entry in read(desk.database) if entry.action == "guards.lowered"]


def test_a_result_of_this_machine_says_what_was_off_and_why(
    lowered: Path, material: Material, parts: Parts, tmp_path: Path
) -> None:
    output = tmp_path / "out.jpg"
    lendface.swap(material.photo, material.film_person, output, parts=parts)
    verdict = lendface.verify(output)
    assert verdict.swap is not None
    assert verdict.swap["lowered_guards"] == OFF
    assert f'  guard        gate_reason "{REASON}"' in verdict.explain()
    assert not (lowered / "lendface.db").exists()  # where there is no log none is made for it
    lendface.protect_face(material.photo, "asked for it", parts=parts)
    lendface.swap(read_person("P010"), read_person("P005"), parts=parts)  # arrays, too
    assert entries() == [OFF]


def test_a_result_of_a_machine_as_usual_says_nothing_of_it(
    material: Material, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    lendface.swap(material.photo, material.film_person, tmp_path / "out.jpg", parts=parts)
    found = lendface.verify(tmp_path / "out.jpg").swap
    assert found is not None
    assert "lowered_guards" not in found


def test_without_a_reason_nothing_is_done(
    material: Material, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LENDFACE_PROTECTED", "off")
    with pytest.raises(BadOptionError, match="LENDFACE_PROTECTED_OFF_REASON"):
        lendface.swap(material.photo, material.film_person, tmp_path / "out.jpg", parts=parts)
    with pytest.raises(BadOptionError, match="LENDFACE_PROTECTED_OFF_REASON"):
        lendface.build()
    assert not (tmp_path / "out.jpg").exists()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield replace(office, rules=replace(office.rules, gate=None, lowered_guards=OFF))


def test_a_result_of_a_server_says_what_was_off_when_it_was_planned(
    office: Office, material: Material, parts: Parts, tmp_path: Path
) -> None:
    client = new_client(office, "a shop").client_id
    provenance = Provenance(machine_credentials(tmp_path / "state", datetime.now(UTC)))
    with worker(office, tmp_path, parts, provenance) as work:
        job = do_job(work, submit_swap(office, client, material.film, material.photo)["id"])
    found = verify(fetch_result(office, job, tmp_path)).swap
    assert found is not None
    assert found["lowered_guards"] == OFF
