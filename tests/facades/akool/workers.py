"""What workers would do to the jobs of these tests."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from lendface.errors import NotFoundError
from lendface.service.jobs import get_row
from lendface.service.office import Office
from lendface.service.states import FAILED, SUCCEEDED
from service.offices import RecordingQueue, change_job, end_job, start_job

Answer = Mapping[str, Any] | Exception
FILM = b"a finished film " * 64
TARGET = {"kind": "video", "duration_s": 9.6, "width": 640, "height": 360}


class Detector:
    """Ends each detection as ``answer`` says, in a thread, as soon as it is submitted."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.answer: Callable[[Mapping[str, Any]], Answer] = lambda job: {"targets": []}
        self.seen: list[Mapping[str, Any]] = []
        self._submitted: queue.Queue[str | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Detector:
        recording = self.office.queue
        assert isinstance(recording, RecordingQueue)
        submit = recording.submit

        def submit_and_tell(
            connection: sa.Connection, job_id: str, run: int, **options: Any
        ) -> None:
            submit(connection, job_id, run, **options)
            self._submitted.put(job_id)

        recording.submit = submit_and_tell  # type: ignore[method-assign]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._submitted.put(None)
        self._thread.join(20)

    def _read(self, job_id: str) -> Mapping[str, Any]:
        """As soon as the transaction that submits it has ended."""
        for _ in range(1000):
            with suppress(NotFoundError), self.office.database.reading() as connection:
                return get_row(connection, job_id)
            threading.Event().wait(0.01)
        raise AssertionError("the job was never there")

    def _work(self) -> None:
        while (job_id := self._submitted.get()) is not None:
            job = self._read(job_id)
            if job["kind"] != "detect":
                continue
            self.seen.append(job)
            answer = self.answer(job)
            if isinstance(answer, Exception):
                code = getattr(answer, "code", "internal")
                end_job(self.office, job_id, FAILED, error_code=code, error_message=str(answer))
            else:
                end_job(self.office, job_id, SUCCEEDED, result=dict(answer))


def face(
    box_xywh: tuple[int, int, int, int],
    points_xy: list[tuple[float, float]] | None = None,
    who: int = 0,
    score: float = 0.98,
    crop: tuple[str, list[int]] | None = None,
) -> dict[str, Any]:
    """A face as a worker notes it; ``who`` tells people apart."""
    x, y, width, height = box_xywh
    points = points_xy or [
        (x + fx * width, y + fy * height)
        for fx, fy in ((0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
    ]
    return {
        "box_xywh": list(box_xywh),
        "points_xy": [list(point) for point in points],
        "score": score,
        "person": who,
        "crop_key": crop[0] if crop else None,
        "crop_xywh": crop[1] if crop else None,
    }


def found(*frames: tuple[int, float | None, list[dict[str, Any]]], kind: str = "image") -> Any:
    """The result of a detection in one file."""
    return {
        "kind": kind,
        "size_wh": [800, 600],
        "frames": [
            {"index": index, "time_s": time_s, "faces": faces} for index, time_s, faces in frames
        ],
    }


def start_film(office: Office, job_id: str) -> None:
    start_job(office, job_id)
    change_job(office, job_id, facts={"target": TARGET}, units=2)


def finish_film(office: Office, job_id: str, data: bytes = FILM, suffix: str = ".mp4") -> None:
    """As if it had been rendered."""
    key = f"results/{job_id}/result{suffix}"
    kind = "video/mp4" if suffix == ".mp4" else "image/jpeg"
    office.blobs.put(key, [data], content_type=kind)
    result = {"blob_key": key, "content_type": kind, "size": len(data)}
    end_job(office, job_id, SUCCEEDED, result=result)
