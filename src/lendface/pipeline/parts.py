"""The engine with its models, joined once and handed to whoever works with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..engine.enrol import Enroller
from ..engine.mesh.swapper import MeshSwapper
from ..engine.roles import Recognizer
from ..engine.scan import Scanner
from ..engine.style import Style
from ..errors import CancelledError
from ..models.session import LaterSession


@dataclass(frozen=True, eq=False)
class Parts:
    """What a swap needs. ``provider`` is what the networks really run on."""

    scanner: Scanner
    enroller: Enroller
    recognizer: Recognizer
    swapper: MeshSwapper
    provider: str
    later: tuple[LaterSession, ...] = ()  # nets that any work needs, not loaded yet

    def styled(self, style: Style) -> Parts:
        """The same parts, with which swaps look as asked for."""
        return replace(self, swapper=replace(self.swapper, style=style))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is. ``total`` is None where the file does not say how many frames it has."""

    stage: str  # "scan" or "render"
    done: int  # frames
    total: int | None


@dataclass(frozen=True)
class Watch:
    """How a caller follows and stops the work; both are called after each frame."""

    on_progress: Callable[[Progress], None] = field(default=lambda progress: None)
    is_cancelled: Callable[[], bool] = field(default=lambda: False)

    def step(self, stage: str, done: int, total: int | None) -> None:
        """Raises CancelledError where the caller wants to stop."""
        if self.is_cancelled():
            raise CancelledError
        self.on_progress(Progress(stage, done, total))
