"""Progress for people: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from .pipeline.parts import Progress

LINE_EVERY_S = 5.0
TITLES = {
    "clip": "making a clip",
    "scan": "looking for faces",
    "compile": "compiling, once",
    "render": "swapping",
    "measure": "measuring",
}


class Bars:
    """One bar a stage, with frames, rate and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            TextColumn("{task.description:18}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, object] = {}

    def __enter__(self) -> Self:
        self._bars.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def show(self, progress: Progress) -> None:
        if progress.stage not in self._tasks:
            title = TITLES.get(progress.stage, progress.stage)
            self._tasks[progress.stage] = self._bars.add_task(title, total=progress.total)
        task = self._tasks[progress.stage]
        self._bars.update(task, completed=progress.done, total=progress.total)  # type: ignore[arg-type]


class Lines:
    """A plain line when a stage begins and every few seconds."""

    def __init__(self) -> None:
        self._stage, self._began, self._told = "", 0.0, 0.0

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._began = progress.stage, now
        elif now - self._told < LINE_EVERY_S:
            return
        self._told = now
        print(self._line(progress, now - self._began), file=sys.stderr, flush=True)

    def _line(self, progress: Progress, spent_s: float) -> str:
        title = TITLES.get(progress.stage, progress.stage)
        if progress.stage == "compile":
            return f"{title} for this version on this machine: {progress.done} of {progress.total}"
        if not progress.total:
            return f"{title}: {progress.done} frames"
        left_s = spent_s * max(progress.total - progress.done, 0) / max(progress.done, 1)
        eta = f", {left_s:.0f} s left" if spent_s > 1 else ""
        return f"{title}: {progress.done} of {progress.total} frames{eta}"
