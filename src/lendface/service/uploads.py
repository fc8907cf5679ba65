"""Files that clients give us: declared and then PUT to a link, or brought from a URL by a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ..errors import (
    BadOptionError,
    BlobTooLargeError,
    NotFoundError,
    UploadMissingError,
)
from ..storage.signing import SignedRequest
from ..storage.tables import uploads
from . import audit
from .office import Office, new_id

WAITING, READY, FAILED, DELETED = "waiting", "ready", "failed", "deleted"
COPY = "blob:"  # an address of ours, which nobody can give from outside
PHOTO_TYPES = ("image/",)
TYPES = ("image/", "video/", "application/octet-stream")

Row = Mapping[str, Any]

THEIRS = sa.select(
    *(uploads.c[name] for name in ("id", "state", "expires_ms", "url", "blob_key"))
).where(
    uploads.c.id.in_(sa.bindparam("ids", expanding=True)),
    uploads.c.client_id == sa.bindparam("client_id"),
)

ELSEWHERE = (
    sa.select(sa.literal(1))
    .where(
        uploads.c.id.in_(sa.bindparam("ids", expanding=True)),
        uploads.c.state == WAITING,
        uploads.c.url.is_not(None),
    )
    .limit(1)
)


@dataclass(frozen=True)
class Declared:
    """What a client says about a file it is about to send."""

    name: str
    content_type: str
    size: int  # bytes, exact


def declare(
    office: Office,
    client_id: str,
    file: Declared,
    upload_id: str | None = None,
    *,
    keep_ms: int | None = None,
    link_s: int | None = None,
) -> tuple[Row, SignedRequest]:
    """A place for a file, and the request that puts it there.

    ``keep_ms`` and ``link_s`` are what the server's rules say where they are None. Raises
    BadOptionError, BlobTooLargeError for what this server never takes.
    """
    check_declared(office, file)
    row = _new_row(office, client_id, upload_id, file.name, file.content_type, file.size, None)
    if keep_ms is not None:
        row["expires_ms"] = row["created_ms"] + keep_ms
    with office.database.writing() as connection:
        connection.execute(uploads.insert().values(**row))
    return row, link_to_put(office, row, link_s)


def link_to_put(office: Office, upload: Row, link_s: int | None = None) -> SignedRequest:
    return office.links.presign_put(
        upload["blob_key"],
        upload["content_type"],
        upload["size"],
        link_s or office.rules.link_s,
        office.now_s,
    )


def check_declared(office: Office, file: Declared) -> None:
    """Raises BadOptionError, BlobTooLargeError."""
    if file.size < 1:
        raise BadOptionError("size must be the exact number of bytes, at least 1")
    kind = file.content_type.split(";")[0].strip().lower()
    if not kind.startswith(TYPES):
        raise BadOptionError("content_type must be an image or a video type, such as video/mp4")
    limit = office.rules.limits.max_bytes
    if kind.startswith(PHOTO_TYPES):
        limit = office.rules.max_photo_bytes
    if limit is not None and file.size > limit:
        raise BlobTooLargeError(limit)


def declare_url(
    connection: sa.Connection, office: Office, client_id: str, url: str, name: str = ""
) -> str:
    """A file that a job will fetch; returns its upload id. Nothing is fetched here."""
    name = name or url.split("?")[0].rsplit("/", 1)[-1] or "file"
    row = _new_row(office, client_id, None, name, "application/octet-stream", None, url)
    connection.execute(uploads.insert().values(**row))
    return row["id"]


def declare_copy(
    connection: sa.Connection, office: Office, client_id: str, blob_key: str, name: str
) -> str:
    """A file that a job will copy from one we keep already; returns its upload id."""
    row = _new_row(office, client_id, None, name, "application/octet-stream", None, COPY + blob_key)
    connection.execute(uploads.insert().values(**row))
    return row["id"]


def get_upload(office: Office, client_id: str, upload_id: str) -> Row:
    """Raises NotFoundError. A file that arrived by a link of the bucket is noticed here."""
    with office.database.reading() as connection:
        row = find_upload(connection, client_id, upload_id)
    if row is None or row["state"] == DELETED:
        raise NotFoundError("upload")
    return notice(office, row) if row["state"] == WAITING and row["url"] is None else row


def find_upload(connection: sa.Connection, client_id: str, upload_id: str) -> Row | None:
    """The row, if it is this client's."""
    query = sa.select(uploads).where(uploads.c.id == upload_id, uploads.c.client_id == client_id)
    return connection.execute(query).mappings().first()


def check_usable(
    connection: sa.Connection, office: Office, client_id: str, upload_ids: tuple[str, ...]
) -> None:
    """Whether a job may be made of these. Raises NotFoundError, UploadMissingError."""
    wanted = {"ids": upload_ids, "client_id": client_id}
    row_by_id = {row["id"]: row for row in connection.execute(THEIRS, wanted).mappings()}
    for upload_id in upload_ids:
        row = row_by_id.get(upload_id)
        if row is None or row["state"] == DELETED or row["expires_ms"] <= office.now_ms():
            raise NotFoundError("upload")
        if row["state"] == FAILED:
            raise UploadMissingError
        is_here = row["state"] == READY or row["url"] is not None
        if not is_here and office.blobs.info(row["blob_key"]) is None:
            raise UploadMissingError


def are_elsewhere(connection: sa.Connection, upload_ids: tuple[str, ...]) -> bool:
    """Whether any of them is still to be brought from an address."""
    return connection.execute(ELSEWHERE, {"ids": upload_ids}).first() is not None


def notice(office: Office, row: Row) -> Row:
    """The row, made ready if its file has come."""
    info = office.blobs.info(row["blob_key"])
    if info is None:
        return row
    return mark_ready(office, row, info.size, row["sha256"])


def mark_ready(office: Office, row: Row, size: int, sha256: str | None) -> Row:
    now_ms = office.now_ms()
    changes = {"state": READY, "size": size, "sha256": sha256, "ready_ms": now_ms}
    with office.database.writing() as connection:
        connection.execute(
            uploads.update()
            .where(uploads.c.id == row["id"], uploads.c.state.in_((WAITING, READY)))
            .values(**changes)
        )
    return {**row, **changes}


def mark_received(office: Office, blob_key: str, size: int, sha256: str) -> None:
    """A file came by one of our own links."""
    with office.database.reading() as connection:
        query = sa.select(uploads).where(uploads.c.blob_key == blob_key)
        row = connection.execute(query).mappings().first()
    if row is not None:
        mark_ready(office, row, size, sha256)


def get_by_blob(office: Office, blob_key: str) -> Row:
    """Whose file lies there. Raises NotFoundError where nobody wants it any more."""
    with office.database.reading() as connection:
        query = sa.select(uploads).where(uploads.c.blob_key == blob_key)
        row = connection.execute(query).mappings().first()
    if row is None or row["state"] not in (WAITING, READY):
        raise NotFoundError("upload")
    return row


def mark_failed(office: Office, upload_id: str, code: str) -> None:
    with office.database.writing() as connection:
        connection.execute(
            uploads.update()
            .where(uploads.c.id == upload_id, uploads.c.state == WAITING)
            .values(state=FAILED, error_code=code)
        )


def list_uploads(
    office: Office, client_id: str, limit: int, before: tuple[int, str] | None
) -> list[Row]:
    """Newest first, from after ``before`` (created_ms, id)."""
    query = sa.select(uploads).where(uploads.c.client_id == client_id, uploads.c.state != DELETED)
    if before:
        query = query.where(sa.tuple_(uploads.c.created_ms, uploads.c.id) < before)
    query = query.order_by(uploads.c.created_ms.desc(), uploads.c.id.desc()).limit(limit)
    with office.database.reading() as connection:
        return list(connection.execute(query).mappings())


def delete_upload(office: Office, client_id: str, upload_id: str) -> None:
    """The file goes, the row stays for the audit. Raises NotFoundError."""
    purge(office, get_upload(office, client_id, upload_id), "upload.deleted")


def purge(
    office: Office, upload: Row, action: str = "upload.purged", actor: str | None = None
) -> None:
    """Delete the file and what the row tells of a person. Harmless when done again.

    ``action`` and ``actor`` are written into the audit log.
    """
    office.blobs.delete(upload["blob_key"])
    with office.database.writing() as connection:
        connection.execute(
            uploads.update()
            .where(uploads.c.id == upload["id"])
            .values(state=DELETED, purged_ms=office.now_ms(), url=None, name="")
        )
        about = (action, upload["id"], upload["client_id"])
        audit.record(connection, *about, {}, office.now_ms(), actor)


def _new_row(
    office: Office,
    client_id: str,
    upload_id: str | None,
    name: str,
    content_type: str,
    size: int | None,
    url: str | None,
) -> dict[str, Any]:
    now_ms = office.now_ms()
    blob = new_id(now_ms)  # not the upload id, which may hold other characters
    return {
        "id": upload_id or blob,
        "client_id": client_id,
        "state": WAITING,
        "name": name[-200:],
        "content_type": content_type,
        "size": size,
        "sha256": None,
        "blob_key": f"uploads/{client_id}/{blob}",
        "url": url,
        "error_code": None,
        "created_ms": now_ms,
        "ready_ms": None,
        "expires_ms": now_ms + office.rules.keep_ms,
        "purged_ms": None,
    }
