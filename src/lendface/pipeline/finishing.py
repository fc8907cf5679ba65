"""The last thing that is done to a result, before it appears under its name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..media.failures import writing
from ..media.output import check_writable, part_beside, real_place


@dataclass(frozen=True, slots=True)
class Made:
    """What a file shows."""

    what: Literal["faces", "mask_preview"]  # new faces, or mesh and mask over the old ones
    people: int  # how many it was done to


Finish = Callable[[Path, Made], Sequence[str]]  # changes a file where it lies; returns warnings


def leave(path: Path, made: Made) -> Sequence[str]:
    """A Finish that does nothing."""
    return ()


@contextmanager
def finished_output(path: Path) -> Iterator[Path]:
    """A file of the same name in a hidden folder beside ``path``.

    When the block ends well, it moves to ``path``, and whatever lies with it beside it; else all of
    it is gone and an older file at ``path`` is as it was. A symbolic link stays one: all of this is
    done where it leads to. Raises OutputFolderMissingError, OutputError, DiskFullError.
    """
    check_writable(path)
    real = real_place(path)
    folder = part_beside(real)
    with writing():
        folder.mkdir(mode=0o700)
    try:
        yield folder / path.name
        with writing():
            _move(folder / path.name, real)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(finished: Path, real: Path) -> None:
    """The file itself comes last: what belongs to it is there when it appears."""
    beside = [made for made in finished.parent.iterdir() if made.name != finished.name]
    for made in beside:
        os.replace(made, real.with_name(_beside(made.name, finished.name, real.name)))
    os.replace(finished, real)


def _beside(name: str, finished: str, real: str) -> str:
    """``a.mkv.c2pa`` belongs to ``a.mkv``, and stays beside it whatever a link calls it."""
    return real + name.removeprefix(finished) if name.startswith(finished) else name
