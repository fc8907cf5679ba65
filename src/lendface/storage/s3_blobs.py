"""Blobs in a bucket of an S3 server, by botocore alone.

Not by obstore (0.12.1): its put asks for chunks inside its own runtime, where a source that reads
another blob panics, and the environment overrides the endpoint that it is given.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from ..errors import (
    BadOptionError,
    BlobChangedError,
    BlobMissingError,
    StorageUnavailableError,
)
from .blobs import (
    CHUNK_BYTES,
    BlobInfo,
    BlobListing,
    Intake,
    check_key,
    check_prefix,
    read_chunks,
)
from .disk import opened, write_all
from .scratch import Scratch
from .signing import SignedRequest, attachment, put_headers

PART_BYTES = 8 << 20  # S3 takes 10,000 parts: files up to 78 GiB
PARTS_AT_ONCE = 4  # of one file
KEYS_AT_ONCE = 1000  # of one request to delete
COPY_BYTES = 5 << 30  # AWS copies no more in one request
COPY_PART_BYTES = 1 << 30
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
CHANGED = frozenset({"412", "PreconditionFailed"})
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10, 60
ATTEMPTS = 3
CONNECTIONS = 32  # and parts of all files at once, each of which is in memory until it is sent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a bucket is and how it is addressed."""

    name: str
    prefix: str = ""  # no slash at either end
    region: str = "us-east-1"
    endpoint: str = ""  # empty: that of AWS
    public_endpoint: str = ""  # by which clients reach it, if by another
    is_path_style: bool = True

    @classmethod
    def parse(cls, url: str) -> Bucket:
        """From s3://bucket/prefix?endpoint=&public_endpoint=&region=&style=path|virtual.

        Raises BadOptionError.
        """
        parts = urlsplit(url)
        if not parts.hostname or parts.netloc != parts.hostname or parts.fragment:
            raise BadOptionError("a bucket is given like s3://bucket/prefix?region=eu-central-1")
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        style = given.pop("style", "path" if given.get("endpoint") else "virtual")
        if wrong := set(given) - {"endpoint", "public_endpoint", "region"}:
            raise BadOptionError(f"the bucket's address has an unknown part {min(wrong)}")
        if style not in ("path", "virtual"):
            raise BadOptionError("the style of a bucket's address is path or virtual")
        for name in ("endpoint", "public_endpoint"):
            _check_endpoint(name, given.get(name, ""))
        named = {name: value for name, value in given.items() if value}
        return cls(parts.netloc, parts.path.strip("/"), is_path_style=style == "path", **named)

    def url(self, endpoint: str = "") -> str:
        """Of the bucket, without a slash at the end."""
        own = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        parts = urlsplit((endpoint or own).rstrip("/"))
        if self.is_path_style:
            return f"{parts.geturl()}/{self.name}"
        return parts._replace(netloc=f"{self.name}.{parts.netloc}").geturl()

    def full_key(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key


class S3Blobs:
    """One bucket, or what lies under a prefix in it. For many threads at once."""

    def __init__(self, bucket: Bucket, session: Session) -> None:
        self._bucket, self._session = bucket, session
        self._client = _make_client(bucket, session)
        self._places = BoundedSemaphore(CONNECTIONS)  # for parts that are being sent

    # Whole files

    def put(
        self,
        key: str,
        chunks: Iterable[bytes],
        *,
        max_bytes: int | None = None,
        content_type: str | None = None,
    ) -> BlobInfo:
        place, kind = self._place(key), {"ContentType": content_type} if content_type else {}
        intake = Intake(chunks, max_bytes)
        parts = _in_parts(intake)
        first, second = next(parts, b""), next(parts, None)
        if second is None:  # one request, which leaves nothing behind where it fails
            with talking():
                etag = self._client.put_object(**place, **kind, Body=first)["ETag"]
        else:
            self._put_in_parts(place, kind, chain([first, second], parts))
            etag = self._get(key).etag  # Ceph names none where the parts are joined
        return intake.info(key, etag)

    def put_file(self, key: str, path: Path, *, content_type: str | None = None) -> BlobInfo:
        return self.put(key, read_chunks(path), content_type=content_type)

    def info(self, key: str) -> BlobInfo | None:
        try:
            return self._get(key)
        except BlobMissingError:
            return None

    def copy(self, source: str, key: str, etag: str) -> BlobInfo:
        """In the bucket itself. In parts, with the same condition, what is too large for one."""
        info, place = self._get(source, etag), self._place(key)
        origin = {"CopySource": self._place(source), "CopySourceIfMatch": etag}
        if info.size <= COPY_BYTES:
            with talking():
                self._client.copy_object(**place, **origin)
        else:
            ranges = [
                f"bytes={start}-{min(start + COPY_PART_BYTES, info.size) - 1}"
                for start in range(0, info.size, COPY_PART_BYTES)
            ]
            self._in_parts(place, {}, self._copy_part, ((each, origin) for each in ranges))
        return self._get(key)

    def read(
        self, key: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> Iterator[bytes]:
        info = self._get(key, etag)
        end = info.size if end is None else min(end, info.size)
        return self._read(info, start, end)

    def exists(self, key: str) -> bool:
        return self.info(key) is not None

    def delete(self, key: str) -> None:
        with talking():
            self._client.delete_object(**self._place(key))

    def delete_many(self, keys: Iterable[str]) -> None:
        left = iter([{"Key": self._place(key)["Key"]} for key in keys])
        while some := list(islice(left, KEYS_AT_ONCE)):
            with talking():
                what = {"Objects": some, "Quiet": True}
                answer = self._client.delete_objects(Bucket=self._bucket.name, Delete=what)
            if answer.get("Errors"):
                raise StorageUnavailableError

    def list(self, prefix: str = "") -> Iterator[BlobListing]:
        below = check_prefix(prefix)
        top = self._bucket.full_key("")
        pages = iter(self._pages("list_objects_v2", f"{top}{below}/" if below else top))
        while page := _next(pages):
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(top)
                yield BlobListing(key, found["Size"], _milliseconds(found["LastModified"]))

    @contextmanager
    def local(self, key: str, scratch: Scratch, *, etag: str | None = None) -> Iterator[Path]:
        """A download, kept in ``scratch`` for the next time."""
        info = self._get(key, etag)
        name, fill = f"{info.etag} {key}", partial(self._download, info)
        with scratch.copy(name, info.size, fill, of=key) as path:
            yield path

    def sweep_unfinished(self, older_than_s: float, now_s: float) -> int:
        """Uploads in parts that began before; their parts cost space that no listing shows."""
        before = datetime.fromtimestamp(now_s - older_than_s, UTC)
        with talking():
            pages = self._pages("list_multipart_uploads", self._bucket.full_key(""))
            found = list(chain.from_iterable(page.get("Uploads", ()) for page in pages))
        old = [upload for upload in found if upload["Initiated"] < before]
        for upload in old:
            self._abort({"Bucket": self._bucket.name, "Key": upload["Key"]}, upload["UploadId"])
        return len(old)

    def check(self) -> None:
        next(self.list(), None)

    # Links

    def presign_put(
        self,
        key: str,
        content_type: str,
        size: int | None,
        expires_s: int,
        now_s: float,
        max_size: int | None = None,
    ) -> SignedRequest:
        """A PUT of exactly ``size`` bytes of exactly this type; the server holds it to both.

        Where the size is not known nothing here holds it to ``max_size``.
        """
        headers = put_headers(content_type, size)
        url = self._sign("PUT", key, expires_s, now_s, headers=headers)
        return SignedRequest("PUT", url, headers)

    def presign_get(
        self,
        key: str,
        expires_s: int,
        now_s: float,
        file_name: str | None = None,
        content_type: str | None = None,
    ) -> str:
        """A link to download; the server answers with the name and type that are given."""
        answer = {
            "response-content-disposition": attachment(file_name) if file_name else None,
            "response-content-type": content_type,
        }
        params = {name: value for name, value in answer.items() if value}
        return self._sign("GET", key, expires_s, now_s, params=params)

    # Inside

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": self._bucket.full_key(check_key(key))}

    def _get(self, key: str, etag: str | None = None) -> BlobInfo:
        with talking():
            facts = self._client.head_object(**self._place(key))
        if etag not in (None, facts["ETag"]):
            raise BlobChangedError
        modified_ms = _milliseconds(facts["LastModified"])
        return BlobInfo(key, facts["ContentLength"], None, facts["ETag"], modified_ms)

    def _pages(self, operation: str, prefix: str) -> Iterable[dict[str, Any]]:
        paginator = self._client.get_paginator(operation)
        return paginator.paginate(Bucket=self._bucket.name, Prefix=prefix)

    def _put_in_parts(
        self, place: dict[str, str], kind: dict[str, str], parts: Iterator[bytes]
    ) -> None:
        self._in_parts(place, kind, self._send_part, ((part,) for part in parts))

    def _in_parts(
        self,
        place: dict[str, str],
        kind: dict[str, str],
        send: Callable[..., dict[str, Any]],
        parts: Iterator[tuple[Any, ...]],
    ) -> None:
        """An upload whose parts ``send`` brings, each from what stands for it."""
        with talking():
            upload_id = self._client.create_multipart_upload(**place, **kind)["UploadId"]
        try:
            sent = self._send_parts({**place, "UploadId": upload_id}, send, parts)
            with talking():
                self._client.complete_multipart_upload(
                    **place, UploadId=upload_id, MultipartUpload={"Parts": sent}
                )
        except BaseException:
            with suppress(StorageUnavailableError):  # a sweep removes it later then
                self._abort(place, upload_id)
            raise

    def _send_parts(
        self,
        upload: dict[str, str],
        send: Callable[..., dict[str, Any]],
        parts: Iterator[tuple[Any, ...]],
    ) -> list[dict[str, Any]]:
        """What completes the upload. A few parts are under way at once, none at the end."""
        sent, under_way = [], deque[Future[dict[str, Any]]]()
        with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
            for number, part in enumerate(parts, start=1):
                if len(under_way) == PARTS_AT_ONCE:
                    sent.append(under_way.popleft().result())
                self._places.acquire()
                under_way.append(pool.submit(self._in_place, send, upload, number, *part))
            sent.extend(future.result() for future in under_way)
        return sent

    def _in_place(self, send: Callable[..., dict[str, Any]], *part: Any) -> dict[str, Any]:
        try:
            return send(*part)
        finally:
            self._places.release()

    def _send_part(self, upload: dict[str, str], number: int, part: bytes) -> dict[str, Any]:
        with talking():
            answer = self._client.upload_part(**upload, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _copy_part(
        self, upload: dict[str, str], number: int, part: str, origin: dict[str, Any]
    ) -> dict[str, Any]:
        with talking():
            answer = self._client.upload_part_copy(
                **upload, **origin, PartNumber=number, CopySourceRange=part
            )
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    def _abort(self, place: dict[str, str], upload_id: str) -> None:
        """Harmless where it ended meanwhile."""
        with talking(), suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(**place, UploadId=upload_id)

    def _read(self, info: BlobInfo, start: int, end: int) -> Iterator[bytes]:
        if start >= end:
            return  # the server would refuse an empty range
        part = {"Range": f"bytes={start}-{end - 1}", "IfMatch": info.etag}
        with talking():
            body = self._client.get_object(**self._place(info.key), **part)["Body"]
        with body:
            chunks = body.iter_chunks(CHUNK_BYTES)
            while chunk := _next(chunks):
                yield chunk

    def _download(self, info: BlobInfo, path: Path) -> None:
        with opened(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
            for chunk in self._read(info, 0, info.size):
                write_all(descriptor, chunk)

    def _sign(
        self,
        method: str,
        key: str,
        expires_s: int,
        now_s: float,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> str:
        path = quote(self._bucket.full_key(check_key(key)))
        url = f"{self._bucket.url(self._bucket.public_endpoint)}/{path}"
        request = AWSRequest(method, url, headers=headers, params=params)
        keys = self._session.get_credentials().get_frozen_credentials()
        SignatureAt(now_s, keys, self._bucket.region, expires_s).add_auth(request)
        return request.url


class SignatureAt(S3SigV4QueryAuth):
    """AWS Signature Version 4 in the query, at a time that is given and not the clock's."""

    def __init__(
        self, now_s: float, keys: ReadOnlyCredentials, region: str, expires_s: int
    ) -> None:
        super().__init__(keys, "s3", region, expires=expires_s)
        self._timestamp = datetime.fromtimestamp(now_s, UTC).strftime(SIGV4_TIMESTAMP)

    def _modify_request_before_signing(self, request: AWSRequest) -> None:
        request.context["timestamp"] = self._timestamp
        super()._modify_request_before_signing(request)


def open_session(
    access_key: str | None, secret_key: str | None, session_token: str | None = None
) -> Session:
    """With the keys given; else the machine's by the usual AWS chain. Raises BadOptionError."""
    if bool(access_key) != bool(secret_key):
        raise BadOptionError("a bucket needs both keys, the access key and the secret key")
    session = Session()
    if access_key and secret_key:
        session.set_credentials(access_key, secret_key, session_token)
    with configuring():
        if session.get_credentials() is None:
            raise BadOptionError("no keys for the bucket; give an access key and a secret key")
    return session


@contextmanager
def configuring() -> Iterator[None]:
    """What botocore does not like in the files and variables of AWS becomes BadOptionError."""
    try:
        yield
    except BotoCoreError as fault:
        raise BadOptionError("the AWS configuration of this machine cannot be used") from fault


@contextmanager
def talking() -> Iterator[None]:
    """What the server refuses becomes BlobMissingError, BlobChangedError or
    StorageUnavailableError."""
    try:
        yield
    except (BotoCoreError, ClientError) as fault:
        code = fault.response["Error"]["Code"] if isinstance(fault, ClientError) else None
        if code in CHANGED:
            raise BlobChangedError from fault
        raise (BlobMissingError if code in MISSING else StorageUnavailableError)() from fault


def _make_client(bucket: Bucket, session: Session) -> Any:
    config = Config(
        signature_version="s3v4",
        # Each part is hashed into its signature; other checksums are not known to every server.
        s3={
            "addressing_style": "path" if bucket.is_path_style else "virtual",
            "payload_signing_enabled": True,
        },
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        ignore_configured_endpoint_urls=True,  # type: ignore
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=CONNECTIONS,
    )
    with configuring():
        return session.create_client(
            "s3",
            region_name=bucket.region,
            endpoint_url=bucket.endpoint or None,
            config=config,
        )


def _check_endpoint(name: str, url: str) -> None:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.query):
        raise BadOptionError(f"the bucket's {name} must be like https://s3.example.org")


def _in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of PART_BYTES; the last one is shorter."""
    part = bytearray()
    for chunk in chunks:
        part += chunk
        while len(part) >= PART_BYTES:
            yield bytes(part[:PART_BYTES])
            del part[:PART_BYTES]
    if part:
        yield bytes(part)


def _next(items: Iterator[T]) -> T | None:
    """The next one that the server sends; None at the end."""
    with talking():
        return next(items, None)


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
