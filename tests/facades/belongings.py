"""Everything that a client can own, in a state in which something could be done to it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from starlette.testclient import TestClient

from lendface.service import ledger
from lendface.service.clients import find_client
from lendface.service.office import Office
from lendface.service.states import FAILED, SUCCEEDED
from service.offices import end_job, start_job

FILM = b"not a film, but bytes" * 100
MANIFEST = b"a signed manifest"
FACE = {
    "face": 1,
    "frames": 3,
    "spans_s": [[0.0, 0.12]],
    "face_height_px": 120.5,
    "turned_share": 0.0,
    "usable_share": 1.0,
    "hardness": "easy",
    "best_frame": 1,
    "best_time_s": 0.04,
    "best_box_xyxy": [10.0, 20.0, 110.0, 140.5],
    "landmarks_xy": [[30.0, 50.0], [80.0, 50.0], [55.0, 80.0], [35.0, 110.0], [75.0, 110.0]],
}
FRAMES = [
    {
        "frame": frame,
        "time_s": frame / 25,
        "faces": [{name: FACE[name] for name in ("face", "landmarks_xy")}
                  | {"box_xyxy": FACE["best_box_xyxy"]}],
    }
    for frame in range(3)
]  # fmt: skip


@dataclass(frozen=True)
class Belongings:
    """Ids."""

    upload: str
    waiting: str  # an upload
    queued: str  # jobs
    running: str
    failed: str
    swap: str  # succeeded
    scan: str  # succeeded
    endpoint: str
    delivery: str
    consent: str


def send_upload(me: TestClient, data: bytes = FILM, content_type: str = "video/mp4") -> str:
    """The id of a file that has come."""
    body = {"name": "film.mp4", "content_type": content_type, "size": len(data)}
    made = me.post("/v1/uploads", json=body).raise_for_status().json()
    link = made["upload"]
    me.put(link["url"], content=data, headers=link["headers"]).raise_for_status()
    return made["id"]


def submit_swap(me: TestClient, target: str, **more: Any) -> str:
    body = {
        "target": {"upload_id": target},
        "pairs": [{"source": {"upload_ids": [target]}}],
        **more,
    }
    return me.post("/v1/swaps", json=body).raise_for_status().json()["id"]


def submit_scan(me: TestClient, target: str) -> str:
    body = {"target": {"upload_id": target}}
    return me.post("/v1/scans", json=body).raise_for_status().json()["id"]


def finish_swap(office: Office, job_id: str, data: bytes = FILM) -> None:
    """With its manifest beside it, as of a film that cannot hold one."""
    key = f"results/{job_id}/result.mp4"
    info = office.blobs.put(key, [data])
    office.blobs.put(f"{key}.c2pa", [MANIFEST])
    result = {
        "blob_key": key,
        "manifest_key": f"{key}.c2pa",
        "size": info.size,
        "sha256": info.sha256,
        "content_type": "video/mp4",
        "width": 640,
        "height": 360,
        "duration_s": 0.12,
        "frames": 3,
        "fps": 25.0,
        "warnings": ["one", "two"],
    }
    facts = {"plan": {"1": 0}, "cast": {"frames": 3, "people": [FACE, FACE | {"face": 2}]}}
    start_job(office, job_id, frames_total=3, facts=facts)
    end_job(office, job_id, SUCCEEDED, result=result, units=1)


def finish_scan(
    office: Office,
    job_id: str,
    frames: list[dict[str, Any]] = FRAMES,
    *,
    has_pictures: bool = True,
) -> None:
    place = f"scans/{job_id}"
    office.blobs.put(f"{place}/face-1.jpg", [b"a thumbnail"])
    office.blobs.put(f"{place}/face-1.png", [b"a portrait"])
    office.blobs.put(
        f"{place}/frames.ndjson", [json.dumps(frame).encode() + b"\n" for frame in frames]
    )
    person = FACE | {
        "thumbnail_key": f"{place}/face-1.jpg" if has_pictures else None,
        "portrait_key": f"{place}/face-1.png" if has_pictures else None,
    }
    result = {
        "frames": len(frames),
        "people": [person],
        "tracks_key": f"{place}/frames.ndjson",
    }
    start_job(office, job_id, frames_total=len(frames))
    end_job(office, job_id, SUCCEEDED, result=result)


def gather(me: TestClient, office: Office) -> Belongings:
    """Own one of each."""
    upload = send_upload(me)
    waiting = me.post(
        "/v1/uploads", json={"name": "b.jpg", "content_type": "image/jpeg", "size": 7}
    ).json()["id"]
    endpoint = me.post("/v1/webhooks/endpoints", json={"url": "http://127.0.0.1:9/told"}).json()[
        "id"
    ]
    queued, running, failed, swap = (submit_swap(me, upload) for _ in range(4))
    start_job(office, running)
    start_job(office, failed)
    end_job(office, failed, FAILED, error_code="no_face_in_source", error_message="no face")
    finish_swap(office, swap)
    scan = submit_scan(me, upload)
    finish_scan(office, scan)
    client = find_client(office, me.headers["authorization"].removeprefix("Bearer "))
    with office.database.writing() as connection:
        ledger.grant(connection, client.id, 100, office.now_ms())
    told = me.get("/v1/webhooks/deliveries").json()["items"]
    body = {"photo": {"upload_id": upload}, "label": "Anna"}
    consent = me.post("/v1/consents", json=body).raise_for_status().json()["id"]
    jobs = (queued, running, failed, swap, scan)
    return Belongings(upload, waiting, *jobs, endpoint, told[0]["id"], consent)
