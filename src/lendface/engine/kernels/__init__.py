"""Loops over pixels, compiled: what NumPy and OpenCV would do in many passes is done in one.

A module of kernels is imported, and compiled where that has not been done before, when it is first
looked up here as an attribute: ``kernels.raster.paint(...)``. Importing lendface stays quick, and
whoever only scans never compiles. All are free of the interpreter's lock and run on one thread, so
the same frame gives the same pixels everywhere.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import join, look, noise, planes, raster, skin, warp

MODULES = ("join", "look", "noise", "planes", "raster", "skin", "warp")

__all__ = ["join", "look", "noise", "planes", "raster", "skin", "warp"]


def __getattr__(name: str) -> ModuleType:
    if name not in MODULES:
        raise AttributeError(f"there are no kernels {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def load() -> None:
    """Import Numba, if that has not been done."""
    importlib.import_module(f"{__name__}.compiled")


def are_loaded() -> bool:
    """Whether that has been done: then a kernel is worth its while for something small, too."""
    return f"{__name__}.compiled" in sys.modules
