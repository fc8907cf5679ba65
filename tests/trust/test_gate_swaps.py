"""Every way to swap asks the content gate and the list of protected faces, before it renders."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import lendface
from lendface import Pair, SwapRequest, Watch, cli
from lendface.errors import (
    ContentRefusedError,
    DatabaseError,
    MinorRefusedError,
    ProtectedFaceError,
    ProtectedListError,
)
from lendface.pipeline.parts import Parts
from lendface.pipeline.swaps import swap_files
from lendface.trust.gate import Thresholds
from lendface.trust.guard import Rules, SwapGuard
from lendface.trust.readings import GateNets
from material import Material
from people import read_person, swaying

AGES = "LENDFACE_GATE_AGE_BOTH"
SOURCE_ONLY = "40"  # years: P003, the source, is younger to both nets, P005 in the film is not
NEARLY_NOTHING = 0.001  # P003 has 0.004 of nudity, P005 a tenth of it


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("LENDFACE_DATA", str(folder))
    return folder


@pytest.fixture
def stages() -> list[str]:
    return []


@pytest.fixture
def watch(stages: list[str]) -> Watch:
    return Watch(on_progress=lambda progress: stages.append(progress.stage))


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def swap_with(material: Material, output: Path, watch: Watch) -> None:
    lendface.swap(material.photo, material.film, output, watch=watch)


def test_a_source_who_looks_young_is_refused_before_the_film_is_read(
    material: Material,
    tmp_path: Path,
    watch: Watch,
    stages: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(AGES, SOURCE_ONLY)
    with pytest.raises(MinorRefusedError) as caught:
        swap_with(material, tmp_path / "out.mp4", watch)
    assert (caught.value.rule, caught.value.time_s, stages) == ("minor_source", None, [])
    assert "rule minor_source of face 1" in caplog.text
    assert not (tmp_path / "out.mp4").exists()


def test_a_target_who_looks_young_is_refused_before_anything_is_rendered(
    material: Material,
    tmp_path: Path,
    watch: Watch,
    stages: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(AGES, SOURCE_ONLY)
    with pytest.raises(MinorRefusedError) as caught:
        lendface.swap(material.film_person, material.duo, tmp_path / "out.png", watch=watch)
    assert (caught.value.rule, set(stages)) == ("minor_target", {"scan"})
    assert "rule minor_target of face 1 at 0:00:00" in caplog.text
    assert list(tmp_path.glob("*.png")) == []


def test_arrays_and_frames_are_no_way_around(
    monkeypatch: pytest.MonkeyPatch, watch: Watch, stages: list[str]
) -> None:
    monkeypatch.setenv(AGES, SOURCE_ONLY)
    old, young = read_person("P005"), read_person("P003")
    with pytest.raises(MinorRefusedError):
        lendface.swap(young, old)
    with pytest.raises(MinorRefusedError):
        lendface.swap(old, young)
    with pytest.raises(MinorRefusedError):
        lendface.swap_frames(old, swaying(young, 3), watch=watch)
    assert set(stages) == {"scan"}


def test_the_command_line_tells_the_code_and_the_operator_reads_the_rule(
    material: Material,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(AGES, SOURCE_ONLY)
    told = run("swap", material.photo, material.film, "-o", tmp_path / "out.mp4", "--json")
    error = json.loads(told.stdout)["error"]
    assert (told.exit_code, error["code"]) == (9, "content_refused")
    assert "minor" not in error["message"]
    assert "rule minor_source" in caplog.text


def test_nudity_is_refused_with_its_time_code(
    material: Material,
    tmp_path: Path,
    parts: Parts,
    stages: list[str],
    watch: Watch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No picture of that kind is among the tests: P003 is one for a limit of nearly nothing."""
    guard = SwapGuard(Rules(GateNets.load(), None, Thresholds(nudity=NEARLY_NOTHING)))
    request = SwapRequest((Pair((material.film_person,)),), material.photo, tmp_path / "out.png")
    with pytest.raises(ContentRefusedError) as caught:
        swap_files(request, parts, watch, guard=guard)
    assert (caught.value.rule, set(stages)) == ("nudity", {"scan"})
    assert caught.value.time_s is not None
    assert "rule nudity at 0:00:00" in caplog.text


def test_a_photo_of_a_source_is_looked_at_like_a_film(
    material: Material,
    tmp_path: Path,
    parts: Parts,
    stages: list[str],
    watch: Watch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = SwapGuard(Rules(GateNets.load(), None, Thresholds(nudity=NEARLY_NOTHING)))
    request = SwapRequest((Pair((material.photo,)),), material.film, tmp_path / "out.mp4")
    with pytest.raises(ContentRefusedError) as caught:
        swap_files(request, parts, watch, guard=guard)
    assert (caught.value.rule, caught.value.time_s, stages) == ("nudity", None, [])
    assert "rule nudity of face 1: 0.00" in caplog.text


@pytest.fixture
def protected(material: Material, parts: Parts) -> str:
    """P003, by another photo than the one that swaps use."""
    return lendface.protect_face(material.same_person, "asked for it", parts=parts).id


def test_a_protected_person_lends_no_face(
    material: Material,
    tmp_path: Path,
    protected: str,
    watch: Watch,
    stages: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ProtectedFaceError) as caught:
        swap_with(material, tmp_path / "out.mp4", watch)
    assert (caught.value.entry_id, caught.value.code, stages) == (protected, "protected_face", [])
    assert f"entry {protected}" in caplog.text
    assert protected not in str(caught.value)
    with pytest.raises(ProtectedFaceError):
        lendface.swap(read_person("P003"), read_person("P005"))
    told = run("swap", material.photo, material.film, "-o", tmp_path / "out.mp4")
    assert (told.exit_code, "protected_face" in told.stderr) == (9, True)


def test_a_protected_person_may_be_replaced_unless_the_entry_says_so(
    material: Material, protected: str, parts: Parts
) -> None:
    old, of_the_list = read_person("P005"), read_person("P003")
    lendface.swap(old, of_the_list)
    lendface.protect_face(of_the_list, "not to be replaced", is_kept=True, parts=parts)
    with pytest.raises(ProtectedFaceError):
        lendface.swap(old, of_the_list)


def test_a_list_that_cannot_be_read_stops_every_swap(data: Path, protected: str) -> None:
    secret = (data / "secret").read_bytes()
    (data / "secret").unlink()  # another one is made, which opens nothing
    with pytest.raises(ProtectedListError):
        lendface.swap(read_person("P010"), read_person("P005"))
    (data / "secret").write_bytes(secret)
    (data / "lendface.db").write_bytes(b"no database " * 1000)
    with pytest.raises(DatabaseError):
        lendface.swap(read_person("P010"), read_person("P005"))


def test_without_a_server_there_is_no_list_and_no_database_is_made(data: Path) -> None:
    lendface.swap(read_person("P010"), read_person("P005"))
    assert lendface.list_protected() == ()
    assert not (data / "lendface.db").exists()


def test_switched_off_by_the_operator_is_done_and_said(
    material: Material,
    tmp_path: Path,
    protected: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("LENDFACE_GATE", "LENDFACE_PROTECTED"):
        monkeypatch.setenv(name, "off")
        monkeypatch.setenv(f"{name}_OFF_REASON", "paintings of nudes, for a museum")
    monkeypatch.setenv(AGES, "60")
    report = lendface.swap(material.photo, material.film, tmp_path / "out.mp4")
    assert isinstance(report, lendface.SwapReport)
    for sentence in ("LENDFACE_GATE", "LENDFACE_PROTECTED"):
        assert sentence in caplog.text
        assert any(sentence in warning for warning in report.warnings)


def test_nothing_by_which_a_face_could_be_known_is_logged(
    material: Material,
    tmp_path: Path,
    protected: str,
    watch: Watch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ProtectedFaceError):
        swap_with(material, tmp_path / "out.mp4", watch)
    (entry,) = lendface.list_protected()
    first = [f"{abs(float(value)):.4f}"[1:] for value in entry.embeddings[0][:20]]
    said = caplog.text + repr(entry)
    assert not any(number in said for number in first)
    assert "array" not in said


def test_no_request_can_say_that_the_gate_be_left_out() -> None:
    words = run("swap", "--help").stdout
    assert "gate" not in words
    assert {"gate", "guard", "protected"}.isdisjoint(each.name for each in fields(SwapRequest))
