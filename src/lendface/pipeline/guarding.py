"""Who may forbid a swap, and when they are asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ..engine.plan import SwapPlan
from ..engine.types import Frame, SourceFace
from .scans import Scan
from .targets import Target


class Onlooker(Protocol):
    """Sees what a scan sees."""

    def open_target(self, target: Target) -> None:
        """The target is going to be scanned."""
        ...

    def see(self, frame: Frame) -> None:
        """Every frame of the scan, once and in order."""
        ...


class Guard(Onlooker, Protocol):
    """Looks on during one swap. Its ``check_`` functions raise RefusedError, before rendering."""

    def check_sources(self, sources: Sequence[SourceFace]) -> Sequence[str]:
        """Asked first. Returns warnings."""
        ...

    def check_plan(self, target: Target, scan: Scan, plan: SwapPlan) -> None:
        """Asked when it is known whose faces are to be replaced."""
        ...


class LetPass:
    """A Guard that forbids nothing."""

    def check_sources(self, sources: Sequence[SourceFace]) -> Sequence[str]:
        return ()

    def open_target(self, target: Target) -> None: ...

    def see(self, frame: Frame) -> None: ...

    def check_plan(self, target: Target, scan: Scan, plan: SwapPlan) -> None: ...
