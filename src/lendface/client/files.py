"""Sending and receiving files, going on where a line broke."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import DownloadDamagedError, EmptyFileError, FileMissingError
from .flows import (
    PASSING,
    TRIES,
    Answer,
    Broken,
    FilePart,
    Flow,
    Pause,
    Send,
    Sink,
    ask,
    fault_of,
    wait_s,
    whole_number,
)
from .orders import guess_type
from .shapes import Job, Upload

OnBytes = Callable[[int, int], None]  # done, of all
OFFSET = "upload-offset"
NAME_BYTES = 255  # of a file's name
MANIFEST = ".c2pa"  # the ending of a signed manifest that lies beside its file
LINK_EXPIRED = frozenset({401, 403})


def upload(path: Path, content_type: str | None, on_progress: OnBytes | None) -> Flow[Upload]:
    """Raises FileMissingError, EmptyFileError, ApiError, ServerUnreachableError."""
    if not path.is_file():
        raise FileMissingError(path.name)
    size = path.stat().st_size
    if size == 0:
        raise EmptyFileError(path.name)
    declared = {"name": path.name, "content_type": content_type or guess_type(path), "size": size}
    made = (yield from ask(Send("POST", "/v1/uploads", json=declared))).json
    sending = Sending(made["id"], path, size, on_progress)
    yield from sending.run(made["upload"])
    ready = yield from ask(Send("GET", f"/v1/uploads/{made['id']}"))
    return Upload.read(ready.json)


class Sending:
    """One file on its way to its link."""

    def __init__(self, upload_id: str, path: Path, size: int, on_progress: OnBytes | None) -> None:
        self._id, self._path, self._size = upload_id, path, size
        self._on_progress = on_progress

    def run(self, link: dict[str, Any]) -> Flow[None]:
        """Raises ApiError, ServerUnreachableError."""
        failures, here, is_renewed = 0, 0, False
        while here < self._size:
            outcome: Answer | Broken = yield self._part(link, here)
            if isinstance(outcome, Answer) and outcome.status == 200:
                return
            went_on = self._offset_of(outcome)
            if went_on is not None and went_on > here:
                here, failures = went_on, 0
                continue
            failures += 1
            is_expired = isinstance(outcome, Answer) and outcome.status in LINK_EXPIRED
            if failures >= TRIES or not (self._may_pass(outcome) or is_expired > is_renewed):
                raise fault_of(outcome)
            yield Pause(wait_s(failures - 1, outcome))
            if is_expired:
                link = (yield from ask(Send("POST", f"/v1/uploads/{self._id}/link"))).json
                is_renewed = True
            here = yield from self._ask_offset(link)

    def _may_pass(self, outcome: Answer | Broken) -> bool:
        """A request of ours that broke may still be at it on the server, for a moment."""
        if isinstance(outcome, Broken) or outcome.status in PASSING:
            return True
        told = outcome.json if isinstance(outcome.json, dict) else {}
        return told.get("code") in ("upload_busy", "upload_offset")

    def _part(self, link: dict[str, Any], start: int) -> Send:
        part = FilePart(self._path, start, self._size, self._tell)
        headers = {"Content-Type": link["headers"]["Content-Type"]}
        headers["Content-Length"] = str(self._size - start)
        if start:
            headers["Content-Range"] = f"bytes {start}-{self._size - 1}/{self._size}"
        return Send(link["method"], url=link["url"], headers=headers, file=part)

    def _ask_offset(self, link: dict[str, Any]) -> Flow[int]:
        """How much is there; a bucket cannot tell, and takes the file from the start again."""
        headers = {
            "Content-Type": link["headers"]["Content-Type"],
            "Content-Range": f"bytes */{self._size}",
            "Content-Length": "0",
        }
        outcome: Answer | Broken = yield Send(link["method"], url=link["url"], headers=headers)
        return self._offset_of(outcome) or 0

    def _offset_of(self, outcome: Answer | Broken) -> int | None:
        told = outcome.headers.get(OFFSET, "") if isinstance(outcome, Answer) else ""
        return whole_number(told)

    def _tell(self, sent: int) -> None:
        if self._on_progress:
            self._on_progress(sent, self._size)


def download(job: Job, path: Path, on_progress: OnBytes | None) -> Flow[Path]:
    """The result appears whole at ``path``, or not at all; what came of it is kept beside it and
    gone on with by the next call.

    Raises ApiError, ServerUnreachableError, DownloadDamagedError.
    """
    address = f"/v1/jobs/{job.id}/result"
    head = yield from ask(Send("HEAD", address))
    size, etag = whole_number(head.headers.get("content-length", "")), head.headers.get("etag", "")
    if size is None:
        raise DownloadDamagedError(path.name)
    real = Path(os.path.realpath(path))  # a link stays one
    part = real.with_name(_name_of_part(real, _name_of(job.id, etag)))
    part.touch()
    failures = 0
    while (have := _size_of(part)) < size:
        into = Sink(part, lambda here: on_progress(here, size) if on_progress else None)
        headers = {"Range": f"bytes={have}-", "If-Range": etag} if have and etag else {}
        outcome: Answer | Broken = yield Send("GET", address, headers=headers, into=into)
        if _size_of(part) > have:
            failures = 0
            continue
        failures += 1
        is_refused = isinstance(outcome, Answer) and outcome.status not in PASSING
        if failures >= TRIES or is_refused:
            raise fault_of(outcome)
        yield Pause(wait_s(failures - 1, outcome))
    _check_whole(part, size, job, path.name)
    if job.result and job.result.manifest_url:
        yield from _download_manifest(job.result.manifest_url, real)
    os.replace(part, real)
    return path


def _download_manifest(address: str, path: Path) -> Flow[None]:
    """Beside the file, where whoever checks it looks; it is there when the file appears."""
    beside = path.with_name(f"{path.name}{MANIFEST}")
    part = beside.with_name(f".{beside.name}.part")
    yield from ask(Send("GET", address, into=Sink(part, lambda here: None)))
    os.replace(part, beside)


def _name_of_part(path: Path, mark: str) -> str:
    """The same for each try; it names what it belongs to where there is room."""
    name = f".{path.name}.{mark}.part"
    return name if len(os.fsencode(name)) <= NAME_BYTES else f".{mark}.part"


def _name_of(job_id: str, etag: str) -> str:
    """Two results, or two versions of one, never continue each other's files."""
    return hashlib.sha256(f"{job_id} {etag}".encode()).hexdigest()[:12]


def _size_of(path: Path) -> int:
    return path.stat().st_size


def _check_whole(part: Path, size: int, job: Job, name: str) -> None:
    """Raises DownloadDamagedError, and then nothing is kept."""
    wanted = job.result.sha256 if job.result else None
    if _size_of(part) == size and wanted in (None, _sha256(part)):
        return
    part.unlink()
    raise DownloadDamagedError(name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
