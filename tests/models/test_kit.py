"""The kit puts one player into each role."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lendface.errors import ProviderUnavailableError
from lendface.models import ModelKit, RuntimeOptions, load_kit, offered_providers
from lendface.models.session import BEST_FIRST


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
        "from lendface.models import load_kit, catalog; load_kit();"
        "print(catalog.load_bytes.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
