"""Signs what a swap of files makes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..pipeline.finishing import Made
from ..pipeline.swaps import SwapRequest
from .claims import Claim, hash_file, media_type, used_models
from .provenance import Provenance

OFF = (
    "provenance is switched off by LENDFACE_PROVENANCE: the result carries nothing that says that "
    "faces in it were replaced"
)

log = logging.getLogger("lendface.trust")


@dataclass(frozen=True, eq=False)
class SwapSigner:
    """Plays a ``pipeline.finishing.Finish`` for one swap."""

    provenance: Provenance
    request: SwapRequest
    now_ms: Callable[[], int]

    def __call__(self, path: Path, made: Made) -> Sequence[str]:
        """Raises SigningError, DiskFullError, OutputError."""
        target = self.request.target
        claim = Claim(
            made_ms=self.now_ms(),
            target_sha256=hash_file(target),
            target_type=media_type(target),
            models=used_models(),
            parameters=parameters_of(self.request),
            people=made.people,
            change=made.what,
        )
        return self.provenance.sign(path, claim, target)


def leave_unsigned(path: Path, made: Made) -> Sequence[str]:
    """A Finish for operators who switched provenance off."""
    log.warning(OFF)
    return [OFF]


def parameters_of(request: SwapRequest) -> dict[str, Any]:
    """How the faces were to look; no names of files, for they may name people."""
    seconds = {"start_s": request.trim.start_s, "end_s": request.trim.end_s}
    trim = {name: float(value) for name, value in seconds.items() if value is not None}
    return asdict(request.style) | trim | {"visible_label": request.label is not None}
