"""Builds what a server or a worker works with, from the settings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..jobs.durable import Durable
from ..jobs.locks import FileLocks, Locks, PostgresLocks
from ..net.fetch import FetchPolicy
from ..net.guard import parse_allow
from ..pipeline.limits import Limits
from ..service.office import DAY_MS, MessageForm, Office, Rules
from ..service.sealing import Sealer
from ..settings import MIB, Settings
from ..storage.blobs import Blobs, open_blobs
from ..storage.database import Database, create_engine
from ..storage.disk import keep_to_owner
from ..storage.schema import upgrade
from ..storage.scratch import Scratch
from ..storage.signing import UrlSigner
from ..trust.certificates import FOLDER as CERTIFICATE

# In the data folder, for nobody else to read; the database sees to itself.
OWN = ("secret", "locks", "blobs", "scratch", CERTIFICATE)


@dataclass(frozen=True, eq=False)
class Built:
    """One process's parts."""

    settings: Settings
    office: Office
    durable: Durable

    def close(self) -> None:
        self.durable.close()
        self.office.database.close()


def build_office(settings: Settings, forms: Mapping[str, MessageForm] | None = None) -> Built:
    """Raises BadOptionError, DatabaseError and what opening the blob store raises."""
    keep_to_owner(*(settings.folder / name for name in OWN))
    database = Database(settings.database)
    durable = Durable(create_engine(database.url, begins_itself=True))
    blobs = open_blob_store(settings)
    first, *older = settings.secret_ring
    office = Office(
        database=database,
        blobs=blobs,
        links=links_of(settings, blobs),
        sealer=Sealer(first, tuple(older)),
        queue=durable,
        rules=rules_of(settings),
        now_ms=now_ms,
        forms=forms or {},
    )
    return Built(settings, office, durable)


def prepare(built: Built) -> None:
    """Make or renew the tables of the application and of the durable engine."""
    upgrade(built.office.database)
    built.durable.prepare(built.settings.polling_s)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def open_blob_store(settings: Settings) -> Blobs:
    keys: dict[str, Any] = {}
    if settings.s3_access_key and settings.s3_secret_key:
        keys = {
            "access_key": settings.s3_access_key.get_secret_value(),
            "secret_key": settings.s3_secret_key.get_secret_value(),
        }
    return open_blobs(settings.blobs, **keys)


def links_of(settings: Settings, blobs: Blobs) -> Any:
    """A bucket signs its own links; for a folder we sign routes of ours."""
    if settings.blobs.startswith("s3:"):
        return blobs
    return signer_of(settings)


def signer_of(settings: Settings) -> UrlSigner:
    first, *older = settings.secret_ring
    return UrlSigner(first, settings.base_url, tuple(older))


def rules_of(settings: Settings) -> Rules:
    fetch = FetchPolicy(
        allow=parse_allow(settings.fetch_allow),
        max_bytes=settings.max_upload_mb * MIB,
        timeout_s=settings.fetch_timeout_s,
    )
    return Rules(
        limits=Limits(
            max_bytes=settings.max_upload_mb * MIB,
            max_duration_s=settings.max_seconds,
            max_frames=round(settings.max_seconds * settings.max_fps),
            max_fps=settings.max_fps,
            max_pixels=settings.max_pixels,
            max_gigapixels=settings.max_gigapixels,
        ),
        photo_limits=Limits(
            max_bytes=settings.max_photo_mb * MIB, max_pixels=settings.max_photo_pixels
        ),
        fetch=fetch,
        max_photo_bytes=settings.max_photo_mb * MIB,
        keep_ms=round(settings.keep_days * DAY_MS),
        resume_ms=round(settings.resume_hours * 3600 * 1000),
        link_s=settings.link_s,
        chunk_s=settings.chunk_s,
        job_timeout_ms=round(settings.job_timeout_s * 1000),
        max_running=settings.max_running,
        max_queued=settings.max_queued,
        rate_per_minute=settings.rate_per_minute,
        render_queue=settings.render_queue,
        consent=settings.consent,
        consent_targets=settings.consent_targets,
        label=settings.label_rule,
        gate=settings.thresholds,
        protected=settings.same_face,
        lowered_guards=settings.lowered_guards,
        tell_refusals=settings.tell_refusals,
    )


def locks_of(settings: Settings, database: Database) -> Locks:
    """Files on one machine; on PostgreSQL its own, which many machines see."""
    if database.is_sqlite:
        return FileLocks(settings.folder / "locks")
    return PostgresLocks(create_engine(database.url, pool_size=1))


def scratch_of(settings: Settings, executor: str) -> Scratch:
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in executor)
    return Scratch(settings.scratch_folder / name, settings.scratch_mb * MIB)


def durable_engine(database: Database) -> sa.Engine:
    """For the durable engine of a worker alone."""
    return create_engine(database.url, begins_itself=True, pool_size=20)
