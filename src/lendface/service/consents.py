"""Consents on record: made, looked at, withdrawn, and what a withdrawal stops."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..engine.types import Floats
from ..errors import BadOptionError, ConsentWithdrawnError, NotFoundError
from ..storage.database import lock_row
from ..storage.tables import consents, job_consents, jobs
from ..trust.consent import EVERYBODY, MAX_TEXT
from . import audit
from .batches import do_each
from .clients import Desk
from .jobs import Wish, add_job, end, get_row, lock_client, lock_to_end, purge_files
from .office import Office, new_id
from .permission import add_users, purpose_of, remove_users, seal_face
from .requests import EnrolJob, PhotoRef, digest, dump_request
from .states import FAILED, LIVE
from .uploads import get_upload

Row = Mapping[str, Any]

SHA256 = re.compile("[0-9a-f]{64}")
FIRST = 1  # priority: a look at one photo

# With why its job failed, where that did.
WITH_OUTCOME = sa.select(consents, jobs.c.error_code, jobs.c.error_message).outerjoin(
    jobs, jobs.c.id == consents.c.job_id
)
LIVE_ON_IT = (
    sa.select(jobs.c.id)
    .join(job_consents, job_consents.c.job_id == jobs.c.id)
    .where(jobs.c.state.in_(LIVE))
)


@dataclass(frozen=True)
class Terms:
    """What a person agreed to."""

    label: str  # who it is, for people to read
    scope: str = ""  # for what
    until_ms: int | None = None
    statement: str = ""  # how they agreed
    evidence_sha256: str | None = None  # hex, of a file that proves it


# Made


def submit_consent(office: Office, client_id: str, terms: Terms, photo: PhotoRef) -> Row:
    """A client's consent, for itself alone; a worker finds the face in the photo.

    Raises BadOptionError, NotFoundError, UploadMissingError, ServerBusyError.
    """
    check_terms(terms, office.now_ms())
    get_upload(office, client_id, photo.upload)  # notices a file that came by a bucket's link
    now_ms = office.now_ms()
    with office.database.writing() as connection:
        client = lock_client(connection, client_id)
        row = _row(office, client_id, terms, [client_id], now_ms)
        connection.execute(consents.insert().values(**row))
        add_users(connection, row["id"], row["users"])
        request = EnrolJob(photo, row["id"])
        wish = Wish(priority=FIRST)
        job = add_job(connection, office, client, request, wish, digest(dump_request(request)))
        connection.execute(_one(row["id"]).values(job_id=job["id"]))
        _tell(connection, "consent.added", row["id"], client_id, {}, now_ms)
    return get_consent(office, client_id, row["id"])


def add_consent(
    desk: Desk,
    terms: Terms,
    embedding: Floats,
    photo_sha256: str,
    users: Sequence[str] = (),
) -> Row:
    """The operator's, whose face was found already. Raises BadOptionError."""
    now_ms = desk.now_ms()
    check_terms(terms, now_ms)
    row = _row(desk, None, terms, list(users), now_ms)
    row |= {
        "embedding": seal_face(row["id"], embedding, desk.sealer),
        "photo_sha256": photo_sha256,
    }
    with desk.database.writing() as connection:
        connection.execute(consents.insert().values(**row))
        add_users(connection, row["id"], row["users"])
        detail = {"is_for_everybody": EVERYBODY in users}
        _tell(connection, "consent.added", row["id"], None, detail, now_ms)
    return get_consent(desk, None, row["id"])


def keep_face(office: Office, consent_id: str, embedding: Floats, photo_sha256: str) -> None:
    """What a worker found in the photo; of a consent that was withdrawn meanwhile, nothing."""
    with office.database.writing() as connection:
        connection.execute(
            _one(consent_id)
            .where(consents.c.withdrawn_ms.is_(None))
            .values(
                embedding=seal_face(consent_id, embedding, office.sealer),
                photo_sha256=photo_sha256,
            )
        )


def check_terms(terms: Terms, now_ms: int) -> None:
    """Raises BadOptionError."""
    if not terms.label.strip():
        raise BadOptionError("a consent needs a label that says who it is")
    if any(len(text) > MAX_TEXT for text in (terms.label, terms.scope, terms.statement)):
        raise BadOptionError(f"a text of a consent has at most {MAX_TEXT} characters")
    if terms.until_ms is not None and terms.until_ms <= now_ms:
        raise BadOptionError("until is a time to come")
    if terms.evidence_sha256 is not None and not SHA256.fullmatch(terms.evidence_sha256):
        raise BadOptionError("evidence_sha256 is a SHA-256 in 64 hex digits, lower case")


# Looked at


def get_consent(desk: Desk, owner: str | None, consent_id: str) -> Row:
    """With its texts opened. ``owner`` None is the operator, who sees all. Raises NotFoundError."""
    query = _owned(WITH_OUTCOME.where(consents.c.id == consent_id), owner)
    with desk.database.reading() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError("consent")
    return _opened(desk, row)


def list_consents(desk: Desk, owner: str | None) -> list[Row]:
    """Newest first."""
    query = WITH_OUTCOME.order_by(consents.c.created_ms.desc(), consents.c.id.desc())
    with desk.database.reading() as connection:
        rows = connection.execute(_owned(query, owner)).mappings().all()
    return [_opened(desk, row) for row in rows]


def state_of(row: Row, now_ms: int) -> str:
    """One of ``withdrawn``, ``expired``, ``valid``, ``failed`` and ``pending``."""
    if row["withdrawn_ms"] is not None:
        return "withdrawn"
    if row["until_ms"] is not None and row["until_ms"] <= now_ms:
        return "expired"
    if row["embedding"] is not None:
        return "valid"
    return "failed" if row["error_code"] else "pending"


# Withdrawn


def withdraw(office: Office, owner: str | None, consent_id: str, *, purge: bool = False) -> Row:
    """The face may not be used any more; jobs that rest on it stop within a second.

    With ``purge`` the results of all that ever rested on it are deleted too. Done again it is no
    error, and goes on where it broke off. The face itself is forgotten. Raises NotFoundError.
    """
    now_ms = office.now_ms()
    with office.database.writing() as connection:
        row = lock_row(connection, consents, consent_id)
        if row is None or owner not in (None, row.client_id):
            raise NotFoundError("consent")
        if row.withdrawn_ms is None:
            connection.execute(_one(consent_id).values(withdrawn_ms=now_ms, embedding=None))
            remove_users(connection, [consent_id])
            detail = {"with_results": purge}
            who = owner or audit.OPERATOR
            _tell(connection, "consent.withdrawn", consent_id, row.client_id, detail, now_ms, who)
    stop_resting(office, consent_id)
    if purge:
        for job_id in jobs_of(office, consent_id):
            _purge(office, job_id)
    return get_consent(office, owner, consent_id)


def stop_resting(office: Office, consent_id: str) -> None:
    """End every job that rests on a withdrawn consent. What fails is left to housekeeping."""
    query = LIVE_ON_IT.where(job_consents.c.consent_id == consent_id).order_by(jobs.c.id)
    with office.database.reading() as connection:
        job_ids = list(connection.execute(query).scalars())
    if do_each("jobs of a withdrawn consent", job_ids, lambda job_id: stop(office, job_id)):
        return
    # Nothing comes to rest on it any more, since that takes a lock on it and looks first.
    with office.database.writing() as connection:
        connection.execute(_one(consent_id).values(stopped_ms=office.now_ms()))


def stop(office: Office, job_id: str) -> None:
    """End a job that rests on a withdrawn consent, if it has not ended."""
    error = ConsentWithdrawnError()
    with office.database.writing() as connection:
        job = lock_to_end(connection, job_id)
        if job["state"] not in LIVE:
            return
        end(connection, office, job, FAILED, error_code=error.code, error_message=str(error))
    office.queue.cancel(job_id, job["run"])


def find_unstopped(office: Office) -> list[str]:
    """Withdrawn consents on which jobs may still rest: the withdrawal was broken off."""
    query = sa.select(consents.c.id).where(
        consents.c.withdrawn_ms.is_not(None), consents.c.stopped_ms.is_(None)
    )
    with office.database.reading() as connection:
        return list(connection.execute(query.order_by(consents.c.id)).scalars())


def jobs_of(desk: Desk, consent_id: str) -> list[str]:
    """Ids of those that rest on it, in their order."""
    query = sa.select(job_consents.c.job_id).where(job_consents.c.consent_id == consent_id)
    with desk.database.reading() as connection:
        return sorted(connection.execute(query).scalars())


# Within


def _purge(office: Office, job_id: str) -> None:
    """Its files go now, and once more with what has expired: a worker may be writing the last."""
    with office.database.writing() as connection:
        job = get_row(connection, job_id)
        now_ms = office.now_ms()
        connection.execute(
            jobs.update().where(jobs.c.id == job_id).values(expires_ms=now_ms, changed_ms=now_ms)
        )
    if job["purged_ms"] is not None:
        return
    purge_files(office, job, actor=audit.SERVER)
    if job["error_code"] == ConsentWithdrawnError.code:
        with office.database.writing() as connection:
            connection.execute(
                jobs.update().where(jobs.c.id == job_id).values(purged_ms=None, cleaned_ms=None)
            )


def _row(
    desk: Desk, client_id: str | None, terms: Terms, users: list[str], now_ms: int
) -> dict[str, Any]:
    consent_id = new_id(now_ms)
    purpose = purpose_of(consent_id)
    return {
        "id": consent_id,
        "client_id": client_id,
        "users": users,
        "label": desk.sealer.seal(terms.label, purpose),
        "scope": terms.scope,
        "statement": desk.sealer.seal(terms.statement, purpose),
        "evidence_sha256": terms.evidence_sha256,
        "until_ms": terms.until_ms,
        "created_ms": now_ms,
    }


def _opened(desk: Desk, row: Row) -> Row:
    """With texts to read."""
    purpose = purpose_of(row["id"])
    opened = {
        name: desk.sealer.unseal(row[name], purpose) if row[name] else ""
        for name in ("label", "statement")
    }
    return {**row, **opened}


def _owned(query: sa.Select[Any], owner: str | None) -> sa.Select[Any]:
    return query if owner is None else query.where(consents.c.client_id == owner)


def _one(consent_id: str) -> sa.Update:
    return consents.update().where(consents.c.id == consent_id)


def _tell(
    connection: sa.Connection,
    action: str,
    consent_id: str,
    client_id: str | None,
    detail: Mapping[str, Any],
    now_ms: int,
    actor: str | None = None,
) -> None:
    audit.record(connection, action, consent_id, client_id, detail, now_ms, actor)
