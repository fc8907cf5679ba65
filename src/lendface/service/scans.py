"""What a scan found: as its worker keeps it, and as clients read it.

The result of a scan job is plain values::

    {"frames": 250,              # of the target
     "people": [{...}],          # describe_person's, and:
         # "landmarks_xy": [[x, y] * 5]  the five points in the best frame
         # "thumbnail_key", "portrait_key"  blobs: small for a list; whole, to be a source;
         #     None where a damaged film did not show them again
     "tracks_key": "scans/..."}  # a blob of ``frame_lines``
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..engine.geometry import five_points
from ..errors import (
    BadOptionError,
    NoSuchPersonError,
    NotFoundError,
    ResultGoneError,
    ResultNotReadyError,
)
from ..pipeline.scans import Scan
from ..storage.blobs import BlobInfo
from ..storage.tables import uploads
from .jobs import get_job
from .office import Office
from .results import whole_file
from .states import SUCCEEDED
from .uploads import keep_now

THUMBNAIL_TYPE, PORTRAIT_TYPE = "image/jpeg", "image/png"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class FramesPage:
    """Lines of ``frame_lines``, and where the next page begins; None at the end."""

    lines: list[bytes]
    next_byte: int | None


def frame_lines(scan: Scan) -> Iterator[bytes]:
    """One line of JSON for each frame that shows a face: numbers, boxes and five points, pixels."""
    for frame, time in enumerate(scan.times):
        if faces := scan.tracks.faces_at(frame):
            told = [
                {
                    "face": face.track_id,
                    "box_xyxy": _rounded(face.box_xyxy),
                    "landmarks_xy": [_rounded(p) for p in five_points(face.landmarks_xyz)],
                }
                for face in faces
            ]
            line = {"frame": frame, "time_s": round(float(time), 4), "faces": told}
            yield json.dumps(line, separators=(",", ":")).encode() + b"\n"


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 1) for value in values]


def get_scan(office: Office, client_id: str, scan_id: str) -> Row:
    """The job. Raises NotFoundError, also for jobs of another kind."""
    job = get_job(office, client_id, scan_id)
    if job["kind"] != "scan":
        raise NotFoundError("scan")
    return job


def cast_of(job: Row) -> list[Row]:
    """The people of a scan; nobody while it is not finished."""
    return (job["result"] or {}).get("people", []) if job["state"] == SUCCEEDED else []


def check_finished(job: Row) -> Row:
    """What it found. Raises ResultNotReadyError, ResultGoneError."""
    if job["state"] != SUCCEEDED:
        raise ResultNotReadyError(job["state"])
    if job["purged_ms"]:
        raise ResultGoneError
    return job["result"]


def link_to(office: Office, key: str, content_type: str) -> str:
    """For somebody without a key, to one of its pictures."""
    rules = office.rules
    return office.links.presign_get(key, rules.link_s, office.now_s, content_type=content_type)


def read_tracks(office: Office, job: Row) -> Iterator[bytes]:
    """All lines. Raises ResultNotReadyError, ResultGoneError, ResultDamagedError."""
    return office.blobs.read(_tracks_key(office, job).key)


def read_frames(office: Office, job: Row, from_byte: int, limit: int) -> FramesPage:
    """``limit`` lines from where the page before ended.

    Raises ResultNotReadyError, ResultGoneError, ResultDamagedError; BadOptionError where no page
    ended.
    """
    info = _tracks_key(office, job)
    if from_byte > info.size or (from_byte and not _is_line_end(office, info, from_byte)):
        raise BadOptionError("cursor is not one that a list gave")
    lines: list[bytes] = []
    rest = b""
    for chunk in office.blobs.read(info.key, from_byte):
        *whole, rest = (rest + chunk).split(b"\n")
        lines += whole
        if len(lines) >= limit:
            break
    page = lines[:limit]
    end = from_byte + sum(len(line) + 1 for line in page)
    return FramesPage(page, end if end < info.size else None)


def _is_line_end(office: Office, info: BlobInfo, byte: int) -> bool:
    return b"".join(office.blobs.read(info.key, byte - 1, byte)) == b"\n"


def _tracks_key(office: Office, job: Row) -> BlobInfo:
    return whole_file(office, job, check_finished(job)["tracks_key"])


def take_portrait(office: Office, client_id: str, scan_id: str, face: int) -> str:
    """An upload that holds the portrait of a person of a scan, as if the client had sent it.

    Raises NotFoundError, ResultNotReadyError, ResultGoneError, ResultDamagedError,
    NoSuchPersonError.
    """
    job = get_scan(office, client_id, scan_id)
    result = check_finished(job)
    person = next((person for person in result["people"] if person["face"] == face), None)
    if person is None:
        raise NoSuchPersonError(f"the scan has no face {face}")
    key = person["portrait_key"]
    if key is None:
        raise NoSuchPersonError(f"the scan has no picture of face {face}; send a photo instead")
    info = whole_file(office, job, key)
    pieces = office.blobs.read(key, etag=info.etag)
    row = keep_now(office, client_id, pieces, f"face-{face}.png", info.size, PORTRAIT_TYPE)
    with office.database.writing() as connection:
        connection.execute(uploads.insert().values(**row))
    return row["id"]
