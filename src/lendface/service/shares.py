"""Files of a job for whoever was given the link: a secret in the job's notes stands for a key."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import NotFoundError, ResultGoneError, ResultNotReadyError
from .jobs import get_row
from .states import SUCCEEDED

NOTE = "link"
TOKEN_BYTES = 16

Row = Mapping[str, Any]


@dataclass(frozen=True)
class SharedFile:
    blob_key: str
    content_type: str


def new_token() -> str:
    """22 characters that nobody guesses, for ``NOTE`` of a job's notes."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def get_shared(connection: sa.Connection, job_id: str, token: str) -> Row:
    """The job, whosever it is. Raises NotFoundError, also for a wrong token."""
    job = get_row(connection, job_id)
    known = str(job["notes"].get(NOTE, ""))
    is_right = hmac.compare_digest(known.encode(), token.encode())
    if not known or not is_right or job["deleted_ms"] is not None:
        raise NotFoundError("job")
    return job


def shared_file(job: Row, place: str | None = None) -> SharedFile:
    """A job's finished file, or by ``place`` the picture of one face of those it found.

    Raises ResultNotReadyError, ResultGoneError, NotFoundError.
    """
    if job["state"] != SUCCEEDED:
        raise ResultNotReadyError(job["state"])
    if job["purged_ms"]:
        raise ResultGoneError
    result = job["result"] or {}
    if place is not None:
        if place not in map(place_of, crop_keys(result)):
            raise NotFoundError("picture")
        return SharedFile(f"results/{job['id']}/{place}.jpg", "image/jpeg")
    if "blob_key" not in result:
        raise NotFoundError("file")
    return SharedFile(result["blob_key"], result["content_type"])


def place_of(crop_key: str) -> str:
    """
    >>> place_of("results/0a/face-0-5-1.jpg")
    'face-0-5-1'
    """
    return crop_key.rpartition("/")[2].removesuffix(".jpg")


def crop_keys(result: Row) -> list[str]:
    """Of all pictures of faces that a detection left."""
    return [
        face["crop_key"]
        for target in result.get("targets", ())
        for frame in target["frames"]
        for face in frame["faces"]
        if face["crop_key"]
    ]
