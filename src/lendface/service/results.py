"""A job's files as they are handed out: those that were made, or none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..errors import (
    BlobChangedError,
    BlobMissingError,
    LendfaceError,
    ResultDamagedError,
    ResultGoneError,
    UploadLostError,
)
from ..storage.blobs import BlobInfo
from ..storage.tables import jobs, uploads
from .intact import Record
from .office import Office

log = logging.getLogger("lendface.storage")

RESULTS, SCANS, UPLOADS = "results", "scans", "uploads"

Row = Mapping[str, Any]


def whole_file(office: Office, job: Row, key: str) -> BlobInfo:
    """Of a job that has succeeded. Raises ResultGoneError where its time is over, as that of a
    scan may be with another job of the same film; ResultDamagedError where the file is missing or
    is not what was made."""
    is_over = job["purged_ms"] is not None or job["expires_ms"] <= office.now_ms()
    if job["purged_ms"] is not None:
        raise ResultGoneError
    try:
        return office.intact.check(office.blobs, key, record_in(job, key))
    except BlobMissingError as fault:
        is_missing = not isinstance(fault, BlobChangedError)
        if is_missing and (is_over or key.startswith(f"{SCANS}/")):
            raise ResultGoneError from None
        log.error("a stored file is not what was made", extra={"job_id": job["id"]})
        raise ResultDamagedError from None


def record_in(job: Row, key: str) -> Record:
    """What a job's row tells of one of its files."""
    result = job["result"] or {}
    if result.get("blob_key") == key:
        return result
    if result.get("manifest_key") == key:
        return result.get("manifest") or {}
    for target in result.get("targets", ()):
        for frame in target["frames"]:
            for face in frame["faces"]:
                if face.get("crop_key") == key:
                    return face.get("crop") or {}
    kept = result.get("kept") or job["facts"].get("cast", {}).get("kept") or {}
    return kept.get(key.rpartition("/")[2], {})


def check_linked(office: Office, key: str) -> BlobInfo:
    """The file to which a link leads, whose rows say what it must be.

    Raises BlobMissingError, ResultGoneError, ResultDamagedError, UploadLostError.
    """
    record, error = _linked(office, key)
    info = office.blobs.info(key)
    if info is None:  # as after it was deleted: a link says nothing of that
        raise BlobMissingError
    try:
        return office.intact.check(office.blobs, key, record)
    except BlobMissingError:
        log.error("a stored file is not what was kept", extra={"kind": key.partition("/")[0]})
        raise error from None


def _linked(office: Office, key: str) -> tuple[Record, LendfaceError]:
    """What it must be, and what to raise where it is not."""
    top = key.partition("/")[0]
    if top == UPLOADS:
        with office.database.reading() as connection:
            query = sa.select(uploads).where(uploads.c.blob_key == key)
            upload = connection.execute(query).mappings().first()
        return upload or {}, UploadLostError()
    is_meant = jobs.c.id == key.split("/")[1]
    if top == SCANS:
        is_meant = (jobs.c.scan_key == key.rpartition("/")[0]) & jobs.c.purged_ms.is_(None)
    with office.database.reading() as connection:
        newest = sa.select(jobs).where(is_meant).order_by(jobs.c.created_ms.desc()).limit(1)
        job = connection.execute(newest).mappings().first()
    return (record_in(job, key) if job else {}), ResultDamagedError()
