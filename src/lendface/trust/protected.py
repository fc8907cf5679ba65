"""The list of protected faces: people whose face is never lent, nor replaced if they say so.

What is kept of a person are a few hundred numbers by which they are known again. They are never
printed and never logged.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..engine.types import Floats
from ..errors import ProtectedListError

FORM = 1  # of the text
RECOGNIZER = "sface"  # whose numbers they are; those of another cannot be compared


@dataclass(frozen=True, slots=True, eq=False)
class ProtectedFace:
    """One person on the list."""

    id: str
    reason: str  # why, in the operator's words
    added_ms: int  # since 1970
    embeddings: Floats = field(repr=False)  # (photos, 128), unit length
    is_kept: bool = False  # is not replaced, either, where a film shows it

    @classmethod
    def new(
        cls, reason: str, added_ms: int, embeddings: Floats, is_kept: bool = False
    ) -> ProtectedFace:
        return cls(f"face_{secrets.token_hex(6)}", reason, added_ms, embeddings, is_kept)


class ProtectedFaces(Protocol):
    """Where the list is kept."""

    def entries(self) -> Sequence[ProtectedFace]:
        """All of them, the oldest first. Raises ProtectedListError; never an empty list for it."""
        ...

    def add(self, face: ProtectedFace) -> None: ...

    def remove(self, entry_id: str) -> None:
        """Raises NotFoundError."""
        ...


def write_face(face: ProtectedFace) -> str:
    """All that is kept of a person, to be sealed."""
    return json.dumps(
        {
            "form": FORM,
            "recognizer": RECOGNIZER,
            "id": face.id,
            "reason": face.reason,
            "added_ms": face.added_ms,
            "is_kept": face.is_kept,
            "embeddings": [[round(float(v), 6) for v in row] for row in face.embeddings],
        }
    )


def parse_face(text: str) -> ProtectedFace:
    """What ``write_face`` wrote. Raises ProtectedListError for anything else."""
    try:
        row = json.loads(text)
        if (row["form"], row["recognizer"]) != (FORM, RECOGNIZER):
            raise ProtectedListError
        return _face(row)
    except (ValueError, KeyError, TypeError):
        raise ProtectedListError from None


def _face(row: dict[str, Any]) -> ProtectedFace:
    rows = np.atleast_2d(np.array(row["embeddings"], np.float32))
    if rows.shape[0] == 0 or rows.shape[1] == 0:
        raise ProtectedListError
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not ((norms > 0) & np.isfinite(norms)).all():  # it would be like nobody
        raise ProtectedListError
    added_ms, is_kept = int(row["added_ms"]), bool(row["is_kept"])
    embeddings = rows / norms
    return ProtectedFace(str(row["id"]), str(row["reason"]), added_ms, embeddings, is_kept)
