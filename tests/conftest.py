"""The engine with its models, loaded once for all tests of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator

# As the command line does: threads of these libraries wait for each other in a loop.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
# Compiled once for all tests, whatever data folder one of them has.
os.environ.setdefault(
    "NUMBA_CACHE_DIR", os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
)
# Before a test file imports the runtime ahead of anything of ours.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import pytest

import lendface
from lendface.cli_consent import GIVEN, keep_answer
from lendface.engine.enrol import Photo
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import SourceFace
from lendface.models import load_topology
from lendface.pipeline.parts import Parts
from material import Material
from people import PEOPLE, read_person

pytest_plugins = ["services.postgres", "services.databases", "services.moto_s3", "services.rgw"]


@pytest.fixture(scope="session", autouse=True)
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a swap leaves in the data folder, such as its certificate, is left in one of ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        keep_answer(GIVEN)  # or the first swap of all would say that it had to ask
        yield


@pytest.fixture(scope="session")
def parts() -> Parts:
    return lendface.build()


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology()


@pytest.fixture(scope="session")
def sources(parts: Parts) -> dict[str, SourceFace]:
    """The three people of ``people.PEOPLE``, enrolled from their portraits."""
    photos = {who: Photo(who, ArrayPicture(read_person(who))) for who in PEOPLE}
    return {who: parts.enroller.enrol([photo]).source for who, photo in photos.items()}


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return Material(tmp_path_factory.mktemp("material"))
