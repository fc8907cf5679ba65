"""The one place that knows the inference runtimes. They are imported when one is opened."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol, get_args
from weakref import WeakSet

from lendface.engine.types import Array
from lendface.errors import BadOptionError, LendfaceError, ProviderUnavailableError

from .catalog import ModelSpec, load_bytes

Provider = Literal["cpu", "cuda", "tensorrt", "openvino", "coreml", "auto"]

ORT_NAMES: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
BEST_FIRST = ("cuda", "coreml", "openvino", "cpu")  # not tensorrt: it compiles for minutes
DEVICE_PROVIDERS = frozenset({"cuda", "tensorrt"})


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """Where and how nets run.

    ``threads`` are those inside one call. One is right when several stages or chunks run side by
    side, because sessions with spinning threads of their own slow each other down.
    """

    provider: Provider = "cpu"
    threads: int = 1
    device_id: int = 0  # of the GPU, for cuda and tensorrt

    def __post_init__(self) -> None:
        if self.provider not in get_args(Provider):
            known = ", ".join(get_args(Provider))
            raise BadOptionError(f"there is no provider {self.provider}; choose one of {known}")
        if self.threads < 1:
            raise BadOptionError(f"threads must be 1 or more, not {self.threads}")
        if self.device_id < 0:
            raise BadOptionError(f"device_id must be 0 or more, not {self.device_id}")


class Session(Protocol):
    """One net, ready to run; several threads may run it at once."""

    @property
    def provider(self) -> str: ...  # what it really runs on, never "auto"

    @property
    def input_names(self) -> tuple[str, ...]: ...

    @property
    def output_names(self) -> tuple[str, ...]: ...

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        """All outputs, in the order of ``output_names``; they are the caller's to keep."""
        ...


def open_session(spec: ModelSpec, runtime: RuntimeOptions | None = None) -> Session:
    """The net of ``spec``, loaded.

    Raises ProviderUnavailableError when the asked provider did not load (it is never replaced by
    another one), ModelMissingError or ModelCorruptError for the file.
    """
    runtime = runtime or RuntimeOptions()
    if runtime.provider == "auto":
        return _open_best(spec, runtime)
    if runtime.provider not in offered_providers():
        raise ProviderUnavailableError(runtime.provider, offered_providers())
    backend = OpenvinoSession if runtime.provider == "openvino" else OrtSession
    try:
        return backend.open(spec, runtime)
    except LendfaceError:
        raise
    except Exception as error:  # what a runtime raises for a missing driver is its own affair
        if runtime.provider == "cpu":
            raise
        raise ProviderUnavailableError(runtime.provider, offered_providers()) from error


def offered_providers() -> tuple[str, ...]:
    """The providers whose software is installed, the best first. A GPU may still refuse."""
    from onnxruntime import get_available_providers

    names = get_available_providers()
    offered = {ours for ours, theirs in ORT_NAMES.items() if theirs in names}
    if find_spec("openvino"):
        offered.add("openvino")
    return tuple(name for name in ("tensorrt", *BEST_FIRST) if name in offered)


def _open_best(spec: ModelSpec, runtime: RuntimeOptions) -> Session:
    offered = [name for name in BEST_FIRST if name in offered_providers()]
    for provider in offered[:-1]:
        try:
            return open_session(spec, replace(runtime, provider=provider))
        except ProviderUnavailableError:
            continue
    return open_session(spec, replace(runtime, provider=offered[-1]))


@dataclass(frozen=True, slots=True)
class OrtSession:
    """onnxruntime: CPU, and with its GPU builds CUDA, TensorRT and CoreML."""

    provider: str
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    _net: Any

    @classmethod
    def open(cls, spec: ModelSpec, runtime: RuntimeOptions) -> OrtSession:
        import onnxruntime

        asked = ORT_NAMES[runtime.provider]
        if runtime.provider in DEVICE_PROVIDERS and hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels
        net = onnxruntime.InferenceSession(
            load_bytes(spec),
            _ort_options(runtime),
            providers=_ort_providers(runtime),
            enable_fallback=0,
        )
        if net.get_providers()[0] != asked:  # it falls back to the CPU without an error
            raise ProviderUnavailableError(runtime.provider, offered_providers())
        return cls(
            provider=runtime.provider,
            input_names=tuple(each.name for each in net.get_inputs()),
            output_names=tuple(each.name for each in net.get_outputs()),
            _net=net,
        )

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        return self._net.run(None, dict(inputs))


def _ort_options(runtime: RuntimeOptions) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # An arena of each net's own keeps its largest need for good (80 MiB in all); the C library's
    # heap lends the same memory to one net after the other, at no loss of speed.
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _ort_providers(runtime: RuntimeOptions) -> list[Any]:
    """The asked provider, and the CPU for single operations that it does not know."""
    cpu = ORT_NAMES["cpu"]
    if runtime.provider == "cpu":
        return [cpu]
    settings = {"device_id": runtime.device_id} if runtime.provider in DEVICE_PROVIDERS else {}
    return [(ORT_NAMES[runtime.provider], settings), cpu]


def _import_openvino() -> Any:
    """An extra: it may not be there.

    Each import of it sends a report to its vendor, with an id that it keeps in the user's home,
    unless the package that sends it is missing.
    """
    with _missing("openvino_telemetry"):
        return import_module("openvino")


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Whoever imports the module meanwhile is told that there is none."""
    known = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.modules.pop(name)
        if known is not None:
            sys.modules[name] = known


@dataclass(frozen=True, slots=True)
class OpenvinoSession:
    """OpenVINO on the CPU, in full float32 so that results agree between machines."""

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    _net: Any
    _own: threading.local
    provider: str = "openvino"

    @classmethod
    def open(cls, spec: ModelSpec, runtime: RuntimeOptions) -> OpenvinoSession:
        openvino = _import_openvino()
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": runtime.threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        core = openvino.Core()
        net = core.compile_model(core.read_model(load_bytes(spec)), "CPU", settings)
        return cls(
            input_names=tuple(each.get_any_name() for each in net.inputs),
            output_names=tuple(each.get_any_name() for each in net.outputs),
            _net=net,
            _own=threading.local(),
        )

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        request = self._request()
        request.infer(dict(inputs))
        count = len(self.output_names)
        return [request.get_output_tensor(index).data.copy() for index in range(count)]

    def _request(self) -> Any:
        """This thread's own: one request cannot run twice at once."""
        if not hasattr(self._own, "request"):
            self._own.request = self._net.create_infer_request()
        return self._own.request


class LaterSession:
    """A net that is loaded when it first runs, once, whoever comes first."""

    def __init__(self, spec: ModelSpec, runtime: RuntimeOptions) -> None:
        self._spec, self._runtime = spec, runtime
        self._lock = threading.Lock()
        self._session: Session | None = None
        LATER.add(self)

    @property
    def is_loaded(self) -> bool:
        return self._session is not None

    def load(self) -> None:
        """Load it now, if it is not; raises what running it would."""
        self._opened()

    def let_go(self) -> None:
        """Forget the loaded net; calls under way keep it until they are done."""
        with self._lock:
            self._session = None

    def _opened(self) -> Session:
        with self._lock:
            if self._session is None:
                self._session = open_session(self._spec, self._runtime)
            return self._session

    @property
    def provider(self) -> str:
        return self._opened().provider

    @property
    def input_names(self) -> tuple[str, ...]:
        return self._opened().input_names

    @property
    def output_names(self) -> tuple[str, ...]:
        return self._opened().output_names

    def run(self, inputs: Mapping[str, Array]) -> list[Array]:
        return self._opened().run(inputs)


LATER: WeakSet[LaterSession] = WeakSet()


def let_nets_go() -> None:
    """Give back the memory of all nets that would be loaded again when they next run.

    For whoever has long work to do without them; loading all of them takes about half a second.
    """
    for session in list(LATER):
        session.let_go()
