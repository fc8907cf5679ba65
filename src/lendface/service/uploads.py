"""Files that clients give us: declared and then PUT to a link, or brought from a URL by a job."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from ..errors import (
    BadOptionError,
    BlobMissingError,
    BlobTooLargeError,
    NotFoundError,
    UploadBusyError,
    UploadDoneError,
    UploadMissingError,
    about,
)
from ..net.datauri import is_data_uri
from ..storage.blobs import BlobInfo
from ..storage.signing import SignedRequest
from ..storage.tables import job_uploads, jobs, uploads
from . import audit
from .office import Office, new_id
from .states import LIVE

WAITING, READY, FAILED, DELETED = "waiting", "ready", "failed", "deleted"
OCTETS = "application/octet-stream"
KEPT, INCOMING = "uploads", "incoming"  # where ready files are, and where clients send them
COPY = "blob:"  # an address of ours, which nobody can give from outside
PHOTO_TYPES = ("image/",)
TYPES = ("image/", "video/", OCTETS)
ANY_SIZE = 1 << 50  # where an operator sets no limit

Row = Mapping[str, Any]
T = TypeVar("T")

THEIRS = sa.select(*(uploads.c[name] for name in ("id", "state", "expires_ms", "url"))).where(
    uploads.c.id.in_(sa.bindparam("ids", expanding=True)),
    uploads.c.client_id == sa.bindparam("client_id"),
)
_made_of_it = sa.select(job_uploads.c.job_id).join(jobs, jobs.c.id == job_uploads.c.job_id)
IS_NEEDED = _made_of_it.where(  # by a job that has not ended
    job_uploads.c.upload_id == uploads.c.id, jobs.c.state.in_(LIVE)
).exists()

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
    size: int | None  # bytes, exact; None: not told


def declare(
    office: Office,
    client_id: str,
    file: Declared,
    upload_id: str | None = None,
    *,
    keep_ms: int | None = None,
    link_s: int | None = None,
    max_size: int | None = None,
) -> tuple[Row, SignedRequest]:
    """A place for a file, and the request that puts it there.

    ``keep_ms``, ``link_s`` and ``max_size``, which is for files of no declared size, are what the
    server's rules say where they are None. Raises BadOptionError, BlobTooLargeError for what this
    server never takes.
    """
    check_declared(office, file)
    row = _new_row(office, client_id, upload_id, file.name, file.content_type, file.size, None)
    row["blob_key"] = row["incoming_key"] = row["blob_key"].replace(KEPT, INCOMING, 1)
    if keep_ms is not None:
        row["expires_ms"] = row["created_ms"] + keep_ms
    with office.database.writing() as connection:
        connection.execute(uploads.insert().values(**row))
    return row, link_to_put(office, row, link_s, max_size)


def link_to_put(
    office: Office, upload: Row, link_s: int | None = None, max_size: int | None = None
) -> SignedRequest:
    return office.links.presign_put(
        upload["blob_key"],
        upload["content_type"],
        upload["size"],
        link_s or office.rules.link_s,
        office.now_s,
        max_size or most_bytes(office, upload["content_type"]),
    )


def check_declared(office: Office, file: Declared) -> None:
    """Raises BadOptionError, BlobTooLargeError."""
    if file.size is not None and file.size < 1:
        raise BadOptionError("size must be the exact number of bytes, at least 1")
    kind = file.content_type.split(";")[0].strip().lower()
    if not kind.startswith(TYPES):
        raise BadOptionError("content_type must be an image or a video type, such as video/mp4")
    limit = most_bytes(office, kind)
    if file.size is not None and file.size > limit:
        raise BlobTooLargeError(limit)


def most_bytes(office: Office, content_type: str) -> int:
    """How large a file of this type may be."""
    if content_type.strip().lower().startswith(PHOTO_TYPES):
        return office.rules.max_photo_bytes
    return office.rules.limits.max_bytes or ANY_SIZE


def url_row(office: Office, client_id: str, url: str, name: str = "") -> dict[str, Any]:
    """Of a file that a job will fetch. Nothing is fetched here."""
    name = name or url.partition("?")[0].rpartition("/")[2] or "file"
    return _new_row(office, client_id, None, name, OCTETS, None, url)


def copy_row(office: Office, client_id: str, blob_key: str, name: str) -> dict[str, Any]:
    """Of a file that a job will copy from one we keep already."""
    return _new_row(office, client_id, None, name, OCTETS, None, COPY + blob_key)


def keep_now(
    office: Office,
    client_id: str,
    pieces: Iterable[bytes],
    name: str,
    max_bytes: int,
    content_type: str = OCTETS,
) -> dict[str, Any]:
    """A row, ready and not yet written down, of a file that lies in the blob store from now on.

    Raises what ``pieces`` raises, BlobTooLargeError, DiskFullError, StorageUnavailableError.
    """
    row = _new_row(office, client_id, None, name, content_type, None, None)
    info = office.blobs.put(row["blob_key"], pieces, max_bytes=max_bytes, content_type=content_type)
    told = {"state": READY, "size": info.size, "sha256": info.sha256, "etag": info.etag}
    return row | told | {"ready_ms": office.now_ms()}


def get_upload(office: Office, client_id: str, upload_id: str) -> Row:
    """Raises NotFoundError. A file that arrived by a link of the bucket is noticed here."""
    with office.database.reading() as connection:
        row = find_upload(connection, client_id, upload_id)
    if row is None or row["state"] == DELETED:
        raise NotFoundError("upload")
    return notice(office, row) if is_expected(row) else row


def find_upload(connection: sa.Connection, client_id: str, upload_id: str) -> Row | None:
    """The row, if it is this client's."""
    query = sa.select(uploads).where(uploads.c.id == upload_id, uploads.c.client_id == client_id)
    return connection.execute(query).mappings().first()


def check_usable(
    connection: sa.Connection,
    office: Office,
    client_id: str,
    upload_ids: Sequence[str],
    name_of: Callable[[str], str],
) -> None:
    """Whether a job may be made of these. Raises NotFoundError, UploadMissingError, about what
    ``name_of`` calls the file.

    Only rows are looked at: of files that a bucket was sent see ``after_a_look``.
    """
    wanted = {"ids": upload_ids, "client_id": client_id}
    row_by_id = {row["id"]: row for row in connection.execute(THEIRS, wanted).mappings()}
    for upload_id in upload_ids:
        row = row_by_id.get(upload_id)
        with about(name_of(upload_id)):
            if row is None or row["state"] == DELETED or row["expires_ms"] <= office.now_ms():
                raise NotFoundError("upload")
            if row["state"] == FAILED or is_expected(row):
                raise UploadMissingError


def are_elsewhere(connection: sa.Connection, upload_ids: tuple[str, ...]) -> bool:
    """Whether any of them is still to be brought from an address."""
    return connection.execute(ELSEWHERE, {"ids": upload_ids}).first() is not None


def after_a_look(
    office: Office, client_id: str, upload_ids: Sequence[str], action: Callable[[], T]
) -> T:
    """What ``action`` gives; where it misses files it is asked once more after a look for them.

    So the store is asked only where it matters, and never within a transaction. Raises what
    ``action`` raises, StorageUnavailableError.
    """
    try:
        return action()
    except UploadMissingError:
        with office.database.reading() as connection:
            rows = [find_upload(connection, client_id, upload_id) for upload_id in upload_ids]
        waiting = [row for row in rows if row is not None and is_expected(row)]
        noticed = [notice(office, row, wait=True)["state"] for row in waiting]
        if READY not in noticed:
            raise
    return action()


# Arriving: a client sends a file to a place of its own, for as long as its link is good. From
# there the bytes are brought to where nobody but we can write, and only these are looked at.


def is_expected(row: Row) -> bool:
    """Whether its client is to send it, and nobody has seen it come yet."""
    return row["state"] == WAITING and row["url"] is None


def notice(office: Office, row: Row, *, wait: bool = False) -> Row:
    """The row, ready if its file has come.

    ``wait`` for another thread that brings the same file; else the row is told as it stands.
    """
    with office.arrivals.held(row["id"], wait=wait) as is_ours:
        if not is_ours:
            return row
        now = _row_now(office, row["id"])
        return take_in(office, now) if is_expected(now) else now


def take_in(office: Office, row: Row, sha256: str | None = None, etag: str | None = None) -> Row:
    """Bring what was sent to where it stays; the row as it is then, unchanged if nothing came.

    ``etag`` says which bytes are meant, and ``sha256`` is theirs; without them those that lie
    there now. What is sent later changes nothing.
    """
    source = row["blob_key"]
    info = office.blobs.info(source)
    if info is None:
        return row
    if row["size"] is None and info.size > most_bytes(office, row["content_type"]):
        office.blobs.delete(source)  # a bucket takes whatever is sent to a link without a size
        mark_failed(office, row["id"], BlobTooLargeError.code)
        return _row_now(office, row["id"])
    try:
        kept = office.blobs.copy(source, new_place(row), etag or info.etag or "")
    except BlobMissingError:  # another one was faster, or something else was sent meanwhile
        return _row_now(office, row["id"])
    row = arrive(office, row, replace(kept, sha256=sha256))
    office.blobs.delete(source)
    return row


def arrive(office: Office, row: Row, kept: BlobInfo) -> Row:
    """The blob becomes the upload's, unless another came first, or it was deleted: then the blob
    goes. Returns the row as it is afterwards."""
    if not mark_ready(office, row, kept.size, kept.sha256, kept.key, kept.etag):
        office.blobs.delete(kept.key)
    return _row_now(office, row["id"])


def mark_ready(
    office: Office,
    row: Row,
    size: int,
    sha256: str | None,
    blob_key: str | None = None,
    etag: str | None = None,
) -> bool:
    """Whether it was waiting until now: nothing that came later counts."""
    changes = {
        "state": READY,
        "size": size,
        "sha256": sha256,
        "etag": etag,
        "ready_ms": office.now_ms(),
        "blob_key": blob_key or row["blob_key"],
    }
    if is_data_uri(row["url"] or ""):  # of an earlier version; its text is not kept
        changes["url"] = None
    with office.database.writing() as connection:
        is_meant = (uploads.c.id == row["id"]) & (uploads.c.state == WAITING)
        return bool(connection.execute(uploads.update().where(is_meant).values(**changes)).rowcount)


def note_hash(office: Office, row: Row, sha256: str, etag: str | None) -> Row:
    """Whoever reads a file first says what it is; from then on it may be nothing else, though it
    may get another etag."""
    is_same = sa.or_(uploads.c.sha256.is_(None), uploads.c.sha256 == sha256)
    is_meant = (uploads.c.id == row["id"]) & is_same
    with office.database.writing() as connection:
        connection.execute(uploads.update().where(is_meant).values(sha256=sha256, etag=etag))
    return _row_now(office, row["id"])


def mark_received(
    office: Office, key: str, size: int, sha256: str, etag: str | None = None
) -> Row | None:
    """A file came by one of our own links, and lies under its key. Its row, if there is one.

    Raises UploadDoneError where another file was faster, UploadBusyError where one still comes.
    """
    row = _find_by_key(office, key)
    if row is not None and row["state"] == WAITING:
        row = take_in(office, row, sha256, etag)
        if row["state"] == WAITING:
            raise UploadBusyError
    if row is None or row["state"] != READY:
        return row
    if row["sha256"] is None and row["etag"] == etag:  # a look was faster
        row = note_hash(office, row, sha256, etag)
    if row["sha256"] != sha256:
        raise UploadDoneError
    return row


def get_by_key(office: Office, key: str) -> Row:
    """Whose file is sent there. Raises NotFoundError where nobody wants it any more."""
    row = _find_by_key(office, key)
    if row is None or row["state"] not in (WAITING, READY):
        raise NotFoundError("upload")
    return row


def new_place(row: Row) -> str:
    """A key that nobody has, and to which no link leads."""
    blob = row["blob_key"].rpartition("/")[2]
    return f"{KEPT}/{row['client_id']}/{blob}-{secrets.token_hex(4)}"


def _row_now(office: Office, upload_id: str) -> Row:
    with office.database.reading() as connection:
        query = sa.select(uploads).where(uploads.c.id == upload_id)
        return connection.execute(query).mappings().one()


def _find_by_key(office: Office, key: str) -> Row | None:
    is_meant = sa.or_(uploads.c.incoming_key == key, uploads.c.blob_key == key)
    with office.database.reading() as connection:
        return connection.execute(sa.select(uploads).where(is_meant)).mappings().first()


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


def find_unneeded(office: Office, upload_ids: Collection[str]) -> list[str]:
    """Those that no job which has not ended is made of."""
    query = sa.select(uploads.c.id).where(uploads.c.id.in_(upload_ids), ~IS_NEEDED)
    with office.database.reading() as connection:
        return list(connection.execute(query).scalars())


def delete_upload(office: Office, client_id: str, upload_id: str) -> None:
    """The file goes, the row stays for the audit. Raises NotFoundError."""
    purge(office, get_upload(office, client_id, upload_id), "upload.deleted")


def purge(
    office: Office, upload: Row, action: str = "upload.purged", actor: str | None = None
) -> None:
    """Delete the file and what the row tells of a person. Harmless when done again.

    ``action`` and ``actor`` are written into the audit log.
    """
    purge_many(office, [upload], action, actor)


def purge_many(
    office: Office, rows: Sequence[Row], action: str = "upload.purged", actor: str | None = None
) -> None:
    """``purge`` of several, in one transaction: all of their rows or none."""
    office.blobs.delete_many([key for row in rows for key in keys_of(row)])
    nothing = {"state": DELETED, "purged_ms": office.now_ms(), "url": None, "name": ""}
    ids = [row["id"] for row in rows]
    with office.database.writing() as connection:
        connection.execute(uploads.update().where(uploads.c.id.in_(ids)).values(**nothing))
        for row in rows:
            about = (action, row["id"], row["client_id"])
            audit.record(connection, *about, {}, office.now_ms(), actor)


def keys_of(upload: Row) -> list[str]:
    """Under which there may be something of it."""
    return list(dict.fromkeys(filter(None, (upload["blob_key"], upload["incoming_key"]))))


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
        "blob_key": f"{KEPT}/{client_id}/{blob}",
        "incoming_key": None,
        "etag": None,
        "url": url,
        "error_code": None,
        "created_ms": now_ms,
        "ready_ms": None,
        "expires_ms": now_ms + office.rules.keep_ms,
        "purged_ms": None,
    }
