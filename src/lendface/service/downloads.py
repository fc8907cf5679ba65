"""Who took a result, and when: written down before the first byte goes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ..storage.tables import jobs
from . import audit
from .office import Office

BY_KEY, BY_LINK = "key", "link"
TOP = "results/"

Row = Mapping[str, Any]


def note_download(office: Office, job: Row, way: str) -> None:
    """``way``: BY_KEY for its client itself, BY_LINK for whoever was given the link.

    Of a file in a bucket the way to it is given, and what is done with that is not seen.
    """
    actor = job["client_id"] if way == BY_KEY else audit.HOLDER
    about = ("job.downloaded", job["id"], job["client_id"], {"way": way})
    audit.record_alone(office.database, *about, office.now_ms(), actor)


def note_download_of(office: Office, blob_key: str) -> None:
    """By a link to a file; of what is no result nothing is written."""
    if not blob_key.startswith(TOP):
        return
    query = sa.select(jobs.c.id, jobs.c.client_id).where(jobs.c.id == blob_key.split("/")[1])
    with office.database.reading() as connection:
        job = connection.execute(query).mappings().first()
    if job is not None:
        note_download(office, job, BY_LINK)
