"""Nets are loaded while something else is done, and what fails there is told where it is needed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from lendface.engine import kernels
from lendface.errors import ModelMissingError
from lendface.models import RuntimeOptions, get_spec
from lendface.models.session import LaterSession
from lendface.pipeline.warming import warmed

SMALL = get_spec("face_blendshapes_52")


def later(file: str = SMALL.file) -> LaterSession:
    return LaterSession(replace(SMALL, file=file), RuntimeOptions())


def test_the_first_net_is_loaded_when_the_block_ends() -> None:
    first, second = later(), later()
    with warmed([first, second], with_kernels=False):
        pass
    assert first.is_loaded


def test_a_net_that_is_not_there_is_an_error_only_for_whoever_runs_it() -> None:
    missing = later("nowhere.onnx")
    with warmed([missing], with_kernels=False):
        pass
    assert not missing.is_loaded
    with pytest.raises(ModelMissingError):
        missing.run({})


def test_an_error_of_the_block_is_its_own() -> None:
    with (
        pytest.raises(ValueError, match="a wrong photo"),
        warmed([later("nowhere.onnx"), later()], with_kernels=False),
    ):
        raise ValueError("a wrong photo")


def test_all_kernels_are_made_ready_one_by_one() -> None:
    from lendface.engine.kernels.compiled import KERNELS

    assert sum(1 for _ in kernels.load_all()) == len(KERNELS) > 0


def test_kernels_made_ready_beforehand_change_nothing_before_they_are_asked_for() -> None:
    code = (
        "from lendface.engine import kernels; next(kernels.load_all());"
        "before = kernels.are_loaded(); kernels.load(); print(before, kernels.are_loaded())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
