"""The packaged files are the ones that the catalog describes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from lendface.errors import BadOptionError, ModelCorruptError, ModelMissingError
from lendface.models import CATALOG, ModelSpec, get_spec, licence_text, load_bytes, load_topology
from lendface.models.catalog import read_checked, weights_folder

FIRST_WORDS = {
    "MIT": "MIT License",
    "Apache-2.0": "Apache License",
    "BSD-2-Clause": "Copyright (c) 2016, Yahoo Inc.",
    "CC0-1.0": "CC0 1.0 Universal",
}
LARGEST_FILE_BYTES = 15 * 2**20


@pytest.fixture(params=CATALOG.values(), ids=CATALOG)
def spec(request: pytest.FixtureRequest) -> ModelSpec:
    return request.param


def test_every_file_has_the_size_and_hash_of_its_entry(spec: ModelSpec) -> None:
    content = Path(str(weights_folder() / spec.file)).read_bytes()
    assert len(content) == spec.size_bytes <= LARGEST_FILE_BYTES
    assert hashlib.sha256(content).hexdigest() == spec.sha256
    assert load_bytes(spec) == content


def test_every_entry_says_whose_it_is_and_what_may_be_done_with_it(spec: ModelSpec) -> None:
    assert spec.attribution
    assert spec.origin
    assert spec.training_data
    assert spec.profile
    assert spec.commercial_use in {"yes", "no", "ask", "unknown"}
    assert licence_text(spec).lstrip().startswith(FIRST_WORDS[spec.licence])


def test_no_file_lies_in_the_package_without_an_entry() -> None:
    packaged = {each.name for each in weights_folder().iterdir() if each.is_file()}
    assert packaged == {spec.file for spec in CATALOG.values()}
    texts = {each.name for each in (weights_folder() / "LICENSES").iterdir()}
    assert texts == {spec.licence_file for spec in CATALOG.values()}


def test_an_entry_cannot_be_changed(spec: ModelSpec) -> None:
    with pytest.raises(FrozenInstanceError):
        spec.sha256 = "0" * 64  # type: ignore[misc]


def test_one_changed_byte_is_noticed(tmp_path: Path) -> None:
    spec = get_spec("yunet")
    content = bytearray(load_bytes(spec))
    content[len(content) // 2] ^= 1
    (tmp_path / spec.file).write_bytes(content)
    with pytest.raises(ModelCorruptError) as caught:
        read_checked(spec, tmp_path)
    assert caught.value.model_id == "yunet"


def test_a_cut_file_is_noticed(tmp_path: Path) -> None:
    spec = get_spec("yunet")
    (tmp_path / spec.file).write_bytes(load_bytes(spec)[:-1])
    with pytest.raises(ModelCorruptError):
        read_checked(spec, tmp_path)


def test_a_file_that_is_not_there_is_named_by_its_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError) as caught:
        read_checked(get_spec("sface"), tmp_path)
    assert "sface" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_a_wrong_hash_in_the_catalog_is_an_error_too() -> None:
    with pytest.raises(ModelCorruptError):
        load_bytes(replace(get_spec("yunet"), sha256="0" * 64))


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadOptionError, match=r"there is no model inswapper.*yunet.*sface"):
        get_spec("inswapper")


def test_the_canonical_mesh_has_its_points_and_triangles() -> None:
    topology = load_topology()
    assert topology.vertices.shape == (468, 3)
    assert topology.uv.shape == (468, 2)
    assert topology.triangles.shape == (898, 3)
    assert set(np.unique(topology.triangles)) == set(range(468))


def test_importing_the_models_loads_no_runtime() -> None:
    code = (
        "import sys, lendface.models; print(sorted({'onnxruntime', 'openvino'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_third_party_names_every_file_with_its_hash_and_licence() -> None:
    page = (Path(__file__).parents[2] / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for spec in CATALOG.values():
        row = next(line for line in page.splitlines() if f"`{spec.file}`" in line)
        assert spec.licence in row
        assert spec.sha256 in row
        assert spec.attribution in row


def test_the_folder_is_found_as_package_data() -> None:
    assert (files("lendface.models") / "weights" / "LICENSES").is_dir()
