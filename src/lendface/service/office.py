"""What the service's functions work with: the database, the files, the queue, the clock, the rules.

``app.py`` builds one for each process; tests build their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import sqlalchemy as sa

from ..net.fetch import FetchPolicy
from ..pipeline.limits import Limits
from ..storage.blobs import Blobs
from ..storage.database import Database
from ..storage.signing import SignedRequest
from ..storage.stripes import Stripes
from ..trust.label import LabelRule
from ..trust.thresholds import SAME_FACE, USUAL, Thresholds
from .crowd import Crowd
from .intact import Intact
from .receivers import Receivers
from .sealing import Sealer

DAY_MS = 24 * 3600 * 1000


class Queue(Protocol):
    """Where work is put; the durable engine plays it."""

    def submit(
        self,
        connection: sa.Connection,
        job_id: str,
        run: int,
        *,
        priority: int,
        render_queue: str,
        client_id: str,
        fetches: bool,
    ) -> None: ...

    def submit_delivery(
        self,
        connection: sa.Connection,
        delivery_id: str,
        round_number: int,
        attempt: int,
        delay_s: float,
        *,
        sender: str,
        postponed: int = 0,
    ) -> None: ...

    def cancel(self, job_id: str, run: int) -> None: ...

    def forget(self, job_id: str, run: int) -> None: ...


class Links(Protocol):
    """Links that let somebody without a key put or get one file, for a while."""

    def presign_put(
        self,
        key: str,
        content_type: str,
        size: int | None,
        expires_s: int,
        now_s: float,
        max_size: int | None = None,
    ) -> SignedRequest: ...

    def presign_get(
        self,
        key: str,
        expires_s: int,
        now_s: float,
        file_name: str | None = None,
        content_type: str | None = None,
    ) -> str: ...


@dataclass(frozen=True)
class Letter:
    """One HTTP request that tells a client something."""

    body: bytes
    headers: Mapping[str, str]


class MessageForm(Protocol):
    """How one API tells its clients what became of a job."""

    def messages(
        self, connection: sa.Connection, office: Office, job: Mapping[str, Any], state: str
    ) -> list[Message]:
        """What to send now that a job is in ``state``; to whom is the form's business.

        It looks around by ``connection``, whose transaction ends the job: a second one could wait
        for the first.
        """
        ...

    def seal(self, office: Office, delivery: Mapping[str, Any]) -> Letter:
        """The request of this very attempt: signed, with its own time."""
        ...


@runtime_checkable
class TellsStart(Protocol):
    """A form that also tells when a job begins to run."""

    def start_messages(
        self, connection: sa.Connection, office: Office, job: Mapping[str, Any]
    ) -> list[Message]: ...


@runtime_checkable
class TellsTest(Protocol):
    """A form of an API whose clients have endpoints, and can try them."""

    def write_test(self, now_ms: int, endpoint_id: str) -> str:
        """The body of a message that tells nothing."""
        ...


@dataclass(frozen=True)
class Message:
    """Something to be told to one address."""

    id: str  # the same in every attempt
    type: str
    url: str
    body: str
    endpoint_id: str | None = None
    replaces: str | None = None  # a type: those of the job that still wait are not sent any more


@dataclass(frozen=True)
class Rules:
    """Numbers an operator sets."""

    limits: Limits
    photo_limits: Limits
    fetch: FetchPolicy
    max_photo_bytes: int = 32 << 20
    keep_ms: int = 7 * DAY_MS
    resume_ms: int = DAY_MS
    link_s: int = 7200
    chunk_s: float = 10.0
    job_timeout_ms: int = 6 * 3600 * 1000
    max_running: int = 16
    max_queued: int = 100_000
    rate_per_minute: int = 600
    render_queue: str = "cpu"
    consent: str = "attest"  # or per_face; a client may be held to more
    consent_targets: bool = False  # with per_face: also of those whose faces are replaced
    label: LabelRule = field(default_factory=LabelRule)  # visible, in results
    gate: Thresholds | None = USUAL  # of the content gate; None: switched off
    protected: float | None = SAME_FACE  # cosine to a protected face; None: switched off
    lowered_guards: Mapping[str, Any] = field(default_factory=dict)  # see trust.lowered
    tell_refusals: bool = True  # clients by which rule they were refused


@dataclass(frozen=True, eq=False)
class Office:
    """One for each process."""

    database: Database
    blobs: Blobs
    links: Links
    sealer: Sealer
    queue: Queue
    rules: Rules
    now_ms: Callable[[], int]
    forms: Mapping[str, MessageForm] = field(default_factory=dict)  # by api
    crowd: Crowd = field(default_factory=Crowd)
    receivers: Receivers = field(default_factory=Receivers)
    intact: Intact = field(default_factory=Intact)
    arrivals: Stripes = field(default_factory=Stripes)  # uploads that are being taken in

    @property
    def now_s(self) -> float:
        return self.now_ms() / 1000


def new_id(now_ms: int) -> str:
    """24 lower-case hex digits: the second in 8, then chance; later ids sort after earlier ones."""
    return f"{now_ms // 1000:08x}{secrets.token_hex(8)}"
