"""What processes that we start are told: a variable that holds a secret is told to none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping

LOADER = "LD_LIBRARY_PATH"  # without it some builds of Python do not start
PLAIN = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "USER", LOADER),
        *("XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "PYTHONWARNINGS", "PYTHONDONTWRITEBYTECODE"),
    }
)
PLAIN_BEGINNINGS = (
    *("LC_", "ORT_", "OMP_", "OPENBLAS_", "MKL_", "OPENCV_", "NUMBA_", "NUMEXPR_", "MALLOC_"),
    *("CUDA_", "NVIDIA_", "LIBVA_", "VDPAU_", "GOMP_", "KMP_"),
)


def bare() -> dict[str, str]:
    """For a process that opens a file from outside: hardly anything."""
    kept = {LOADER: os.environ[LOADER]} if LOADER in os.environ else {}
    return {"LANG": "C.UTF-8", **kept}


def plain(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """For a process of ours that computes: where things are, and how many threads it may take.

    Settings of ours are not among it, nor keys of a cloud, a database or whoever started us.
    """
    known = os.environ if environment is None else environment
    return {
        name: value
        for name, value in known.items()
        if name in PLAIN or name.startswith(PLAIN_BEGINNINGS)
    }
