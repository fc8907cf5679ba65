"""Whether somebody is on the list of protected faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.plan import SwapPlan
from ..engine.tracks import Tracks
from ..engine.types import Floats, SourceFace
from ..errors import ProtectedFaceError
from .protected import ProtectedFace
from .thresholds import SAME_FACE


@dataclass(frozen=True, slots=True)
class Match:
    """Somebody was known again."""

    face: ProtectedFace
    likeness: float  # cosine, -1..1


def find_protected(
    embeddings: Floats, faces: Iterable[ProtectedFace], threshold: float = SAME_FACE
) -> Match | None:
    """The best match of any of ``embeddings`` (n, 128) with any photo of anybody on the list."""
    found = [Match(face, float((embeddings @ face.embeddings.T).max())) for face in faces]
    best = max(found, key=lambda match: match.likeness, default=None)
    return best if best is not None and best.likeness >= threshold else None


def check_sources(
    sources: Iterable[SourceFace], faces: Sequence[ProtectedFace], threshold: float = SAME_FACE
) -> None:
    """No photo of a source, and not their mean, may show a protected face.

    Raises ProtectedFaceError.
    """
    for number, source in enumerate(sources, start=1):
        rows = [source.embedding, *(portrait.embedding for portrait in source.portraits)]
        _refuse(find_protected(np.stack(rows), faces, threshold), source=number)


def check_plan(
    tracks: Tracks, plan: SwapPlan, faces: Sequence[ProtectedFace], threshold: float = SAME_FACE
) -> None:
    """Nobody may be replaced who is on the list as one to be kept. Raises ProtectedFaceError."""
    kept = [face for face in faces if face.is_kept]
    for track_id in plan.source_by_track:
        row = tracks.get_person(track_id).embedding[None]
        _refuse(find_protected(row, kept, threshold), person=track_id)


def _refuse(match: Match | None, **whose: int) -> None:
    if match is not None:
        raise ProtectedFaceError(match.face.id, **whose)
