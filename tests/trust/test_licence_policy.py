"""An operator who earns money may keep out every model whose licence does not allow that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner

import lendface
from lendface import models
from lendface.cli import app
from lendface.errors import ModelNotAllowedError
from lendface.models import catalog
from lendface.models.catalog import CommercialUse, check_allowed, get_spec, is_allowed
from lendface.pipeline.parts import Parts
from lendface.serve.checks import check_settings
from lendface.settings import load_settings
from material import Material

Restrict = Callable[[str, CommercialUse], None]


@pytest.fixture(autouse=True)
def commercial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LENDFACE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LENDFACE_POLICY", "commercial")


@pytest.fixture
def restrict(monkeypatch: pytest.MonkeyPatch) -> Restrict:
    """As if a model of the catalogue came under another licence."""

    def restrict(model_id: str, use: CommercialUse) -> None:
        other = replace(get_spec(model_id), commercial_use=use, licence="CC-BY-NC-4.0")
        changed = MappingProxyType({**catalog.CATALOG, model_id: other})
        monkeypatch.setattr(catalog, "CATALOG", changed)
        monkeypatch.setattr(models, "CATALOG", changed)

    return restrict


def test_all_that_ships_inside_may_be_used_commercially() -> None:
    check_allowed(models.CATALOG, "commercial")


@pytest.mark.parametrize(("use", "may"), [("yes", True), ("no", False), ("ask", False)])
def test_what_its_licence_does_not_allow_outright_is_kept_out(
    use: CommercialUse, may: bool
) -> None:
    spec = replace(get_spec("sface"), commercial_use=use)
    assert is_allowed(spec, "commercial") is may
    assert is_allowed(spec, "any")


def test_no_swap_begins_with_it(restrict: Restrict, material: Material, parts: Parts) -> None:
    restrict("sface", "no")
    for attempt in (
        lendface.build,
        lambda: lendface.swap(material.photo, material.film, "out.mp4", parts=parts),
        lambda: next(lendface.swap_frames(material.photo, [], parts=parts)),
    ):
        with pytest.raises(ModelNotAllowedError, match=r"sface \(CC-BY-NC-4.0\)") as told:
            attempt()
        assert told.value.code == "model_not_allowed"


def test_no_server_starts_with_it(restrict: Restrict) -> None:
    assert check_settings(load_settings()) == []
    restrict("palm_detection", "unknown")
    with pytest.raises(ModelNotAllowedError):
        check_settings(load_settings(), signs=False)
    check_settings(load_settings(policy="any"))


def test_the_gates_nets_count_where_there_is_a_gate(restrict: Restrict) -> None:
    restrict("age_cydral", "no")
    with pytest.raises(ModelNotAllowedError):
        check_settings(load_settings())
    check_settings(load_settings(gate="off", gate_off_reason="paintings of nudes, for a museum"))


def test_the_list_of_models_says_what_is_allowed(restrict: Restrict) -> None:
    restrict("open_nsfw", "no")
    told = json.loads(CliRunner().invoke(app, ["models", "--json"]).stdout)
    assert told["policy"] == "commercial"
    assert [model["id"] for model in told["models"] if not model["is_allowed"]] == ["open_nsfw"]
    lines = CliRunner().invoke(app, ["models"]).stdout.splitlines()
    assert [line.split()[0] for line in lines if "NOT ALLOWED" in line] == ["open_nsfw"]


def test_the_command_line_refuses_with_its_code(restrict: Restrict, material: Material) -> None:
    restrict("sface", "ask")
    result = CliRunner().invoke(app, ["swap", str(material.photo), str(material.film)])
    assert (result.exit_code, "[model_not_allowed]" in result.stderr) == (6, True)


def test_nor_is_a_swap_measured_with_it(restrict: Restrict, material: Material) -> None:
    restrict("faceres", "no")
    files = (str(material.photo), str(material.film), str(material.film))
    with pytest.raises(ModelNotAllowedError):
        lendface.evaluate(*files)
    words = ("--source", files[0], "--target", files[1], "--output", files[2])
    assert CliRunner().invoke(app, ["evaluate", *words]).exit_code == 6
