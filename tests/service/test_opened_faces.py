"""What is opened of faces goes with the task: no file of a server's folder ever tells of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from lendface.pipeline.parts import Parts
from lendface.pipeline.trackfile import load_scan
from lendface.service.erasure import erase_client
from lendface.service.jobs import delete
from lendface.service.office import Office
from lendface.service.uploads import delete_upload
from lendface.service.work import JobWork
from lendface.storage.scratch import Scratch
from lendface.storage.tables import uploads
from material import Material
from service.crafts import NETS, do_job, do_task, signer_of, submit_swap, upload
from service.offices import new_client, open_office

Numbers = np.ndarray[Any, Any]


def spellings(values: Numbers) -> list[bytes]:
    """A few numbers in a row as they may stand in a file."""
    raw = [values.astype(kind).tobytes() for kind in ("<f4", "<f8", "<f2")]
    texts = [json.dumps([float(v) for v in values.astype(kind)])[1:-1] for kind in ("<f4", "<f8")]
    coded = []
    for data in raw:
        for shift in range(3):  # wherever it begins in a longer text
            whole = base64.b64encode(bytes(shift) + data)
            coded.append(whole[4 : len(whole) // 4 * 4 - 4])
    packed = [text.replace(", ", ",") for text in texts]
    return [*raw, *(text.encode() for text in (*texts, *packed)), *coded]


def found(folder: Path, needles: list[bytes]) -> list[str]:
    """The files below a folder that tell of it, by their names there."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in files
        if any(needle in path.read_bytes() for needle in needles)
    ]


class Looking(JobWork):
    """Looks into the folder in the middle of its tasks."""

    look: Callable[[], object] = str

    def _keep_pictures(self, *given: Any) -> dict[str, str]:
        self.look()
        return super()._keep_pictures(*given)

    def _keep_result(self, *given: Any) -> dict[str, Any]:
        self.look()
        return super()._keep_result(*given)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def work(office: Office, tmp_path: Path, parts: Parts) -> Looking:
    return Looking(
        office, Scratch(tmp_path / "scratch", 1 << 30), lambda: parts, signer_of(None), NETS
    )


@pytest.fixture
def client(office: Office) -> str:
    return new_client(office, "a shop").client_id


def numbers_of(work: JobWork, place: str) -> list[bytes]:
    """Parts of an embedding, a shape and the points of a face, in every spelling."""
    with work._tracks(place) as path:
        scan = load_scan(path)
    person, row = scan.people[0], scan.tracks.log.read(0)
    points = row["points"].reshape(-1)[:24]
    needles = spellings(person.embedding[:16]) + spellings(person.shape.reshape(-1)[:12])
    return [*needles, points.tobytes(), json.dumps(points.tolist())[1:-1].encode()]


def test_a_search_finds_what_is_there(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=64).astype(np.float32)
    needles = spellings(values[:16])
    for number, data in enumerate(
        (
            b"x" + values.tobytes(),
            values.astype("<f8").tobytes(),
            json.dumps(values.tolist()).encode(),
            base64.b64encode(b"ab" + values.tobytes()),
        )
    ):
        (tmp_path / f"{number}").write_bytes(data)
    (tmp_path / "other").write_bytes(values[20:].tobytes())
    assert found(tmp_path, needles) == ["0", "1", "2", "3"]


def test_opened_faces_are_in_no_file_while_a_job_runs_nor_afterwards(
    office: Office, work: Looking, client: str, material: Material, tmp_path: Path
) -> None:
    job_id = submit_swap(office, client, material.film, material.photo)["id"]
    seen: list[list[str]] = []
    needles: list[bytes] = []
    work.look = lambda: seen.append(found(tmp_path, needles)) if needles else None
    do_task(work, job_id, "fetch")
    do_task(work, job_id, "probe")
    do_task(work, job_id, "scan")
    [place] = {key.rpartition("/")[0] for key in keys(office) if key.endswith("/tracks")}
    needles += numbers_of(work, place)
    with work._tracks(place):
        assert found(tmp_path, needles) == []
    office.blobs.delete_many([key for key in keys(office) if key.startswith(place)])
    job = do_job(work, submit_swap(office, client, material.film, material.photo)["id"])
    assert job["state"] == "succeeded"
    assert len(seen) > 1
    assert {tuple(files) for files in seen} == {()}
    assert found(tmp_path, needles) == []
    delete(office, client, job["id"])
    assert found(tmp_path, needles) == []
    erase_client(office, client)
    work.close()
    assert found(tmp_path, needles) == []


def keys(office: Office) -> list[str]:
    return [blob.key for blob in office.blobs.list()]


# Copies of what lies in a bucket


def fill(path: Path) -> None:
    path.write_bytes(b"face")


def copied(work: JobWork, key: str) -> Path:
    """A copy as a worker keeps it, of a blob."""
    with work.scratch.copy(f'"etag" {key}', 4, fill, of=key) as path:
        return path


def test_copies_of_what_was_deleted_or_erased_go_in_the_next_round(
    office: Office, work: Looking, client: str, material: Material
) -> None:
    photo, film = (upload(office, client, path) for path in (material.photo, material.film))
    key_by_upload = {row["id"]: row["blob_key"] for row in rows(office)}
    paths = {upload_id: copied(work, key) for upload_id, key in key_by_upload.items()}
    job = submit_swap(office, client, material.film, material.photo)["id"]
    mine = [copied(work, f"{top}/{job}/0.mp4") for top in ("work", "results")]
    work.tidy()
    assert all(path.exists() for path in (*paths.values(), *mine))
    delete_upload(office, client, photo)
    work.tidy()
    assert [paths[photo].exists(), paths[film].exists()] == [False, True]
    erase_client(office, client)
    work.tidy()
    assert not any(path.exists() for path in (*paths.values(), *mine))
    work.close()


def rows(office: Office) -> list[Any]:
    with office.database.reading() as connection:
        return list(connection.execute(sa.select(uploads)).mappings())
