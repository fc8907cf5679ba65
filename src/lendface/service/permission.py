"""Whether a job may use the faces it was given: checked when it comes, and before it renders."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from ..engine.types import Floats, SourceFace
from ..errors import AttestationMissingError, ConsentMissingError, ConsentWithdrawnError
from ..storage.tables import clients, consents, job_consents
from ..trust.consent import Consent, match_people, match_sources, usable
from . import audit
from .clients import Desk
from .office import Office
from .requests import SwapJob
from .sealing import Sealer

Row = Mapping[str, Any]
Policy = Literal["attest", "per_face"]

ATTEST, PER_FACE = "attest", "per_face"


def policy_for(server: str, client: str | None) -> str:
    """A client may be held to more than its server asks, never to less.

    >>> policy_for("attest", "per_face"), policy_for("per_face", "attest")
    ('per_face', 'per_face')
    """
    return PER_FACE if PER_FACE in (server, client) else ATTEST


def check_submission(
    connection: sa.Connection, office: Office, client: sa.Row[Any], request: SwapJob
) -> None:
    """What can be told before anybody has looked at a face.

    Raises AttestationMissingError, ConsentMissingError, ConsentWithdrawnError.
    """
    policy = policy_for(office.rules.consent, client.consent_policy)
    if policy == ATTEST and client.attestation_id is None:
        raise AttestationMissingError
    if policy == PER_FACE or request.consents:
        rows = _rows(connection, request.consents)
        known = [read(row, None) for row in rows]
        if not usable(known, client.id, office.now_ms(), request.consents):
            raise ConsentMissingError


def match_faces(
    office: Office,
    job: Row,
    request: SwapJob,
    sources: Sequence[SourceFace],
    people: Iterable[Floats],
) -> list[str]:
    """Ids of the consents on which the job rests; none where its policy asks for none.

    ``people`` are the embeddings (128,) of those whose faces are replaced. Raises
    ConsentMissingError, ConsentWithdrawnError.
    """
    with office.database.reading() as connection:
        query = sa.select(clients.c.consent_policy).where(clients.c.id == job["client_id"])
        policy = policy_for(office.rules.consent, connection.execute(query).scalar_one())
        if policy == ATTEST and not request.consents:
            return []
        rows = _rows(connection, request.consents)
    known = [read(row, office.sealer) for row in rows if _is_for(row, job["client_id"])]
    valid = usable(known, job["client_id"], office.now_ms(), request.consents)
    found = match_sources(sources, valid)
    if policy == PER_FACE and office.rules.consent_targets:
        every = [read(row, office.sealer) for row in _all(office, job["client_id"])]
        found += match_people(people, usable(every, job["client_id"], office.now_ms()))
    return sorted({consent.id for consent in found})


def rest_on(
    connection: sa.Connection, office: Office, job: Row, consent_ids: Sequence[str]
) -> None:
    """Write down on which consents a job rests, in the transaction that plans it.

    The consents are locked in the order of their ids, as by who withdraws one: so it either finds
    the job here, or is found by it. Raises ConsentWithdrawnError.
    """
    query = sa.select(consents).where(consents.c.id.in_(consent_ids)).order_by(consents.c.id)
    now_ms = office.now_ms()
    for row in connection.execute(query.with_for_update()).mappings().all():
        if read(row, None).is_over(now_ms):
            raise ConsentWithdrawnError
    of_job = job_consents.c.job_id == job["id"]
    known = set(connection.execute(sa.select(job_consents.c.consent_id).where(of_job)).scalars())
    for consent_id in consent_ids:
        if consent_id not in known:
            connection.execute(
                job_consents.insert().values(job_id=job["id"], consent_id=consent_id)
            )
    if set(consent_ids) - known:
        detail = {"consents": list(consent_ids)}
        audit.record(
            connection, "job.consented", job["id"], job["client_id"], detail, now_ms, audit.SERVER
        )


def read_own(desk: Desk) -> list[Consent]:
    """The operator's own consents, for swaps on this machine."""
    query = sa.select(consents).where(consents.c.client_id.is_(None))
    with desk.database.reading() as connection:
        rows = connection.execute(query).mappings().all()
    return [read(row, desk.sealer) for row in rows if row["label"]]


def consents_of(connection: sa.Connection, job_id: str) -> list[str]:
    """On which a job rests."""
    query = sa.select(job_consents.c.consent_id).where(job_consents.c.job_id == job_id)
    return sorted(connection.execute(query).scalars())


# Rows and records


def read(row: Row, sealer: Sealer | None) -> Consent:
    """The record; without a sealer what is sealed is left out, but for whether there is a face."""
    face: Floats | None = None
    if row["embedding"] is not None:
        face = open_face(row, sealer) if sealer else np.zeros(0, np.float32)
    return Consent(
        id=row["id"],
        label=sealer.unseal(row["label"], purpose_of(row["id"])) if sealer else "",
        embedding=face,
        photo_sha256=row["photo_sha256"],
        users=frozenset(row["users"]),
        scope=row["scope"],
        until_ms=row["until_ms"],
        statement=sealer.unseal(row["statement"], purpose_of(row["id"])) if sealer else "",
        evidence_sha256=row["evidence_sha256"],
        withdrawn_ms=row["withdrawn_ms"],
    )


def purpose_of(consent_id: str) -> str:
    return f"consent:{consent_id}"


def seal_face(consent_id: str, embedding: Floats, sealer: Sealer) -> str:
    data = np.asarray(embedding, "<f4").tobytes()
    return sealer.seal(base64.b64encode(data).decode(), purpose_of(consent_id))


def open_face(row: Row, sealer: Sealer) -> Floats:
    """(128,), unit length. Raises SealBrokenError."""
    text = sealer.unseal(row["embedding"], purpose_of(row["id"]))
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)


def _rows(connection: sa.Connection, named: Sequence[str]) -> list[Row]:
    """The named ones; without any, those that were not withdrawn."""
    query = sa.select(consents)
    if named:
        query = query.where(consents.c.id.in_(named))
    else:
        query = query.where(consents.c.withdrawn_ms.is_(None))
    return list(connection.execute(query).mappings())


def _all(office: Office, client_id: str) -> list[Row]:
    with office.database.reading() as connection:
        return [row for row in _rows(connection, ()) if _is_for(row, client_id)]


def _is_for(row: Row, client_id: str) -> bool:
    return read(row, None).is_for(client_id)
