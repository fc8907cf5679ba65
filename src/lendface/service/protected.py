"""The list of protected faces in the server's database, which all that swaps with it shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import NotFoundError, ProtectedListError, SealBrokenError
from ..storage.tables import protected_faces
from ..trust.protected import ProtectedFace, parse_face, write_face
from . import audit
from .clients import Desk

OLDEST_FIRST = sa.select(protected_faces).order_by(protected_faces.c.added_ms, protected_faces.c.id)


@dataclass(frozen=True, eq=False)
class ProtectedTable:
    """Plays ``trust.protected.ProtectedFaces``; every change is an entry of the audit log."""

    desk: Desk

    def entries(self) -> Sequence[ProtectedFace]:
        """Raises also DatabaseError, which may pass."""
        with self.desk.database.reading() as connection:
            rows = connection.execute(OLDEST_FIRST).mappings().all()
        return [self._opened(row) for row in rows]

    def add(self, face: ProtectedFace) -> None:
        sealed = self.desk.sealer.seal(write_face(face), _purpose(face.id))
        detail = {"photos": len(face.embeddings), "is_kept": face.is_kept}
        with self.desk.database.writing() as connection:
            values = {"id": face.id, "sealed": sealed, "added_ms": face.added_ms}
            connection.execute(protected_faces.insert().values(**values))
            audit.record(connection, "protected.added", face.id, None, detail, self.desk.now_ms())

    def remove(self, entry_id: str) -> None:
        """What was kept of the face is written over where the database allows it."""
        with self.desk.database.erasing() as connection:
            gone = protected_faces.delete().where(protected_faces.c.id == entry_id)
            if not connection.execute(gone).rowcount:
                raise NotFoundError("protected face")
            audit.record(connection, "protected.removed", entry_id, None, {}, self.desk.now_ms())

    def _opened(self, row: Mapping[Any, Any]) -> ProtectedFace:
        try:
            return parse_face(self.desk.sealer.unseal(row["sealed"], _purpose(row["id"])))
        except SealBrokenError:
            raise ProtectedListError from None


def _purpose(entry_id: str) -> str:
    return f"protected:{entry_id}"
