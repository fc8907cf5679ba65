"""What a scan found, as its worker keeps it and as clients read it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from lendface.engine.geometry import five_points
from lendface.pipeline import steps
from lendface.pipeline.parts import Parts
from lendface.pipeline.scans import Scan
from lendface.service.jobs import submit
from lendface.service.requests import ScanJob
from lendface.service.scans import frame_lines
from material import Material
from service.crafts import upload, work_off, worker
from service.offices import new_client, open_office


class SeenFace(NamedTuple):
    track_id: int
    box_xyxy: Any
    landmarks_xyz: Any


class SomeTracks:
    """Two people in the first frame, nobody in the second, one in the third."""

    def __init__(self) -> None:
        points = np.random.default_rng(1).uniform(0, 100, (478, 3)).astype(np.float32)
        self.points = points
        face = SeenFace(1, np.array([1.04, 2, 3, 4.06], np.float32), points)
        self._faces = {0: (face._replace(track_id=2), face), 2: (face,)}

    def faces_at(self, frame: int) -> tuple[SeenFace, ...]:
        return self._faces.get(frame, ())


def test_each_frame_with_a_face_is_a_line() -> None:
    tracks: Any = SomeTracks()
    scan = Scan(tracks, [Fraction(n, 30) for n in range(3)])
    first, third = (json.loads(line) for line in frame_lines(scan))
    assert (first["frame"], first["time_s"]) == (0, 0.0)
    assert [face["face"] for face in first["faces"]] == [2, 1]
    assert (third["frame"], third["time_s"]) == (2, 0.0667)
    (face,) = third["faces"]
    assert face["box_xyxy"] == [1.0, 2.0, 3.0, 4.1]
    np.testing.assert_allclose(face["landmarks_xy"], five_points(tracks.points), atol=0.06)
    assert all(line.endswith(b"\n") and b" " not in line for line in frame_lines(scan))


def test_a_person_whom_a_film_shows_only_once_is_in_the_cast_without_a_picture(
    parts: Parts, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged film may not give a frame a second time."""
    monkeypatch.setattr(steps, "read_pictures", lambda *_: iter(()))
    with open_office(tmp_path) as office, worker(office, tmp_path, parts, None) as work:
        client_id = new_client(office).client_id
        film = upload(office, client_id, material.photo)
        job = work_off(work, submit(office, client_id, ScanJob(film))["id"])
        assert job["error_code"] is None
        (person,) = job["facts"]["cast"]["people"]
        assert (person["thumbnail_key"], person["portrait_key"]) == (None, None)
