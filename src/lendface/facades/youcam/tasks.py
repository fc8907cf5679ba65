"""Tasks: begun, looked at, deleted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from ...errors import NotFoundError
from ...service import jobs, uploads
from ...service.jobs import is_lost
from ...service.office import Office
from ...service.requests import JobRequest, digest, load_request
from ...service.states import FINAL, LIVE
from ...service.submissions import Intake, submit_new
from ...storage.tables import jobs as job_rows
from .envelope import Refusal
from .status import feature_of
from .terms import API, Feature, Terms

TASK_ID = re.compile(r"[A-Za-z0-9_-]{64}", re.ASCII)

Row = Mapping[str, Any]


def new_task_id() -> str:
    """64 characters that are safe in an address: clients paste it in as it is."""
    return secrets.token_urlsafe(48)


def unknown_task() -> Refusal:
    return Refusal(400, "InvalidTaskId", "Invalid task ID")


def begin(
    office: Office,
    client_id: str,
    terms: Terms,
    feature: Feature,
    make: Callable[[Intake], JobRequest],
    units: int,
) -> str:
    """The id of a new task, for which ``units`` are set aside.

    Raises what ``submissions.submit_new`` raises.
    """
    wish = jobs.Wish(
        api=API,
        alias=new_task_id(),
        notes={"feature": feature.value, **window_of(terms)},
        keep_ms=terms.keep_ms,
        units=units,
    )
    job = submit_new(office, client_id, digest(["youcam", wish.alias]), make, wish)
    return job["alias"]


def find(
    office: Office, client_id: str, terms: Terms, task_id: str, feature: Feature | None = None
) -> Row:
    """The job of a task. Raises Refusal for what is unknown, expired, deleted, lost, another's."""
    if not TASK_ID.fullmatch(task_id):
        raise unknown_task()
    try:
        job = jobs.get_job_by_alias(office, client_id, task_id)
    except NotFoundError:
        raise unknown_task() from None
    if job["api"] != API or feature_of(job) not in ((feature,) if feature else tuple(Feature)):
        raise unknown_task()
    if is_over(job, office.now_ms()) or is_lost(job, office.now_ms()):
        raise unknown_task()
    return job


def is_over(job: Row, now_ms: int) -> bool:
    """Whether it has been kept for as long as was promised."""
    return job["purged_ms"] is not None or job["expires_ms"] <= now_ms


def window_of(terms: Terms) -> dict[str, int]:
    """Among a job's notes: who does not ask within it has lost the task, and is not charged."""
    return {jobs.WINDOW_NOTE: round(terms.poll_window_s * 1000)} if terms.poll_window_s else {}


def note_poll(office: Office, job: Row) -> None:
    """Remember that somebody asked, where that matters."""
    if jobs.WINDOW_NOTE not in job["notes"] or job["state"] not in LIVE:
        return
    notes = {**job["notes"], jobs.ASKED_NOTE: office.now_ms()}
    with office.database.writing() as connection:
        connection.execute(
            sa.update(job_rows).where(job_rows.c.id == job["id"]).values(notes=notes)
        )


def delete(office: Office, client_id: str, terms: Terms, task_id: str) -> None:
    """A finished task, its result, and its files where no running task needs them.

    Raises Refusal.
    """
    job = find(office, client_id, terms, task_id)
    if feature_of(job) == Feature.FACES:
        raise Refusal(400, "OperationNotSupport", "Operation not supported")
    if job["state"] not in FINAL:
        raise Refusal(400, "OperationInvalid", "The task has not finished yet")
    jobs.delete(office, client_id, job["id"])
    for upload in uploads.find_unneeded(office, load_request(job["request"]).uploads):
        with suppress(NotFoundError):
            uploads.delete_upload(office, client_id, upload)
