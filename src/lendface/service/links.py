"""Links that need no key are good for as long as the client is whose file they lead to."""

from __future__ import annotations

import sqlalchemy as sa

from ..errors import LinkRevokedError
from ..storage.tables import clients, jobs
from .office import Office

BY_CLIENT = ("uploads", "incoming")  # what lies there lies under its client's id
BY_JOB = "results"


def check_link(office: Office, blob_key: str) -> None:
    """Raises LinkRevokedError where the file is a client's that was revoked.

    What was found in a film is shared by all who gave the same: it may be seen while one of them
    has not been revoked.
    """
    with office.database.reading() as connection:
        ends = list(connection.execute(_ends_of_its_clients(blob_key)).scalars())
    if ends and None not in ends:
        raise LinkRevokedError


def check_own_link(connection: sa.Connection, client_id: str) -> None:
    """Of a link that was made for one client. Raises LinkRevokedError."""
    query = sa.select(clients.c.revoked_ms).where(clients.c.id == client_id)
    if connection.execute(query).scalar() is not None:
        raise LinkRevokedError


def _ends_of_its_clients(blob_key: str) -> sa.Select[tuple[int | None]]:
    """When those whose file it is were revoked."""
    top, _, rest = blob_key.partition("/")
    query = sa.select(clients.c.revoked_ms)
    if top in BY_CLIENT:
        return query.where(clients.c.id == rest.partition("/")[0])
    query = query.distinct().join(jobs, jobs.c.client_id == clients.c.id)
    if top == BY_JOB:
        return query.where(jobs.c.id == rest.partition("/")[0])
    is_kept = sa.and_(jobs.c.deleted_ms.is_(None), jobs.c.purged_ms.is_(None))
    return query.where(jobs.c.scan_key == blob_key.rpartition("/")[0], is_kept)
