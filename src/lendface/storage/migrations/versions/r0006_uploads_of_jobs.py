"""Which files a job is made of and who may use a consent, in tables that can be searched; and
indexes of what housekeeping has to look after.

Both were only in JSON, so whoever asked had to read every row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

AT_A_TIME = 1000
HAS_ENDED, IS_KEPT = "finished_ms IS NOT NULL", "purged_ms IS NULL"


def upgrade() -> None:
    op.create_table(
        "job_uploads",
        sa.Column(
            "job_id",
            sa.String(24),
            sa.ForeignKey("jobs.id", name="fk_job_uploads_job_id"),
            nullable=False,
        ),
        sa.Column("upload_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "upload_id", name="pk_job_uploads"),
    )
    op.create_index("ix_job_uploads_upload_id", "job_uploads", ["upload_id"])
    op.create_table(
        "consent_users",
        sa.Column("client_id", sa.Text, nullable=False),
        sa.Column(
            "consent_id",
            sa.String(24),
            sa.ForeignKey("consents.id", name="fk_consent_users_consent_id"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("client_id", "consent_id", name="pk_consent_users"),
    )
    op.create_index("ix_consent_users_consent_id", "consent_users", ["consent_id"])
    op.add_column("consents", sa.Column("stopped_ms", sa.BigInteger, nullable=True))
    _index(
        "consents_to_stop", "consents", ["id"], "withdrawn_ms IS NOT NULL AND stopped_ms IS NULL"
    )
    op.drop_index("ix_uploads_expires_ms", "uploads")
    _index("uploads_to_purge", "uploads", ["expires_ms", "id"], IS_KEPT)
    _index("jobs_to_purge", "jobs", ["expires_ms", "id"], f"{IS_KEPT} AND {HAS_ENDED}")
    not_clean = f"cleaned_ms IS NULL AND {HAS_ENDED}"
    _index("jobs_to_clean", "jobs", ["state", "finished_ms", "id"], not_clean)
    _index("jobs_admitted", "jobs", ["id"], "admitted_ms IS NOT NULL AND finished_ms IS NULL")
    op.drop_index("ix_jobs_client_id_state_admitted_ms", "jobs")
    waiting = ["client_id", "state", "admitted_ms", "priority", "created_ms"]
    op.create_index("ix_jobs_of_client", "jobs", waiting)
    op.create_index("ix_ledger_client_id_reason_units", "ledger", ["client_id", "reason", "units"])
    _fill_job_uploads()
    _fill_consent_users()


def downgrade() -> None:
    op.drop_index("ix_ledger_client_id_reason_units", "ledger")
    op.drop_index("ix_jobs_of_client", "jobs")
    old = ["client_id", "state", "admitted_ms"]
    op.create_index("ix_jobs_client_id_state_admitted_ms", "jobs", old)
    for name in ("jobs_admitted", "jobs_to_clean", "jobs_to_purge"):
        op.drop_index(f"ix_{name}", "jobs")
    op.drop_index("ix_uploads_to_purge", "uploads")
    op.create_index("ix_uploads_expires_ms", "uploads", ["expires_ms"])
    op.drop_index("ix_consents_to_stop", "consents")
    with op.batch_alter_table("consents") as consents:
        consents.drop_column("stopped_ms")
    op.drop_table("consent_users")
    op.drop_table("job_uploads")


def _index(name: str, table: str, columns: list[str], condition: str) -> None:
    """Of the few rows that matter, so that it stays small however many rows there are."""
    where = sa.text(condition)
    op.create_index(f"ix_{name}", table, columns, sqlite_where=where, postgresql_where=where)


def _fill_job_uploads() -> None:
    jobs = sa.table("jobs", sa.column("id"), sa.column("request", sa.JSON))
    job_uploads = sa.table("job_uploads", sa.column("job_id"), sa.column("upload_id"))
    connection = op.get_bind()
    for rows in _pages(connection, sa.select(jobs.c.id, jobs.c.request), jobs.c.id):
        found = [
            {"job_id": row["id"], "upload_id": upload_id}
            for row in rows
            for upload_id in dict.fromkeys(_uploads_in(row["request"]))
        ]
        if found:
            connection.execute(job_uploads.insert(), found)


def _fill_consent_users() -> None:
    consents = sa.table(
        "consents",
        *(sa.column("id"), sa.column("users", sa.JSON), sa.column("withdrawn_ms")),
    )
    consent_users = sa.table("consent_users", sa.column("client_id"), sa.column("consent_id"))
    query = sa.select(consents.c.id, consents.c.users).where(consents.c.withdrawn_ms.is_(None))
    connection = op.get_bind()
    for rows in _pages(connection, query, consents.c.id):
        found = [
            {"client_id": user, "consent_id": row["id"]}
            for row in rows
            for user in dict.fromkeys(row["users"])
        ]
        if found:
            connection.execute(consent_users.insert(), found)


def _pages(
    connection: sa.Connection, query: sa.Select[Any], key: sa.ColumnClause[Any]
) -> Iterator[list[Any]]:
    last = ""
    ordered = query.order_by(key).limit(AT_A_TIME)
    while rows := list(connection.execute(ordered.where(key > last)).mappings()):
        last = rows[-1]["id"]
        yield rows


def _uploads_in(request: Any) -> Iterator[str]:
    """The uploads that a request names, in each form that any version wrote until now."""
    if isinstance(request, list):
        for value in request:
            yield from _uploads_in(value)
    if not isinstance(request, dict):
        return
    for name in ("upload", "target"):
        if isinstance(request.get(name), str):
            yield request[name]
    yield from (each for each in request.get("targets", ()) if isinstance(each, str))
    for value in request.values():
        yield from _uploads_in(value)
