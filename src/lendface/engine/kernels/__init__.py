"""Loops over pixels, compiled: what NumPy and OpenCV would do in many passes is done in one.

A module of kernels is imported, and compiled where that has not been done before, when it is first
looked up here as an attribute: ``kernels.raster.paint(...)``. Importing lendface stays quick, and
whoever only scans never compiles. All are free of the interpreter's lock and run on one thread, so
the same frame gives the same pixels everywhere.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import creases, join, look, noise, planes, pull, raster, skin, warp

NUMBAS_OWN = "NUMBA_CACHE_DIR"
MODULES = ("creases", "join", "look", "noise", "planes", "pull", "raster", "skin", "warp")

__all__ = ["creases", "join", "look", "noise", "planes", "pull", "raster", "skin", "warp"]
_loaded = threading.Event()
_place: list[Path] = []  # where machine code is kept, if somebody chose it


def keep_in(folder: Path) -> None:
    """Keep machine code in this folder, if it can be written; for kernels that are not ready yet,
    and for processes that are started from now on."""
    _place[:] = [folder]
    os.environ.setdefault(NUMBAS_OWN, str(folder))


def chosen_place() -> Path | None:
    return _place[0] if _place else None


def count_missing() -> int:
    """How many kernels have to be compiled before a face can be painted; 0 where all are kept."""
    for name in MODULES:
        __getattr__(name)
    from .compiled import count_missing

    return count_missing()


def load_all() -> Iterator[None]:
    """Make one kernel after the other ready, for whoever is going to need them all."""
    for name in MODULES:
        __getattr__(name)
    from .compiled import KERNELS

    for load in KERNELS:
        load()
        yield


def __getattr__(name: str) -> ModuleType:
    if name not in MODULES:
        raise AttributeError(f"there are no kernels {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def load() -> None:
    """Import Numba, if that has not been done; from now on ``are_loaded``."""
    importlib.import_module(f"{__name__}.compiled")
    _loaded.set()


def are_loaded() -> bool:
    """Whether that has been asked for: then a kernel is worth its while for something small, too.

    ``load_all`` beside other work does not count, or it would be chance which way that goes.
    """
    return _loaded.is_set()
