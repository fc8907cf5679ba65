"""Jobs made of files that are only named: their rows and the job's come into being together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import (
    DatabaseError,
    JobDeletedError,
    QuotaExceededError,
    StorageUnavailableError,
)
from ..net.datauri import open_data_uri
from ..net.guard import check_url
from ..storage.tables import uploads
from . import audit, ledger
from .jobs import JobProgress, Wish, add_job, find_repeated, lock_client, progress_in
from .office import Office
from .requests import JobRequest, SwapJob
from .uploads import after_a_look, copy_row, keep_now, url_row

Row = Mapping[str, Any]


class Intake:
    """The files of one job that is being made: their rows, to be written with the job's.

    What comes within the request is kept in the blob store at once, so that its text is never
    written to the database; a job that does not come into being takes it away again.
    """

    def __init__(self, office: Office, client_id: str) -> None:
        self.office, self.client_id = office, client_id
        self.rows: list[dict[str, Any]] = []
        self._kept: list[str] = []  # keys of blobs

    def by_url(self, url: str, name: str = "") -> str:
        """The upload id of a file that the job will fetch first.

        Raises InvalidUrlError, UrlNotAllowedError for what can be told without asking anybody.
        """
        check_url(url, self.office.rules.fetch.allow)
        return self._add(url_row(self.office, self.client_id, url, name))

    def by_data_uri(self, uri: str) -> str:
        """The upload id of a file that is written into the request; it is ready at once.

        Raises InvalidUrlError, UrlTooLargeError, DiskFullError, StorageUnavailableError.
        """
        most = self.office.rules.max_photo_bytes
        pieces = open_data_uri(uri, most).pieces
        row = keep_now(self.office, self.client_id, pieces, "data", most)
        self._kept.append(row["blob_key"])
        return self._add(row)

    def by_blob(self, blob_key: str, name: str) -> str:
        """The upload id of a copy of a file of ours, such as an earlier result."""
        return self._add(copy_row(self.office, self.client_id, blob_key, name))

    def write(self, connection: sa.Connection) -> None:
        if self.rows:
            connection.execute(uploads.insert(), self.rows)

    def forget(self) -> None:
        """There is no such job. What cannot be taken away now a sweep takes later."""
        with suppress(StorageUnavailableError):
            self.office.blobs.delete_many(self._kept)

    def _add(self, row: dict[str, Any]) -> str:
        self.rows.append(row)
        return row["id"]


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
    is_repeated: bool = False  # it was there before


def submit_placed(
    office: Office,
    client_id: str,
    request_hash: str,
    make: Callable[[Intake], JobRequest],
    wish: Wish,
) -> Placed:
    """``submit_new``, and what it would take another transaction to ask."""

    with audit.telling_refusals(office, client_id):
        if wish.idempotency_key is not None:
            with office.database.reading() as connection:
                if placed := _find_placed(connection, office, client_id, wish, request_hash):
                    return placed
        intake = Intake(office, client_id)
        try:
            request = make(intake)  # reads pictures and asks the store: not in a transaction
            placed = _write(office, client_id, request_hash, intake, request, wish)
        except DatabaseError:  # it may have been written down all the same
            raise
        except BaseException:
            intake.forget()
            raise
        if placed.is_repeated:
            intake.forget()
        return placed


def _write(
    office: Office,
    client_id: str,
    request_hash: str,
    intake: Intake,
    request: JobRequest,
    wish: Wish,
) -> Placed:
    def write(connection: sa.Connection) -> Placed:
        client = lock_client(connection, client_id)
        if placed := _find_placed(connection, office, client_id, wish, request_hash):
            return placed
        intake.write(connection)
        if isinstance(request, SwapJob):
            check_units(connection, client)
        job = add_job(connection, office, client, request, wish, request_hash)
        return Placed(job, progress_in(connection, office, job))

    return after_a_look(
        office, client_id, request.uploads, lambda: office.database.write_together(write)
    )


def _find_placed(
    connection: sa.Connection, office: Office, client_id: str, wish: Wish, request_hash: str
) -> Placed | None:
    """The job that the same request made. Raises IdempotencyMismatchError, JobDeletedError."""
    job = find_repeated(connection, client_id, wish.idempotency_key, request_hash)
    if job is None:
        return None
    check_kept(job)
    return Placed(job, progress_in(connection, office, job), is_repeated=True)


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
