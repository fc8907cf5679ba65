"""Erasing what is kept of somebody: files, results, scans, consents, and what rows tell of them.

What stays are rows of ids, times, states and numbers, which the ledger and the audit log refer to.
No entry of the log ever held more than that, so its chain stays whole; one more tells that there
was an erasure.

First everything is marked as deleted, in one transaction, so that nothing new is begun with it and
housekeeping ends what a crash leaves; then files go; last the rows are emptied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from ..errors import NotFoundError
from ..storage.blobs import Blobs
from ..storage.database import Database
from ..storage.tables import (
    clients,
    consents,
    deliveries,
    endpoints,
    job_consents,
    job_uploads,
    jobs,
    keys,
    tasks,
    uploads,
)
from ..trust.audit import OPERATOR
from . import audit
from .jobs import end, get_row, lock_to_end
from .office import Office
from .permission import remove_users
from .states import CANCELLED, LIVE
from .uploads import DELETED, keys_of

AT_A_TIME = 500  # ids in one statement

Row = Mapping[str, Any]

NOTHING_OF_A_JOB: Row = {
    "alias": None,
    "request": {},
    "notes": {},
    "idempotency_key": None,
    "request_hash": "",
    "webhook_url": None,
    "facts": {},
    "scan_key": None,
    "result": sa.null(),
    "error_message": None,
}
NOTHING_OF_AN_UPLOAD: Row = {
    "state": DELETED,
    "name": "",
    "url": None,
    "content_type": "",
    "size": None,
    "sha256": None,
}


@dataclass(frozen=True, slots=True)
class Erased:
    """How much there was of each kind."""

    jobs: int
    uploads: int
    files: int  # in the blob store
    consents: int
    messages: int  # to webhooks
    shared_with: tuple[str, ...] = ()  # jobs made of the same files, which therefore stay


@dataclass(frozen=True, slots=True)
class Found:
    """What is to go."""

    jobs: Collection[str]
    uploads: Collection[str]
    places: Collection[str]  # below which blobs lie
    consents: Collection[str] = ()
    shared_with: Collection[str] = ()
    whole_client: str | None = None  # nothing of this client stays


def erase_job(office: Office, job_id: str, actor: str = OPERATOR) -> Erased:
    """A job, its result, and the files it was made of where no other job is made of them.

    Raises NotFoundError.
    """
    with office.database.reading() as connection:
        client_id = get_row(connection, job_id)["client_id"]
    return erase_person(office, "job", job_id, client_id, jobs=[job_id], actor=actor)


def erase_consent(office: Office, consent_id: str, actor: str = OPERATOR) -> Erased:
    """Who gave it: the consent, and every job that ever rested on it with the files it was made of.

    Raises NotFoundError.
    """
    with office.database.reading() as connection:
        query = sa.select(consents).where(consents.c.id == consent_id)
        row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError("consent")
        resting = sa.select(job_consents.c.job_id).where(job_consents.c.consent_id == consent_id)
        of_it = {*connection.execute(resting).scalars(), row["job_id"]} - {None}
    about = ("consent", consent_id, row["client_id"])
    return erase_person(office, *about, jobs=sorted(of_it), consents=[consent_id], actor=actor)


def erase_person(
    office: Office,
    what: str,
    subject: str,
    client_id: str | None,
    *,
    jobs: Collection[str],
    uploads: Collection[str] = (),
    consents: Collection[str] = (),
    detail: Mapping[str, Any] | None = None,
    actor: str = OPERATOR,
) -> Erased:
    """Everything of the jobs that somebody is in, of files that show them, and their consents.

    ``uploads`` go in any case; those that the jobs were made of, and their scans, unless a job that
    is kept is made of them too: ``shared_with`` names these. Written down as one entry,
    ``WHAT.erased`` of the ``subject``, an id, with ``detail`` beside the counts. Done again it does
    no harm. Raises NotFoundError for a job there never was.
    """
    _withdraw(office, consents)
    found = replace(_of_jobs(office, jobs, uploads), consents=consents)
    return _erase(office, found, (f"{what}.erased", subject, client_id), detail or {}, actor)


def erase_client(
    office: Office,
    client_id: str,
    *,
    detail: Mapping[str, Any] | None = None,
    actor: str = OPERATOR,
) -> Erased:
    """Everything of a client: all its files and jobs, its keys and addresses, and its name.

    It opens nothing any more. Raises NotFoundError.
    """
    with office.database.writing() as connection:
        _close_door(connection, client_id, office.now_ms())
    with office.database.reading() as connection:
        own_jobs = sa.select(jobs.c.id).where(jobs.c.client_id == client_id)
        own_uploads = sa.select(uploads.c.id).where(uploads.c.client_id == client_id)
        own_consents = sa.select(consents.c.id).where(consents.c.client_id == client_id)
        found = Found(
            connection.execute(own_jobs).scalars().all(),
            connection.execute(own_uploads).scalars().all(),
            [f"uploads/{client_id}", f"incoming/{client_id}", f"scans/{client_id}"],
            connection.execute(own_consents).scalars().all(),
            whole_client=client_id,
        )
    return _erase(office, found, ("client.erased", client_id, client_id), detail or {}, actor)


def _close_door(connection: sa.Connection, client_id: str, now_ms: int) -> None:
    lock = clients.update().where(clients.c.id == client_id)
    gone = {"name": "", "webhook_secret": "", "login_key": None}
    revoked = sa.func.coalesce(clients.c.revoked_ms, now_ms)
    if not connection.execute(lock.values(**gone, revoked_ms=revoked)).rowcount:
        raise NotFoundError("client")
    for table, values in (
        (keys, {"sealed": "", "hint": ""}),
        (endpoints, {"url": "", "secret": "", "disabled_ms": now_ms}),
    ):
        connection.execute(table.update().where(table.c.client_id == client_id).values(**values))


# What is to go


def _of_jobs(office: Office, job_ids: Collection[str], upload_ids: Collection[str]) -> Found:
    with office.database.reading() as connection:
        made_of, scans = _made_of(connection, job_ids)
        kept = _kept_jobs(connection, set(job_ids), made_of, scans)
    return Found(
        job_ids,
        sorted(made_of - kept.uploads | set(upload_ids)),
        sorted(scans - kept.scans),
        shared_with=sorted(kept.jobs),
    )


def _made_of(connection: sa.Connection, job_ids: Collection[str]) -> tuple[set[str], set[str]]:
    """Uploads, and places of scans. Raises NotFoundError for a job there never was."""
    made_of: set[str] = set()
    scan_by_job: dict[str, str | None] = {}
    for ids in _some(job_ids):
        of_them = sa.select(job_uploads.c.upload_id).where(job_uploads.c.job_id.in_(ids))
        made_of.update(connection.execute(of_them).scalars())
        there = sa.select(jobs.c.id, jobs.c.scan_key).where(jobs.c.id.in_(ids))
        scan_by_job |= {row.id: row.scan_key for row in connection.execute(there)}
    if set(job_ids) - scan_by_job.keys():
        raise NotFoundError("job")
    return made_of, {scan for scan in scan_by_job.values() if scan is not None}


@dataclass(frozen=True, slots=True)
class Kept:
    """Other jobs that are made of something that is asked about, and of what."""

    jobs: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)
    scans: set[str] = field(default_factory=set)


def _kept_jobs(
    connection: sa.Connection,
    but_for: Collection[str],
    upload_ids: Collection[str],
    scan_keys: Collection[str],
) -> Kept:
    kept = Kept()
    is_kept = jobs.c.purged_ms.is_(None) & jobs.c.deleted_ms.is_(None)
    by_upload = sa.select(jobs.c.id, job_uploads.c.upload_id).join(
        job_uploads, job_uploads.c.job_id == jobs.c.id
    )
    by_scan = sa.select(jobs.c.id, jobs.c.scan_key)
    for query, column, names, found in (
        (by_upload, job_uploads.c.upload_id, upload_ids, kept.uploads),
        (by_scan, jobs.c.scan_key, scan_keys, kept.scans),
    ):
        for some in _some(names):
            for job_id, name in connection.execute(query.where(column.in_(some), is_kept)):
                if job_id not in but_for:
                    kept.jobs.add(job_id)
                    found.add(name)
    return kept


# How it goes


def _erase(
    office: Office,
    found: Found,
    about: tuple[str, str, str | None],
    detail: Mapping[str, Any],
    actor: str,
) -> Erased:
    runs = _stop_all(office, found.jobs)
    blob_keys = _mark(office, found.uploads)
    places = [*(f"results/{job}" for job in found.jobs), *(f"work/{job}" for job in found.jobs)]
    files = _delete_below(office.blobs, [*places, *found.places])
    files += _delete(office.blobs, blob_keys)
    for job_id, run in runs.items():
        office.queue.forget(job_id, run)
    messages = _empty_rows(office.database, found, office.now_ms())
    counts = {
        "jobs": len(found.jobs),
        "uploads": len(found.uploads),
        "files": files,
        "consents": len(found.consents),
        "messages": messages,
    }
    with office.database.erasing() as connection:
        audit.record(connection, *about, {**counts, **detail}, office.now_ms(), actor)
    return Erased(**counts, shared_with=tuple(found.shared_with))


def _stop_all(office: Office, job_ids: Collection[str]) -> dict[str, int]:
    """Mark jobs as deleted, so that what workers still make of them is thrown away. Their runs."""
    now_ms = office.now_ms()
    marks = {"deleted_ms": now_ms, "expires_ms": now_ms, "changed_ms": now_ms}
    runs: dict[str, int] = {}
    for ids in _some(job_ids):
        with office.database.reading() as connection:
            query = sa.select(jobs.c.id, jobs.c.state, jobs.c.run).where(jobs.c.id.in_(ids))
            rows = connection.execute(query).all()
        runs |= {row.id: row.run for row in rows}
        for row in rows:
            if row.state in LIVE:
                _stop(office, row.id)
        with office.database.writing() as connection:
            connection.execute(jobs.update().where(jobs.c.id.in_(ids)).values(**marks))
    return runs


def _stop(office: Office, job_id: str) -> None:
    with office.database.writing() as connection:
        job = lock_to_end(connection, job_id)
        if job["state"] in LIVE:
            end(connection, office, job, CANCELLED)
    office.queue.cancel(job_id, job["run"])


def _withdraw(office: Office, consent_ids: Collection[str]) -> None:
    """No job begins with them any more."""
    withdrawn = sa.func.coalesce(consents.c.withdrawn_ms, office.now_ms())
    with office.database.writing() as connection:
        for ids in _some(consent_ids):
            change = consents.update().where(consents.c.id.in_(ids))
            connection.execute(change.values(withdrawn_ms=withdrawn))
            remove_users(connection, ids)


def _mark(office: Office, upload_ids: Collection[str]) -> list[str]:
    """Mark files as deleted; where they lie."""
    blob_keys: list[str] = []
    marks = {"state": DELETED, "expires_ms": office.now_ms()}
    with office.database.writing() as connection:
        for ids in _some(upload_ids):
            is_meant = uploads.c.id.in_(ids)
            for row in connection.execute(sa.select(uploads).where(is_meant)).mappings():
                blob_keys += keys_of(row)
            connection.execute(uploads.update().where(is_meant).values(**marks))
    return blob_keys


def _delete_below(blobs: Blobs, places: Iterable[str]) -> int:
    """How many files there were."""
    count = 0
    for place in places:
        found = [blob.key for blob in blobs.list(place)]
        blobs.delete_many(found)
        count += len(found)
    return count


def _delete(blobs: Blobs, blob_keys: Collection[str]) -> int:
    """How many of them there were. What has come of a file that is still sent goes too."""
    count = sum(blobs.exists(key) for key in blob_keys)
    blobs.delete_many(blob_keys)
    return count


def _empty_rows(database: Database, found: Found, now_ms: int) -> int:
    """How many messages there were. In short transactions, so that others can write between."""
    messages = 0
    for ids in _some(found.jobs):
        with database.writing() as connection:
            messages += _empty_jobs(connection, ids, now_ms)
    if found.whole_client:
        messages += _forget_messages(database, found.whole_client)
    for ids in _some(found.uploads):
        with database.writing() as connection:
            nothing = {**NOTHING_OF_AN_UPLOAD, "purged_ms": now_ms}
            connection.execute(uploads.update().where(uploads.c.id.in_(ids)).values(**nothing))
    for ids in _some(found.consents):
        with database.writing() as connection:
            remove_users(connection, ids)
            connection.execute(job_consents.delete().where(job_consents.c.consent_id.in_(ids)))
            connection.execute(consents.delete().where(consents.c.id.in_(ids)))
    return messages


def _empty_jobs(connection: sa.Connection, ids: Collection[str], now_ms: int) -> int:
    """How many messages of them there were."""
    messages = connection.execute(deliveries.delete().where(deliveries.c.job_id.in_(ids))).rowcount
    for table in (tasks, job_consents, job_uploads):
        connection.execute(table.delete().where(table.c.job_id.in_(ids)))
    nothing = {**NOTHING_OF_A_JOB, "purged_ms": now_ms, "cleaned_ms": now_ms}
    connection.execute(jobs.update().where(jobs.c.id.in_(ids)).values(**nothing))
    return messages


def _forget_messages(database: Database, client_id: str) -> int:
    """Those that tell of no job; how many there were."""
    theirs = sa.select(deliveries.c.id).where(deliveries.c.client_id == client_id)
    with database.reading() as connection:
        message_ids = connection.execute(theirs).scalars().all()
    for ids in _some(message_ids):
        with database.writing() as connection:
            connection.execute(deliveries.delete().where(deliveries.c.id.in_(ids)))
    return len(message_ids)


def _some(ids: Collection[str]) -> Iterator[list[str]]:
    """As many at a time as go into one statement."""
    rest = iter(ids)
    while some := list(islice(rest, AT_A_TIME)):
        yield some
