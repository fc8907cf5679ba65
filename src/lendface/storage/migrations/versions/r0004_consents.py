"""Attestations, consents, and which job rests on which.

Clients that are there already go on as they did: the operator made their keys, and the upgrade
records the operator's attestation for each of them, marked as such.
"""

from __future__ import annotations

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "attestations",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column(
            "client_id",
            sa.String(16),
            sa.ForeignKey("clients.id", name="fk_attestations_client_id"),
            nullable=False,
        ),
        sa.Column("text_version", sa.Integer, nullable=False),
        sa.Column("made_by", sa.String(16), nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attestations"),
    )
    op.create_index("ix_attestations_client_id", "attestations", ["client_id"])
    op.create_table(
        "consents",
        sa.Column("id", sa.String(24), nullable=False),
        sa.Column(
            "client_id",
            sa.String(16),
            sa.ForeignKey("clients.id", name="fk_consents_client_id"),
        ),
        sa.Column("users", sa.JSON, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("embedding", sa.Text),
        sa.Column("photo_sha256", sa.String(64)),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
        sa.Column("evidence_sha256", sa.String(64)),
        sa.Column("job_id", sa.String(24)),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("until_ms", sa.BigInteger),
        sa.Column("withdrawn_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
    )
    op.create_index("ix_consents_client_id_created_ms", "consents", ["client_id", "created_ms"])
    op.create_table(
        "job_consents",
        sa.Column(
            "job_id",
            sa.String(24),
            sa.ForeignKey("jobs.id", name="fk_job_consents_job_id"),
            nullable=False,
        ),
        sa.Column(
            "consent_id",
            sa.String(24),
            sa.ForeignKey("consents.id", name="fk_job_consents_consent_id"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("job_id", "consent_id", name="pk_job_consents"),
    )
    op.create_index("ix_job_consents_consent_id", "job_consents", ["consent_id"])
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("attestation_id", sa.String(24), nullable=True))
        clients.add_column(sa.Column("consent_policy", sa.String(16), nullable=True))
    with op.batch_alter_table("jobs") as jobs:
        jobs.add_column(sa.Column("attestation_id", sa.String(24), nullable=True))
    _attest_for_those_there()


def downgrade() -> None:
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("attestation_id")
    with op.batch_alter_table("clients") as clients:
        clients.drop_column("consent_policy")
        clients.drop_column("attestation_id")
    for table in ("job_consents", "consents", "attestations"):
        op.drop_table(table)


def _attest_for_those_there() -> None:
    connection, at_ms = op.get_bind(), time.time_ns() // 1_000_000
    clients = sa.table("clients", sa.column("id"), sa.column("attestation_id"))
    attestations = sa.table(
        "attestations",
        *(sa.column(name) for name in ("id", "client_id", "text_version", "made_by", "at_ms")),
    )
    for client_id in connection.execute(sa.select(clients.c.id)).scalars().all():
        attestation_id = secrets.token_hex(12)
        connection.execute(
            attestations.insert().values(
                id=attestation_id,
                client_id=client_id,
                text_version=1,
                made_by="upgrade",
                at_ms=at_ms,
            )
        )
        connection.execute(
            clients.update().where(clients.c.id == client_id).values(attestation_id=attestation_id)
        )
