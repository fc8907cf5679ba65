"""A process that renders parts for ``side_by_side``; its argument is the number of a connection.

It is given an ``Order`` and then a ``Part`` after the other, and says what it does; another order
may follow. It ends when nobody listens any more, so nothing stays behind when the one that started
it is killed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2

from ..engine import kernels
from ..engine.label import Label
from ..engine.memory import collect_rarely, own_process, share_freed_memory
from ..engine.plan import SwapPlan
from ..engine.roles import Swapper
from ..errors import LendfaceError
from ..media import Chunk, EncodeOptions
from .parts import Progress, Watch
from .rendering import Rendering
from .trackfile import load_scan


@dataclass(frozen=True, eq=False)
class Order:
    """What is the same for all parts."""

    target: Path
    scan: Path
    plan: SwapPlan
    swapper: Swapper[Any]
    encode: EncodeOptions
    label: Label | None


@dataclass(frozen=True)
class Part:
    """One part, and the file that it becomes."""

    chunk: Chunk
    output: Path


@dataclass(frozen=True)
class Stepped:
    """One more frame is done."""


@dataclass(frozen=True)
class Done:
    """The part is done."""

    warnings: list[str]


@dataclass(frozen=True)
class Broken:
    """The part cannot be rendered; an error taken apart, for many need more than one argument."""

    kind: type[LendfaceError]
    values: tuple[Any, ...]
    facts: dict[str, Any]

    @classmethod
    def of(cls, error: LendfaceError) -> Broken:
        return cls(type(error), error.args, dict(error.__dict__))

    def error(self) -> LendfaceError:
        """The same error again."""
        error = self.kind.__new__(self.kind, *self.values)
        error.args = self.values
        error.__dict__.update(self.facts)
        return error


def serve(end: Connection) -> None:
    """Render until there is nothing more to do."""
    for _ in kernels.load_all():
        pass  # the film is still being scanned
    message = end.recv()
    while True:
        order, rendering = message, opened(message, end)
        while isinstance(message := end.recv(), Part):
            try:
                warnings = rendering.write_part(order.target, message.chunk, message.output)
            except LendfaceError as error:
                return end.send(Broken.of(error))
            end.send(Done(warnings))


def opened(order: Order, end: Connection) -> Rendering:
    cv2.setNumThreads(order.encode.threads or 1)
    watch = Watch(lambda progress: tell(end, progress))
    scan = load_scan(order.scan)
    return Rendering(scan, order.plan, order.swapper, order.encode, watch, order.label)


def tell(end: Connection, progress: Progress) -> None:
    end.send(Stepped())


def main() -> None:
    own_process()
    share_freed_memory()
    collect_rarely()
    with Connection(int(sys.argv[1])) as end:
        try:
            serve(end)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # whoever gave the order has what they want, or is gone
