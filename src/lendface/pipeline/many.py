"""Several targets, one after the other; one that fails does not keep the others from being done."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import CancelledError, DiskFullError, LendfaceError, ModelError, OutputExistsError
from .swaps import SwapReport, SwapRequest

FOR_ALL = (CancelledError, DiskFullError, ModelError)  # the next target would fail like this one

log = logging.getLogger("lendface")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one target: a report, or the error for which there is no result."""

    target: Path
    output: Path
    report: SwapReport | None = None
    error: LendfaceError | None = None


def swap_each(
    requests: Iterable[SwapRequest],
    swap: Callable[[SwapRequest], SwapReport],
    *,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Do each request when the one before it was told.

    Raises only what would stop the others too: CancelledError, DiskFullError, ModelError.
    """
    for request in requests:
        report, error = None, None
        try:
            report = swap_new(request, swap, overwrite)
        except FOR_ALL:
            raise
        except LendfaceError as fault:
            error = fault
        except Exception:  # a mistake of ours with this target
            log.exception("a swap failed")
            error = LendfaceError("something went wrong inside lendface")
        yield Outcome(request.target, request.output, report, error)


def swap_new(
    request: SwapRequest, swap: Callable[[SwapRequest], SwapReport], overwrite: bool
) -> SwapReport:
    """Raises OutputExistsError where the result would replace a file and may not."""
    if os.path.exists(request.output) and not overwrite:
        raise OutputExistsError(request.output.name)
    return swap(request)
