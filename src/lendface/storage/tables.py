"""What the database remembers. Plain tables; rows go in and out as mappings.

Times are whole milliseconds since 1970 (``*_ms``). Secrets are sealed before they come here; of a
key only its hash is looked up. Rows of jobs stay for the audit when their files are purged.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts its own row ids only for INTEGER.
COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _ms(name: str, *, required: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=not required)


def _client(*, required: bool = True) -> sa.Column[str]:
    return sa.Column("client_id", sa.ForeignKey("clients.id"), nullable=not required)


def _some(name: str, *columns: str, where: str) -> sa.Index:
    """An index of the rows that somebody still has to look after: few, however many there are.

    SQLite and PostgreSQL take it only for a query that says the same as ``where``.
    """
    condition = sa.text(where)
    return sa.Index(f"ix_{name}", *columns, sqlite_where=condition, postgresql_where=condition)


# Who may ask: a client owns files and jobs, its keys open the door.
clients = sa.Table(
    "clients",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),  # 16 characters, as one vendor's clients want
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),  # list of words
    sa.Column("quota_units", sa.BigInteger),  # all it may ever use; None: no end
    sa.Column("rate_per_minute", sa.Integer),  # requests; None: the server's default
    sa.Column("max_running", sa.Integer),  # jobs at a time; None: the server's default
    sa.Column("webhook_secret", sa.Text, nullable=False),  # sealed
    _ms("created_ms", required=True),
    _ms("revoked_ms"),
    sa.Column("login_key", sa.Text),  # sealed; the private part of an RSA pair, where asked for
    sa.Column("attestation_id", sa.String(24)),  # the newest; None: nobody attested yet
    sa.Column("consent_policy", sa.String(16)),  # per_face; None: as the server has it
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    _client(),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),  # SHA-256 of the key, hex
    sa.Column("hint", sa.String(8), nullable=False),  # its last characters, to tell keys apart
    sa.Column("sealed", sa.Text, nullable=False),  # one vendor's webhooks encrypt with the key
    _ms("created_ms", required=True),
    _ms("expires_ms"),
    _ms("revoked_ms"),
    sa.Index(None, "client_id"),
)

# Logins by RSA that were taken: each is good once, and fresh for a while.
used_logins = sa.Table(
    "used_logins",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),  # SHA-256 of what was sent, hex
    _ms("until_ms", required=True),  # from then on it would be too old anyway
    sa.Index(None, "until_ms"),
)

# Files a client has given us, by PUT or by URL.
uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    _client(),
    sa.Column("state", sa.String(16), nullable=False),  # waiting, ready, failed, deleted
    sa.Column("name", sa.String(400), nullable=False),
    sa.Column("content_type", sa.String(200), nullable=False),
    sa.Column("size", sa.BigInteger),  # bytes; declared while waiting, real when ready
    sa.Column("sha256", sa.String(64)),
    sa.Column("blob_key", sa.String(400), nullable=False),
    sa.Column("url", sa.Text),  # where it came from, if by URL
    sa.Column("incoming_key", sa.String(400)),  # where its client sends it; nobody reads it there
    sa.Column("etag", sa.String(200)),  # of the blob when it was ready
    sa.Column("error_code", sa.String(64)),
    _ms("created_ms", required=True),
    _ms("ready_ms"),
    _ms("expires_ms", required=True),
    _ms("purged_ms"),
    sa.Index(None, "client_id", "created_ms"),
    _some("uploads_to_purge", "expires_ms", "id", where="purged_ms IS NULL"),
    sa.Index(None, "blob_key"),
    sa.Index(None, "incoming_key"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),  # 24 hex digits, the first 8 are the second
    _client(),
    sa.Column("api", sa.String(16), nullable=False),  # native, akool, youcam
    sa.Column("kind", sa.String(16), nullable=False),  # swap, scan
    sa.Column("alias", sa.String(100), unique=True),  # the id by which a foreign API knows it
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("run", sa.Integer, nullable=False),  # 1, and one more for every retry
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("notes", sa.JSON, nullable=False),  # the caller's own, given back as they came
    sa.Column("priority", sa.Integer, nullable=False),  # 1 first .. 100 last
    sa.Column("idempotency_key", sa.String(200)),
    sa.Column("request_hash", sa.String(64), nullable=False),
    sa.Column("webhook_url", sa.Text),
    sa.Column("frames_total", sa.BigInteger),
    sa.Column("facts", sa.JSON, nullable=False),  # what the stages found: target, plan, warnings
    sa.Column("scan_key", sa.String(400)),  # below it lies what was found in its target
    sa.Column("result", sa.JSON(none_as_null=True)),  # blob key, size, hash, type, ...
    sa.Column("error_code", sa.String(64)),
    sa.Column("error_message", sa.Text),
    sa.Column("units", sa.Integer),
    _ms("created_ms", required=True),
    _ms("admitted_ms"),  # given to the queue; None while the client has enough running
    _ms("started_ms"),
    _ms("finished_ms"),
    _ms("changed_ms", required=True),
    _ms("expires_ms", required=True),
    _ms("purged_ms"),
    _ms("deleted_ms"),
    _ms("cleaned_ms"),  # its intermediate files are gone
    sa.Column("attestation_id", sa.String(24)),  # under which it was submitted
    sa.UniqueConstraint("client_id", "idempotency_key"),
    sa.Index(None, "client_id", "created_ms"),
    sa.Index(None, "state", "priority", "created_ms"),
    # The order in which a client's waiting jobs are admitted, so that the next is found at once.
    sa.Index("ix_jobs_of_client", "client_id", "state", "admitted_ms", "priority", "created_ms"),
    sa.Index(None, "expires_ms"),
    sa.Index(None, "finished_ms"),
    sa.Index(None, "scan_key"),
    _some(
        *("jobs_to_purge", "expires_ms", "id"),
        where="purged_ms IS NULL AND finished_ms IS NOT NULL",
    ),
    _some(
        *("jobs_to_clean", "state", "finished_ms", "id"),
        where="cleaned_ms IS NULL AND finished_ms IS NOT NULL",
    ),
    _some("jobs_admitted", "id", where="admitted_ms IS NOT NULL AND finished_ms IS NULL"),
)

# Of which files a job is made. Kept as long as the job's request is, which names them too.
job_uploads = sa.Table(
    "job_uploads",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("upload_id", sa.String(64), primary_key=True),
    sa.Index(None, "upload_id"),
)

# What a job's workers do: one row for each stage and chunk of a run.
tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("run", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(40), primary_key=True),  # fetch, probe, scan, chunk/0, join
    sa.Column("state", sa.String(16), nullable=False),  # running, done, failed
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("executor", sa.String(200)),
    sa.Column("frames_done", sa.BigInteger, nullable=False),
    sa.Column("frames_total", sa.BigInteger),
    _ms("created_ms", required=True),
    _ms("started_ms"),  # of the last attempt
    _ms("finished_ms"),
    sa.Index(None, "finished_ms"),
)

# Where a client wants to be told.
endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    _client(),
    sa.Column("api", sa.String(16), nullable=False),  # whose form of message it gets
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # sealed
    _ms("created_ms", required=True),
    _ms("disabled_ms"),
    sa.Index(None, "client_id"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.String(100), primary_key=True),  # the message id a receiver sees
    _client(),
    sa.Column("job_id", sa.ForeignKey("jobs.id")),
    sa.Column("endpoint_id", sa.ForeignKey("endpoints.id")),
    sa.Column("api", sa.String(16), nullable=False),
    sa.Column("type", sa.String(40), nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # the exact bytes, UTF-8
    sa.Column("state", sa.String(16), nullable=False),  # waiting, delivered, failed
    sa.Column("round", sa.Integer, nullable=False),  # 1, and one more for every replay
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.String(64)),
    _ms("created_ms", required=True),
    _ms("next_ms"),
    _ms("finished_ms"),
    sa.Index(None, "client_id", "created_ms"),
    sa.Index(None, "job_id"),
    sa.Index(None, "finished_ms"),
)

# Units: negative is used or held. A job is charged once, since (job, reason) is there once; its
# hold goes when it is charged or released.
ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", COUNTER, primary_key=True, autoincrement=True),
    _client(),
    sa.Column("job_id", sa.ForeignKey("jobs.id")),
    sa.Column("reason", sa.String(16), nullable=False),  # hold, charge, grant
    sa.Column("units", sa.BigInteger, nullable=False),
    _ms("at_ms", required=True),
    sa.UniqueConstraint("job_id", "reason"),
    sa.Index(None, "client_id", "id"),
    sa.Index(None, "client_id", "reason", "units"),  # a balance is summed from it alone
)

# Who said, and when, that they hold the consent of those whose faces they submit.
attestations = sa.Table(
    "attestations",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    _client(),
    sa.Column("text_version", sa.Integer, nullable=False),  # of trust.consent.ATTESTATION
    sa.Column("made_by", sa.String(16), nullable=False),  # client, operator, upgrade
    _ms("at_ms", required=True),
    sa.Index(None, "client_id"),
)

# Whose faces may be used; without a client they are the operator's.
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    _client(required=False),
    sa.Column("users", sa.JSON, nullable=False),  # list of client ids, or of "*"
    sa.Column("label", sa.Text, nullable=False),  # sealed, as it names a person
    sa.Column("embedding", sa.Text),  # sealed; gone when withdrawn
    sa.Column("photo_sha256", sa.String(64)),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("statement", sa.Text, nullable=False),  # sealed
    sa.Column("evidence_sha256", sa.String(64)),
    sa.Column("job_id", sa.String(24)),  # which looks at the photo
    _ms("created_ms", required=True),
    _ms("until_ms"),
    _ms("withdrawn_ms"),
    _ms("stopped_ms"),  # every job that rested on it has ended since it was withdrawn
    sa.Index(None, "client_id", "created_ms"),
    _some("consents_to_stop", "id", where="withdrawn_ms IS NOT NULL AND stopped_ms IS NULL"),
)

# By whom a consent can be used, one row for each of its ``users``; none once it is withdrawn.
consent_users = sa.Table(
    "consent_users",
    metadata,
    sa.Column("client_id", sa.Text, primary_key=True),  # or "*"
    sa.Column("consent_id", sa.ForeignKey("consents.id"), primary_key=True),
    sa.Index(None, "consent_id"),
)

job_consents = sa.Table(
    "job_consents",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("consent_id", sa.ForeignKey("consents.id"), primary_key=True),
    sa.Index(None, "consent_id"),
)

# Whose faces are never lent, or not replaced either, whoever asks.
protected_faces = sa.Table(
    "protected_faces",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),  # embeddings, reason, whether it is replaced
    _ms("added_ms", required=True),
)

# A chain that is only ever added to: trust/audit.py says what the hashes are of.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", COUNTER, primary_key=True, autoincrement=True),  # 1, 2, 3, ... and no gap
    _ms("at_ms", required=True),
    _client(required=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(100)),  # the id of what it was done to
    sa.Column("detail", sa.JSON, nullable=False),  # no personal data
    sa.Column("actor", sa.String(16), nullable=False),  # a client's id, operator or server
    sa.Column("previous", sa.String(64), nullable=False),  # hash of the entry before
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index(None, "client_id", "id"),
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("executor", sa.String(200), primary_key=True),
    sa.Column("queues", sa.JSON, nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    _ms("started_ms", required=True),
    _ms("seen_ms", required=True),
)
