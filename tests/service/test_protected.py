"""The list of protected faces in the server's database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from lendface.engine.types import Floats
from lendface.errors import NotFoundError, ProtectedListError
from lendface.service.audit import read, verify
from lendface.service.clients import SmallDesk
from lendface.service.office import Office
from lendface.service.protected import ProtectedTable
from lendface.service.sealing import Sealer
from lendface.storage.tables import protected_faces
from lendface.trust.protected import ProtectedFace
from service.offices import open_office


def rows(*seeds: int) -> Floats:
    made = np.stack([np.random.default_rng(seed).normal(size=128) for seed in seeds])
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Iterator[Office]:
    with open_office(tmp_path, database_url=database_url) as office:
        yield office


@pytest.fixture
def kept(office: Office) -> ProtectedTable:
    return ProtectedTable(office)


def change(office: Office, **values: object) -> None:
    with office.database.writing() as connection:
        connection.execute(protected_faces.update().values(**values))


def test_what_is_added_is_there_for_whoever_looks_next(
    office: Office, kept: ProtectedTable
) -> None:
    second = ProtectedFace.new("public figure", 2000, rows(3), is_kept=True)
    first = ProtectedFace.new("asked for it", 1000, rows(1, 2))
    kept.add(second)
    kept.add(first)
    again = ProtectedTable(office).entries()
    assert [(face.id, face.reason, face.added_ms, face.is_kept) for face in again] == [
        (first.id, "asked for it", 1000, False),
        (second.id, "public figure", 2000, True),
    ]
    np.testing.assert_allclose(again[0].embeddings, first.embeddings, atol=1e-5)


def test_nobody_on_it_is_an_empty_list(kept: ProtectedTable) -> None:
    assert list(kept.entries()) == []


def test_who_is_removed_is_gone_from_the_file(
    office: Office, kept: ProtectedTable, tmp_path: Path
) -> None:
    stays, goes = (ProtectedFace.new("why", 1, rows(seed)) for seed in (1, 2))
    kept.add(stays)
    kept.add(goes)
    with office.database.reading() as connection:
        query = sa.select(protected_faces.c.sealed).where(protected_faces.c.id == goes.id)
        sealed = connection.execute(query).scalar_one().encode()
    kept.remove(goes.id)
    assert [face.id for face in kept.entries()] == [stays.id]
    left = b"".join(path.read_bytes() for path in tmp_path.glob("lendface.db*"))
    assert sealed[40:90] not in left
    with pytest.raises(NotFoundError):
        kept.remove(goes.id)


def test_each_change_is_an_entry_of_the_audit_log_that_names_nobody(
    office: Office, kept: ProtectedTable
) -> None:
    face = ProtectedFace.new("Anna asked for it", 1, rows(1, 2), is_kept=True)
    kept.add(face)
    kept.remove(face.id)
    with pytest.raises(NotFoundError):
        kept.remove(face.id)
    told = [(e.action, e.subject, e.actor, e.client_id, e.detail) for e in read(office.database)]
    assert told == [
        ("protected.added", face.id, "operator", None, {"photos": 2, "is_kept": True}),
        ("protected.removed", face.id, "operator", None, {}),
    ]
    assert verify(office.database).holds


def test_neither_a_face_nor_a_reason_can_be_read_in_the_database(
    office: Office, kept: ProtectedTable
) -> None:
    kept.add(ProtectedFace.new("Anna asked for it", 1, rows(1)))
    with office.database.reading() as connection:
        (row,) = connection.execute(sa.select(protected_faces)).mappings()
    assert row["sealed"].startswith("v1.")
    assert "Anna" not in str(dict(row))


def test_what_was_sealed_with_an_older_secret_is_still_read(
    office: Office, kept: ProtectedTable
) -> None:
    kept.add(ProtectedFace.new("why", 1, rows(1)))
    later = Sealer(b"n" * 32, (bytes(range(32)),))
    desk = SmallDesk(office.database, later, office.now_ms)
    assert len(ProtectedTable(desk).entries()) == 1


def test_a_list_that_cannot_be_opened_is_an_error_and_never_an_empty_list(
    office: Office, kept: ProtectedTable
) -> None:
    first, second = (ProtectedFace.new("why", 1, rows(seed)) for seed in (1, 2))
    kept.add(first)
    stranger = SmallDesk(office.database, Sealer(b"n" * 32), office.now_ms)
    with pytest.raises(ProtectedListError):
        ProtectedTable(stranger).entries()
    with office.database.reading() as connection:
        sealed = connection.execute(sa.select(protected_faces.c.sealed)).scalar_one()
    kept.add(second)
    change(office, sealed=sealed)  # one entry in the place of another
    with pytest.raises(ProtectedListError):
        kept.entries()
    change(office, sealed="")
    with pytest.raises(ProtectedListError):
        kept.entries()
