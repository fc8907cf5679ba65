"""Jobs made of files that are only named: their rows and the job's come into being together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import JobDeletedError, QuotaExceededError
from ..net.datauri import read_data_uri
from ..net.guard import check_url
from . import audit, ledger
from .jobs import JobProgress, Wish, add_job, find_repeated, lock_client, progress_in
from .office import Office
from .requests import JobRequest, SwapJob
from .uploads import declare_copy, declare_url

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Intake:
    """Takes in files while a job is being made, in the job's own transaction."""

    connection: sa.Connection
    office: Office
    client_id: str

    def by_url(self, url: str, name: str = "") -> str:
        """The upload id of a file that the job will fetch first.

        Raises InvalidUrlError, UrlNotAllowedError for what can be told without asking anybody.
        """
        check_url(url, self.office.rules.fetch.allow)
        return declare_url(self.connection, self.office, self.client_id, url, name)

    def by_data_uri(self, uri: str) -> str:
        """The upload id of a file that is written into the request.

        Raises InvalidUrlError, UrlTooLargeError.
        """
        read_data_uri(uri, self.office.rules.max_photo_bytes)
        return declare_url(self.connection, self.office, self.client_id, uri, "data")

    def by_blob(self, blob_key: str, name: str) -> str:
        """The upload id of a copy of a file of ours, such as an earlier result."""
        return declare_copy(self.connection, self.office, self.client_id, blob_key, name)


def submit_new(
    office: Office,
    client_id: str,
    request_hash: str,
    make: Callable[[Intake], JobRequest],
    wish: Wish,
) -> Row:
    """A job of what ``make`` makes, or none and no files either.

    The same idempotency key with the same ``request_hash`` gives the same job again, and nothing
    is made. Raises what ``jobs.submit`` raises, what ``make`` raises, QuotaExceededError where no
    unit is left, JobDeletedError.
    """
    return submit_placed(office, client_id, request_hash, make, wish).job


@dataclass(frozen=True)
class Placed:
    """A job, and where it stands."""

    job: Row
    progress: JobProgress


def submit_placed(
    office: Office,
    client_id: str,
    request_hash: str,
    make: Callable[[Intake], JobRequest],
    wish: Wish,
) -> Placed:
    """``submit_new``, and what it would take another transaction to ask."""

    def submit(connection: sa.Connection) -> Placed:
        client = lock_client(connection, client_id)
        job = find_repeated(connection, client_id, wish.idempotency_key, request_hash)
        if job is not None:
            check_kept(job)
        else:
            request = make(Intake(connection, office, client_id))
            if isinstance(request, SwapJob):
                check_units(connection, client)
            job = add_job(connection, office, client, request, wish, request_hash)
        return Placed(job, progress_in(connection, office, job))

    with audit.telling_refusals(office, client_id):
        return office.database.write_together(submit)


def check_kept(job: Row) -> None:
    """Raises JobDeletedError: a late copy of a request must not bring a job back."""
    if job["deleted_ms"] is not None:
        raise JobDeletedError


def is_repeated(office: Office, client_id: str, key: str | None, request_hash: str) -> bool:
    """Whether there is such a job already. Raises IdempotencyMismatchError."""
    if key is None:
        return False
    with office.database.reading() as connection:
        return find_repeated(connection, client_id, key, request_hash) is not None


def check_units(connection: sa.Connection, client: sa.Row[Any]) -> None:
    """A job that certainly cannot be paid is not begun. Raises QuotaExceededError."""
    left = ledger.left_of(connection, client)
    if left is not None and left < 1:
        raise QuotaExceededError(1, max(0, left))
