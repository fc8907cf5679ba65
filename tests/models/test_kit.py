"""The kit puts one player into each role."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lendface.errors import ProviderUnavailableError
from lendface.models import ModelKit, RuntimeOptions, get_spec, load_kit, offered_providers
from lendface.models.session import BEST_FIRST, LaterSession, let_nets_go


def test_the_kit_says_what_it_runs_on(kit: ModelKit) -> None:
    assert kit.provider == "cpu"


def test_auto_is_settled_once_for_all_models() -> None:
    kit = load_kit(RuntimeOptions(provider="auto"))
    assert kit.provider == next(name for name in BEST_FIRST if name in offered_providers())
    assert kit.landmarker.session.provider == kit.provider


@pytest.mark.skipif("tensorrt" in offered_providers(), reason="TensorRT is here")
def test_a_missing_provider_is_an_error_before_any_picture() -> None:
    with pytest.raises(ProviderUnavailableError):
        load_kit(RuntimeOptions(provider="tensorrt"))


def test_a_fresh_kit_has_read_only_the_first_model() -> None:
    code = (
        "from lendface.models import load_kit; from lendface.models.session import LATER;"
        "kit = load_kit(); print(len(LATER), sum(net.is_loaded for net in LATER))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["6", "0"]


def test_a_net_that_was_let_go_runs_again_with_the_same_answer() -> None:
    net = LaterSession(get_spec("face_blendshapes_52"), RuntimeOptions())
    inputs = {net.input_names[0]: np.random.default_rng(0).random((1, 146, 2), np.float32)}
    before = net.run(inputs)
    let_nets_go()
    assert not net.is_loaded
    for old, new in zip(before, net.run(inputs), strict=True):
        np.testing.assert_array_equal(old, new)
