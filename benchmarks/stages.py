"""Stopwatches around the parts of a swap, without a change in what they do."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any

from lendface.engine.flow import FaceFlow
from lendface.engine.mesh.light import LightMeter
from lendface.media import PlanesPicture
from lendface.pipeline.parts import Parts

STAGES = ("detect", "landmark", "flow", "light", "hands", "embed", "swap", "paste")


class Stopwatch:
    """Seconds of processor time by stage, of the thread that does it.

    A stage inside of another one counts as its own, not twice.
    """

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self._own = threading.local()

    @property
    def _inner_s(self) -> list[float]:
        if not hasattr(self._own, "inner_s"):
            self._own.inner_s = []
        return self._own.inner_s

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def run(*values: Any, **named: Any) -> Any:
            self._inner_s.append(0.0)
            began = time.thread_time()
            try:
                return work(*values, **named)
            finally:
                spent = time.thread_time() - began
                self.spent_s[stage] += spent - self._inner_s.pop()
                if self._inner_s:
                    self._inner_s[-1] += spent

        return run


class Timed:
    """Any part, some of whose methods are timed."""

    def __init__(self, part: Any, watch: Stopwatch, stage: str, *methods: str) -> None:
        self._part = part
        for name in methods:
            setattr(self, name, watch.timed(stage, getattr(part, name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


def timed_parts(parts: Parts, watch: Stopwatch) -> Parts:
    """The same parts with stopwatches on the nets and the swapper."""
    old: Any = parts.scanner
    scanner = replace(
        old,
        detector=Timed(old.detector, watch, "detect", "detect", "glance"),
        landmarker=Timed(old.landmarker, watch, "landmark", "landmarks"),
        recognizer=Timed(old.recognizer, watch, "embed", "describe"),
        hand_finder=Timed(old.hand_finder, watch, "hands", "find", "follow"),
    )
    swapper: Any = Timed(parts.swapper, watch, "swap", "swap")
    swapper.prepare = watch.timed("prepare", parts.swapper.prepare)
    return replace(parts, scanner=scanner, swapper=swapper)


@contextmanager
def timed_inside(watch: Stopwatch) -> Iterator[None]:
    """Stopwatches on what is not handed in: flow, light and pasting."""
    places: list[tuple[Any, str, str]] = [
        (FaceFlow, "between", "flow"),
        (LightMeter, "measure_in", "light"),
        (PlanesPicture, "pasted", "paste"),
    ]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    try:
        for owner, name, stage in places:
            setattr(owner, name, watch.timed(stage, getattr(owner, name)))
        yield
    finally:
        for owner, name, work in kept:
            setattr(owner, name, work)
