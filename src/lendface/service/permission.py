"""Whether a job may use the faces it was given: checked when it comes, and before it renders."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from ..engine.types import Floats, SourceFace
from ..errors import AttestationMissingError, ConsentMissingError, ConsentWithdrawnError
from ..storage.tables import clients, consent_users, consents, job_consents
from ..trust.consent import EVERYBODY, Consent, match_people, match_sources, usable
from . import audit
from .clients import Desk
from .office import Office
from .requests import SwapJob
from .sealing import Sealer

Row = Mapping[str, Any]
Policy = Literal["attest", "per_face"]

ATTEST, PER_FACE = "attest", "per_face"


_is_for_client = consent_users.c.client_id.in_((sa.bindparam("client_id"), EVERYBODY))
OF_CLIENT = (
    sa.select(consents)
    .where(
        consents.c.id.in_(sa.select(consent_users.c.consent_id).where(_is_for_client)),
        consents.c.withdrawn_ms.is_(None),
    )
    .order_by(consents.c.id)
)
# Asked at every submission, inside its transaction: whether the client has any that is valid.
ANY_VALID = (
    sa.select(consents.c.id)
    .join(consent_users, consent_users.c.consent_id == consents.c.id)
    .where(
        _is_for_client,
        consents.c.withdrawn_ms.is_(None),
        consents.c.embedding.is_not(None),
        sa.or_(consents.c.until_ms.is_(None), consents.c.until_ms > sa.bindparam("now_ms")),
    )
    .limit(1)
)


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
    now_ms = office.now_ms()
    if request.consents:
        known = [read(row, None) for row in _named(connection, request.consents)]
        usable(known, client.id, now_ms, request.consents)
    elif policy == PER_FACE and not _has_valid(connection, client.id, now_ms):
        raise ConsentMissingError


def match_faces(
    office: Office,
    job: Row,
    request: SwapJob,
    sources: Sequence[SourceFace],
    people: Mapping[int, Floats],
) -> list[str]:
    """Ids of the consents on which the job rests; none where its policy asks for none.

    ``people`` are the embeddings (128,) of those whose faces are replaced, by their numbers of the
    cast. Raises ConsentMissingError, ConsentWithdrawnError.
    """
    with office.database.reading() as connection:
        query = sa.select(clients.c.consent_policy).where(clients.c.id == job["client_id"])
        policy = policy_for(office.rules.consent, connection.execute(query).scalar_one())
        if policy == ATTEST and not request.consents:
            return []
        rows = (
            _named(connection, request.consents)
            if request.consents
            else _of_client(connection, job["client_id"])
        )
    known = [read(row, office.sealer) for row in rows if _is_for(row, job["client_id"])]
    valid = usable(known, job["client_id"], office.now_ms(), request.consents)
    found = match_sources(sources, valid)
    if policy == PER_FACE and office.rules.consent_targets:
        with office.database.reading() as connection:
            rows = _of_client(connection, job["client_id"])
        every = [read(row, office.sealer) for row in rows]
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
    if new := sorted(set(consent_ids) - known):
        rows = [{"job_id": job["id"], "consent_id": consent_id} for consent_id in new]
        connection.execute(job_consents.insert(), rows)
        detail = {"consents": list(consent_ids)}
        audit.record(
            connection, "job.consented", job["id"], job["client_id"], detail, now_ms, audit.SERVER
        )


def check_again(connection: sa.Connection, office: Office, job: Row) -> None:
    """Whether a job that has ended may be begun again, as far as consents that it rested on go.

    Raises ConsentWithdrawnError.
    """
    if consent_ids := consents_of(connection, job["id"]):
        rest_on(connection, office, job, consent_ids)


def add_users(connection: sa.Connection, consent_id: str, users: Sequence[str]) -> None:
    """Who may use a new consent: what its ``users`` say, to be found by."""
    rows = [{"client_id": user, "consent_id": consent_id} for user in dict.fromkeys(users)]
    if rows:
        connection.execute(consent_users.insert(), rows)


def remove_users(connection: sa.Connection, consent_ids: Sequence[str]) -> None:
    """Nobody may use these any more."""
    connection.execute(consent_users.delete().where(consent_users.c.consent_id.in_(consent_ids)))


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


def _has_valid(connection: sa.Connection, client_id: str, now_ms: int) -> bool:
    asked = {"client_id": client_id, "now_ms": now_ms}
    return connection.execute(ANY_VALID, asked).first() is not None


def _named(connection: sa.Connection, consent_ids: Sequence[str]) -> list[Row]:
    """Whosever they are, withdrawn or not."""
    query = sa.select(consents).where(consents.c.id.in_(consent_ids))
    return list(connection.execute(query).mappings())


def _of_client(connection: sa.Connection, client_id: str) -> list[Row]:
    """Those that a client may use and that were not withdrawn."""
    return list(connection.execute(OF_CLIENT, {"client_id": client_id}).mappings())


def _is_for(row: Row, client_id: str) -> bool:
    return read(row, None).is_for(client_id)
