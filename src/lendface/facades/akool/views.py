"""Jobs as Akool's clients read them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...service.jobs import JobProgress
from ...service.prices import SECONDS_PER_UNIT
from ...service.states import CANCELLED, FAILED, QUEUED, RUNNING, SUCCEEDED
from .codes import code_of_failure
from .envelopes import Body, in_akools_words
from .links import result_url
from .schemas import ResultItem

STATUS_BY_STATE: Mapping[str, int] = {QUEUED: 1, RUNNING: 2, SUCCEEDED: 3, FAILED: 4, CANCELLED: 4}
KIND_NOTE = "kind"
PICTURE, VIDEO = 1, 2
HIGH_QUALITY = 2

Row = Mapping[str, Any]


def ids_of(job: Row) -> Body:
    return {"_id": job["id"], "job_id": job_id_of(job)}


def job_id_of(job: Row) -> str:
    """UTC time with milliseconds, and four digits that follow from the id."""
    ms = job["created_ms"] % 1000
    number = int(job["id"][-6:], 16) % 10_000
    return f"{_at(job):%Y%m%d%H%M%S}{ms:03d}-{number:04d}"


def result_item(job: Row, progress: JobProgress) -> ResultItem:
    is_picture = _is_picture(job)
    units = job["units"] or 0 if job["state"] == SUCCEEDED else 0
    account = hashlib.sha256(job["client_id"].encode()).hexdigest()
    return ResultItem(
        id=job["id"],
        job_id=job_id_of(job),
        faceswap_status=STATUS_BY_STATE[job["state"]],
        faceswap_type=PICTURE if is_picture else VIDEO,
        faceswap_quality=HIGH_QUALITY,
        deduction_status=int(job["state"] == SUCCEEDED),
        image=int(is_picture),
        video_duration=0 if is_picture else _duration_s(job),
        deduction_duration=0 if is_picture else units * SECONDS_PER_UNIT,
        deduction_credit=units,
        update_time=0 if job["state"] == QUEUED else job["changed_ms"],
        user_id=account[:24],
        uid=int(account[:7], 16),
        url=result_url(job),
        created_at=_at(job).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        progress=round(100 * progress.share),
        **failure_of(job),
    )


def failure_of(job: Row) -> dict[str, Any]:
    """Why it failed, in every field where clients were seen to look; nothing for other jobs."""
    if STATUS_BY_STATE[job["state"]] != 4:
        return {}
    code = job["error_code"] or "cancelled"
    reason = in_akools_words(job["error_message"] or "the job was cancelled")
    names = ("error_msg", "faceswap_fail_reason", "fail_reason", "alg_msg", "msg")
    return dict.fromkeys(names, reason) | {
        "error_reason": code,
        "error_code": code_of_failure(code),
    }


def _at(job: Row) -> datetime:
    whole, ms = divmod(job["created_ms"], 1000)
    return datetime.fromtimestamp(whole, UTC).replace(microsecond=ms * 1000)


def _is_picture(job: Row) -> bool:
    """As its file was found to be, else as it was asked for."""
    kind = job["facts"].get("target", {}).get("kind") or job["notes"].get(KIND_NOTE)
    return kind == "image"


def _duration_s(job: Row) -> float:
    return round(job["facts"].get("target", {}).get("duration_s") or 0, 3)
