"""What every runtime must do: the same numbers, from any thread, on what was asked for."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, get_args

import numpy as np
import onnxruntime
import pytest

from lendface.engine.types import Array
from lendface.errors import BadOptionError, ProviderUnavailableError
from lendface.models import RuntimeOptions, Session, get_spec, offered_providers, open_session
from lendface.models.session import ORT_NAMES, LaterSession, Provider

OFFERED = offered_providers()
ABSENT = sorted(set(get_args(Provider)) - {"auto"} - set(OFFERED))

# Input shape, then mean and standard deviation of each output, on `wave`; from onnxruntime 1.31.
GOLDENS: dict[str, tuple[tuple[int, ...], list[tuple[float, float]]]] = {
    "yunet": (
        (1, 3, 64, 96),
        [
            (0.58023, 0.03835),
            (0.48734, 0.02692),
            (0.52648, 0.00943),
            (0.00001, 0.00002),
            (0.00001, 0.00002),
            (0.00019, 0.00013),
            (0.91895, 0.59287),
            (0.29077, 0.19097),
            (0.66898, 0.21466),
            (0.62469, 0.94773),
            (0.40935, 0.21698),
            (0.67215, 0.39058),
        ],
    ),
    "blazeface_back": ((1, 256, 256, 3), [(5.47989, 26.56667), (-30.4698, 51.94564)]),
    "face_mesh_478": (
        (2, 256, 256, 3),
        [(92.02679, 74.80641), (-29.883, 0.20768), (0.0, 0.0)],
    ),
    "face_blendshapes_52": ((1, 146, 2), [(0.18236, 0.2713)]),
    "sface": ((1, 3, 112, 112), [(0.00831, 0.20447)]),
    "faceres": (
        (1, 224, 224, 3),
        [(0.63467, 0.0), (0.00002, 0.00043), (0.01, 0.00655)],
    ),
    "palm_detection": ((1, 192, 192, 3), [(4.12652, 18.59084), (-9.42757, 2.84626)]),
    "hand_landmarks": (
        (1, 224, 224, 3),
        [(69.97677, 54.1646), (0.00258, 0.0), (0.73118, 0.0), (-0.00089, 0.01614)],
    ),
}


def wave(shape: tuple[int, ...]) -> Array:
    """A picture-like input, 0..1, that is the same everywhere."""
    values = np.sin(np.arange(math.prod(shape)) * 0.01) * 0.5 + 0.5
    return values.astype(np.float32).reshape(shape)


def open_on(provider: Any, model_id: str) -> Session:
    return open_session(get_spec(model_id), RuntimeOptions(provider=provider))


@pytest.fixture(params=OFFERED)
def provider(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("model_id", GOLDENS)
def test_every_net_gives_its_known_numbers(provider: str, model_id: str) -> None:
    shape, expected = GOLDENS[model_id]
    session = open_on(provider, model_id)
    outputs = session.run({session.input_names[0]: wave(shape)})
    found = [(float(each.mean()), float(each.std())) for each in outputs]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("model_id", GOLDENS)
def test_the_names_are_those_of_the_catalog(model_id: str) -> None:
    session, spec = open_on("cpu", model_id), get_spec(model_id)
    assert session.input_names == spec.inputs
    assert session.output_names == spec.outputs


def test_a_session_says_what_it_runs_on(provider: str) -> None:
    assert open_on(provider, "yunet").provider == provider


def test_many_threads_get_what_one_gets(provider: str) -> None:
    session = open_on(provider, "face_mesh_478")
    inputs = [wave((1, 256, 256, 3)) * share for share in np.linspace(0.2, 1, 8, dtype=np.float32)]
    alone = [session.run({"input_12": each})[0] for each in inputs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: session.run({"input_12": each})[0], inputs * 3))
    for index, outputs in enumerate(together):
        np.testing.assert_array_equal(outputs, alone[index % 8])


def test_outputs_stay_as_they_are_when_the_net_runs_again(provider: str) -> None:
    session = open_on(provider, "sface")
    (first,) = session.run({"data": wave((1, 3, 112, 112))})
    kept = first.copy()
    session.run({"data": np.zeros((1, 3, 112, 112), np.float32)})
    np.testing.assert_array_equal(first, kept)


def test_a_batch_gives_what_single_pictures_give(provider: str) -> None:
    session = open_on(provider, "face_mesh_478")
    pictures = wave((3, 256, 256, 3))
    batch = session.run({"input_12": pictures})[0]
    for index in range(3):
        alone = session.run({"input_12": pictures[index : index + 1]})[0]
        np.testing.assert_allclose(batch[index], alone[0], atol=2e-3)


@pytest.mark.skipif(not ABSENT, reason="this machine offers every provider")
@pytest.mark.parametrize("absent", ABSENT)
def test_a_provider_that_is_not_there_is_an_error_and_never_the_cpu(absent: str) -> None:
    with pytest.raises(ProviderUnavailableError) as caught:
        open_on(absent, "yunet")
    assert caught.value.provider == absent
    assert caught.value.available == OFFERED


def test_a_provider_that_loads_as_the_cpu_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime built with CUDA on a machine without a driver: offered, then not used."""
    offered = [ORT_NAMES["cuda"], ORT_NAMES["cpu"]]
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: offered)
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda content, options, providers, **_: real(content, options, providers=[providers[-1]]),
    )
    with pytest.raises(ProviderUnavailableError, match="the provider cuda did not load"):
        open_on("cuda", "yunet")


def test_auto_takes_the_best_that_loads_and_says_which() -> None:
    best = next(name for name in ("cuda", "coreml", "openvino", "cpu") if name in OFFERED)
    assert open_on("auto", "yunet").provider == best


def test_a_session_for_later_opens_once_and_answers_the_same() -> None:
    later = LaterSession(get_spec("sface"), RuntimeOptions())
    picture = wave((1, 3, 112, 112))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: later.run({"data": picture})[0], range(8)))
    now = open_on("cpu", "sface").run({"data": picture})[0]
    assert all(np.array_equal(each, now) for each in answers)
    assert (later.provider, later.input_names, later.output_names) == ("cpu", ("data",), ("fc1",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provider": "npu"}, "there is no provider npu"),
        ({"threads": 0}, "threads must be 1 or more"),
        ({"device_id": -1}, "device_id must be 0 or more"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadOptionError, match=words):
        RuntimeOptions(**options)


def test_openvino_is_offered_when_its_extra_is_installed() -> None:
    assert ("openvino" in OFFERED) == (find_spec("openvino") is not None)
