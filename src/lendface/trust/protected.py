"""The list of protected faces: people whose face is never lent, nor replaced if they say so.

What is kept of a person are a few hundred numbers by which they are known again. They are never
printed and never logged.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..engine.types import Floats
from ..errors import NotFoundError, ProtectedListError

FORM = 1  # of the file
RECOGNIZER = "sface"  # whose numbers they are; those of another cannot be compared
FILE_NAME = "protected.json"


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


@dataclass(frozen=True, slots=True)
class ProtectedFile:
    """The list as a file that only its owner may read; no file is an empty list."""

    path: Path

    def entries(self) -> Sequence[ProtectedFace]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ()
        except OSError:
            raise ProtectedListError from None
        return _parsed(text)

    def add(self, face: ProtectedFace) -> None:
        """Raises ProtectedListError where the list can be neither read nor written."""
        with self._held():
            self._write([*self.entries(), face])

    def remove(self, entry_id: str) -> None:
        with self._held():
            known = self.entries()
            left = [face for face in known if face.id != entry_id]
            if len(left) == len(known):
                raise NotFoundError("protected face")
            self._write(left)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """One change at a time."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            raise ProtectedListError from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, faces: Sequence[ProtectedFace]) -> None:
        """All of it, or as it was."""
        rows = [_row(face) for face in faces]
        text = json.dumps({"form": FORM, "recognizer": RECOGNIZER, "faces": rows}, indent=1)
        fresh = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self.path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise ProtectedListError from None


def _row(face: ProtectedFace) -> dict[str, Any]:
    return {
        "id": face.id,
        "reason": face.reason,
        "added_ms": face.added_ms,
        "is_kept": face.is_kept,
        "embeddings": [[round(float(v), 6) for v in row] for row in face.embeddings],
    }


def _parsed(text: str) -> tuple[ProtectedFace, ...]:
    """Raises ProtectedListError for anything that was not written here."""
    try:
        held = json.loads(text)
        if (held["form"], held["recognizer"]) != (FORM, RECOGNIZER):
            raise ProtectedListError
        return tuple(_face(row) for row in held["faces"])
    except (ValueError, KeyError, TypeError):
        raise ProtectedListError from None


def _face(row: dict[str, Any]) -> ProtectedFace:
    rows = np.atleast_2d(np.array(row["embeddings"], np.float32))
    if rows.shape[0] == 0 or rows.shape[1] == 0:
        raise ProtectedListError
    embeddings = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    added_ms, is_kept = int(row["added_ms"]), bool(row["is_kept"])
    return ProtectedFace(str(row["id"]), str(row["reason"]), added_ms, embeddings, is_kept)
