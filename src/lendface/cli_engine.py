"""What commands that run the engine share: what it runs on, how far it is, and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from .app import Parts, Watch


class Provider(StrEnum):
    auto = "auto"
    cpu = "cpu"
    openvino = "openvino"
    cuda = "cuda"
    tensorrt = "tensorrt"
    coreml = "coreml"


ProviderOption = Annotated[
    Provider,
    typer.Option(help="What the networks run on; an error if it does not load, never a fallback."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; no progress, errors as JSON too.")
]


def load(provider: Provider) -> Parts:
    from .app import RuntimeOptions, build
    from .engine.memory import collect_rarely, own_process, share_freed_memory

    own_process()
    share_freed_memory()
    parts = build(RuntimeOptions(provider=provider.value))
    collect_rarely()
    return parts


@contextmanager
def following(as_json: bool) -> Iterator[Watch]:
    """Shows progress: a bar with ETA on a terminal, plain lines elsewhere, nothing with JSON."""
    from .app import Watch
    from .progress import Bars, Lines

    if as_json:
        yield Watch()
    elif sys.stderr.isatty():
        with Bars() as bars:
            yield Watch(bars.show)
    else:
        yield Watch(Lines().show)
