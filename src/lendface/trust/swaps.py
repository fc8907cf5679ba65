"""Signs what a swap of files makes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..engine.label import Label
from ..engine.style import Style
from ..pipeline.finishing import Made
from ..pipeline.swaps import SwapRequest
from ..pipeline.targets import Trim
from .claims import Claim, UsedModel, hash_file, media_type
from .provenance import Provenance

OFF = (
    "provenance is switched off by LENDFACE_PROVENANCE: the result carries nothing that says that "
    "faces in it were replaced"
)

log = logging.getLogger("lendface.trust")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a result was made of, and how."""

    target: Path
    target_type: str  # media type
    parameters: Mapping[str, Any] = field(default_factory=dict)
    consents: Sequence[str] = ()  # references that say nothing to others
    lowered: Mapping[str, Any] = field(default_factory=dict)  # guards that were not as usual


@dataclass(frozen=True, eq=False)
class Signer:
    """What signs the results of one machine."""

    provenance: Provenance | None  # None: its operator switched it off
    models: tuple[UsedModel, ...]
    now_ms: Callable[[], int]

    def sign(self, path: Path, made: Made, origin: Origin) -> list[str]:
        """Sign a finished file where it lies; returns warnings.

        Raises SigningError, DiskFullError, OutputError.
        """
        if self.provenance is None:
            log.warning(OFF)
            return [OFF]
        claim = Claim(
            made_ms=self.now_ms(),
            target_sha256=hash_file(origin.target),
            target_type=origin.target_type,
            models=self.models,
            parameters=origin.parameters,
            people=made.people,
            consent=" ".join(origin.consents) or None,
            lowered=origin.lowered,
            change=made.what,
        )
        return self.provenance.sign(path, claim, origin.target)


@dataclass(frozen=True, eq=False)
class SwapSigner:
    """Plays a ``pipeline.finishing.Finish`` for one swap."""

    signer: Signer
    request: SwapRequest
    consents: Sequence[str] = ()
    lowered: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, path: Path, made: Made) -> Sequence[str]:
        """Raises SigningError, DiskFullError, OutputError."""
        request = self.request
        origin = Origin(
            target=request.target,
            target_type=media_type(request.target),
            parameters=parameters_of(request.style, request.trim, request.label),
            consents=self.consents,
            lowered=self.lowered,
        )
        return self.signer.sign(path, made, origin)


def parameters_of(style: Style, trim: Trim, label: Label | None) -> dict[str, Any]:
    """How the faces were to look; no names of files, for they may name people."""
    seconds = {"start_s": trim.start_s, "end_s": trim.end_s}
    times = {name: float(value) for name, value in seconds.items() if value is not None}
    return asdict(style) | times | {"visible_label": label is not None}
