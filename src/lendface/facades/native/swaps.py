"""/v1/swaps: put faces into films and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from ...errors import BadOptionError, NotFoundError, about
from ...service import jobs
from ...service.office import Office
from ...service.requests import JobRequest, LabelRef, digest, load_request
from ...service.scans import take_portrait
from ...service.submissions import Intake, is_repeated, submit_placed
from .documented import problems, with_body
from .incoming import Caller, Desk, IdempotencyKey, PathId
from .orders import wish_of
from .schemas import (
    ByScan,
    ByUploads,
    ByUrl,
    Faces,
    FileRef,
    NewSwap,
    Pair,
    PhotoByUpload,
    PhotoByUrl,
    Reference,
    Swap,
)
from .views import as_json, progress_for, swap_view

router = APIRouter(tags=["swaps"])

Portraits = Mapping[tuple[str, int], str]  # upload ids by scan and face


@router.post(
    "/swaps", status_code=202, response_model=Swap, responses=with_body(402, 404, 409, 410)
)
def create_swap(
    body: NewSwap, office: Desk, client: Caller, idempotency_key: IdempotencyKey = None
) -> Response:
    """Queue a swap. Files by URL are fetched by the job itself.

    402: no unit is left. It is not 429, for waiting brings no more of them.
    """
    wish = wish_of(office, body, idempotency_key)
    request_hash = digest(["swap", body.model_dump(mode="json")])
    wanted, portraits = portraits_of(body), {}
    if wanted and not is_repeated(office, client.id, idempotency_key, request_hash):
        portraits = take_portraits(office, client.id, wanted)
    placed = submit_placed(
        office, client.id, request_hash, lambda intake: to_request(body, intake, portraits), wish
    )
    return as_json(swap_view(placed.job, placed.progress), 202)


@router.get("/swaps/{swap_id}", responses=problems(404))
def get_swap(swap_id: PathId, office: Desk, client: Caller) -> Swap:
    job = jobs.get_job(office, client.id, swap_id)
    if job["kind"] != "swap":
        raise NotFoundError("swap")
    return swap_view(job, progress_for(office, job))


def portraits_of(body: NewSwap) -> set[tuple[str, int]]:
    """Which the pairs take from scans; each once."""
    return {
        (pair.source.scan_id, pair.source.face)
        for pair in body.pairs
        if isinstance(pair.source, ByScan)
    }


def take_portraits(office: Office, client_id: str, wanted: set[tuple[str, int]]) -> Portraits:
    """Copies of them."""
    return {(scan, face): take_portrait(office, client_id, scan, face) for scan, face in wanted}


def to_request(body: NewSwap, intake: Intake, portraits: Portraits) -> JobRequest:
    """As the service has it. Raises BadOptionError, InvalidUrlError, UrlNotAllowedError."""
    return load_request(
        {
            "kind": "swap",
            "target": upload_of(body.target, intake, "target"),
            "target_name": name_of(body.target, "target"),
            "pairs": [
                to_pair(pair, intake, portraits, f"pairs.{number}")
                for number, pair in enumerate(body.pairs)
            ],
            "output": asdict(body.output),
            "style": asdict(body.style),
            "label": label_of(body.label),
            "start_s": body.start_s,
            "end_s": body.end_s,
            "consents": body.consents,
        }
    )


def label_of(asked: bool | LabelRef) -> dict[str, Any] | None:
    """``true`` asks for it as the server has it; ``false`` asks for nothing."""
    if asked is False:
        return None
    return asdict(LabelRef() if asked is True else asked)


def upload_of(ref: FileRef | PhotoByUpload | PhotoByUrl, intake: Intake, at: str) -> str:
    """``at`` is where in the body it is."""
    if not isinstance(ref, ByUrl):
        return ref.upload_id
    with about(name_of(ref, at)):
        return intake.by_url(ref.url)


def name_of(ref: FileRef | PhotoByUpload | PhotoByUrl, at: str) -> str:
    """What errors call it: the field in which it was given."""
    return f"{at}.{'url' if isinstance(ref, ByUrl) else 'upload_id'}"


def to_pair(pair: Pair, intake: Intake, portraits: Portraits, at: str) -> dict[str, Any]:
    photos = [
        {"upload": upload, "face_number": pair.source_face, "name": name}
        for name, upload in photos_of(pair, intake, portraits, f"{at}.source").items()
    ]
    return {"photos": photos, "who": to_who(pair, intake, at), "name": f"{at}.source"}


def photos_of(pair: Pair, intake: Intake, portraits: Portraits, at: str) -> dict[str, str]:
    """Upload ids by the fields in which they were given."""
    match pair.source:
        case ByUploads(upload_ids=ids):
            return {f"{at}.upload_ids.{number}": upload for number, upload in enumerate(ids)}
        case ByScan(scan_id=scan_id, face=face):
            if pair.source_face is not None:
                raise BadOptionError("source_face is for photos; a scan's face has its number")
            return {at: portraits[scan_id, face]}
        case source:
            uploads: dict[str, str] = {}
            for number, url in enumerate(source.urls):
                name = f"{at}.urls.{number}"
                with about(name):
                    uploads[name] = intake.by_url(url)
            return uploads


def to_who(pair: Pair, intake: Intake, at: str) -> dict[str, Any]:
    match pair.who:
        case Faces(faces=numbers):
            return {"kind": "faces", "faces": numbers}
        case Reference(reference=photo):
            where = f"{at}.who.reference"
            photo_ref = {
                "upload": upload_of(photo, intake, where),
                "face_number": photo.face,
                "name": name_of(photo, where),
            }
            return {"kind": "looks_like", "photo": photo_ref}
        case word:
            return {"kind": word}
