"""Self-hosted video face swap.

>>> import lendface
>>> lendface.swap("me.jpg", "clip.mp4", "out.mp4")  # doctest: +SKIP
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from .version import __version__

# onnxruntime's wheels send reports to their vendor and keep an id of the machine in the user's
# cache. It looks for this when it is imported, and there is no way back afterwards: whoever
# imports anything of ours comes by here first.
NO_REPORTS = "ORT_DISABLE_TELEMETRY"
if "onnxruntime" in sys.modules and os.environ.get(NO_REPORTS) != "1":
    warnings.warn(
        "onnxruntime was imported before lendface and may report to its vendor; "
        f"set {NO_REPORTS}=1",
        RuntimeWarning,
        stacklevel=2,
    )
os.environ[NO_REPORTS] = "1"

if TYPE_CHECKING:
    from .app import (
        CastNumber,
        EncodeOptions,
        Everyone,
        Label,
        LooksLike,
        MostPresent,
        Outcome,
        Pair,
        Progress,
        RuntimeOptions,
        Scan,
        Style,
        SwapReport,
        SwapRequest,
        Trim,
        Watch,
        build,
        evaluate,
        list_protected,
        protect_face,
        scan,
        swap,
        swap_files,
        swap_frames,
        swap_many,
        unprotect_face,
        verify,
    )

__all__ = [
    "CastNumber",
    "EncodeOptions",
    "Everyone",
    "Label",
    "LooksLike",
    "MostPresent",
    "Outcome",
    "Pair",
    "Progress",
    "RuntimeOptions",
    "Scan",
    "Style",
    "SwapReport",
    "SwapRequest",
    "Trim",
    "Watch",
    "__version__",
    "build",
    "evaluate",
    "list_protected",
    "protect_face",
    "scan",
    "swap",
    "swap_files",
    "swap_frames",
    "swap_many",
    "unprotect_face",
    "verify",
]


def __getattr__(name: str) -> Any:
    """Loads the engine when it is first used: ``lendface --help`` needs none of it."""
    if name not in __all__:
        raise AttributeError(name)
    from . import app

    return getattr(app, name)
