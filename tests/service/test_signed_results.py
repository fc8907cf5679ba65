"""What a server's job leaves is signed by its one certificate, as on the command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import c2pa
import pytest

from lendface.errors import SigningError
from lendface.pipeline.parts import Parts
from lendface.service.jobs import get_row, purge_files
from lendface.service.office import Office
from lendface.service.requests import OutputRef
from lendface.service.work import JobWork
from lendface.trust.certificates import find_machine_root, machine_credentials
from lendface.trust.claims import REPLACED, hash_file, media_type
from lendface.trust.provenance import Provenance
from lendface.trust.swaps import OFF
from lendface.trust.verify import verify
from material import Material
from people import read_person, write_photo
from service.crafts import (
    Row,
    do_job,
    do_task,
    fetch_result,
    render_all,
    result_files,
    submit_swap,
    worker,
)
from service.offices import new_client, open_office

pytestmark = pytest.mark.slow

FILMS, PICTURES, BESIDE = ("mp4", "mov"), ("jpg", "png", "webp"), ("mkv", "webm")
Container = Literal["mp4", "mov", "mkv", "webm", "jpg", "png", "webp"]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's folder, with its certificate."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def provenance(state: Path) -> Provenance:
    return Provenance(machine_credentials(state, datetime.now(UTC)))


@pytest.fixture
def root(state: Path, provenance: Provenance) -> str:
    return find_machine_root(state) or ""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def work(office: Office, tmp_path: Path, parts: Parts, provenance: Provenance) -> Iterator[JobWork]:
    with worker(office, tmp_path, parts, provenance) as work:
        yield work


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """P005, small."""
    pixels = read_person("P005", side_px=240)
    return write_photo(tmp_path_factory.mktemp("pictures") / "p005.png", pixels)


def read_back(path: Path, root: str | None) -> tuple[str, dict[str, Any]]:
    """By the public reader: the state, and the manifest."""
    rules = {"trust": {"user_anchors": root}} if root else {}
    beside = path.with_name(f"{path.name}.c2pa")
    manifest = beside.read_bytes() if beside.exists() else None
    with (
        c2pa.Context.from_dict(rules) as context,
        path.open("rb") as file,
        c2pa.Reader(media_type(path), file, manifest, context=context) as reader,
    ):
        store = json.loads(reader.json())
    return store["validation_state"], store["manifests"][store["active_manifest"]]


def flip(path: Path) -> None:
    """One byte of the pictures' own data."""
    data = bytearray(path.read_bytes())
    marks = {".jpg": b"\xff\xda", ".png": b"IDAT", ".webp": b"VP8 ", ".mp4": b"mdat"}
    start = data.find(marks.get(path.suffix, b"mdat"))
    data[start + 200 if start >= 0 else len(data) // 2] ^= 1
    path.write_bytes(data)


def swapped(work: JobWork, material: Material, target: Path, container: Container) -> Row:
    client = new_client(work.office).client_id
    output = OutputRef(container, codec="av1" if container == "webm" else None)
    job = submit_swap(work.office, client, target, material.photo, output=output)
    return do_job(work, job["id"])


@pytest.mark.parametrize("container", [*FILMS, *PICTURES, *BESIDE])
def test_a_result_of_each_kind_is_trusted_until_one_byte_is_changed(
    container: Container,
    work: JobWork,
    material: Material,
    picture: Path,
    root: str,
    tmp_path: Path,
) -> None:
    target = picture if container in PICTURES else material.film
    job = swapped(work, material, target, container)
    path = fetch_result(work.office, job, tmp_path)
    assert (job["state"], path.suffix) == ("succeeded", f".{container}")
    assert job["result"]["size"] == path.stat().st_size
    assert job["result"]["sha256"] == hash_file(path)

    state, manifest = read_back(path, root)
    assert state == "Trusted"
    assert read_back(path, None)[0] == "Valid"
    said = {part["label"]: part["data"] for part in manifest["assertions"]}
    assert said["c2pa.actions.v2"]["actions"][1]["digitalSourceType"] == REPLACED
    facts = said["lendface.swap"]
    assert (facts["people"], facts["target_sha256"]) == (1, hash_file(target))
    assert facts["consent"] == f"attestation:{job['attestation_id']}"

    verdict = verify(path, anchors=[root])  # as ``lendface verify`` says it
    assert (verdict.state, verdict.is_face_swap) == ("trusted", True)
    assert verdict.is_beside == (container in BESIDE)
    has_told = any("lies beside it" in warning for warning in job["result"]["warnings"])
    assert has_told == (container in BESIDE)

    flip(path)
    assert read_back(path, root)[0] == "Invalid"


def test_nothing_in_a_result_tells_who_or_whose(
    work: JobWork, material: Material, tmp_path: Path
) -> None:
    job = swapped(work, material, material.film, "mp4")
    data = fetch_result(work.office, job, tmp_path).read_bytes()
    for word in (material.photo.name, material.film.name, job["client_id"], str(tmp_path)):
        assert word.encode() not in data


def test_a_join_done_again_leaves_the_one_result(
    work: JobWork, material: Material, office: Office
) -> None:
    client = new_client(office).client_id
    job = submit_swap(office, client, material.film, material.photo)
    render_all(work, job["id"])
    do_task(work, job["id"], "join")
    first = result_files(office, job["id"])
    do_task(work, job["id"], "join")
    assert (
        result_files(office, job["id"])
        == first
        == [row(office, job)["facts"]["result"]["blob_key"]]
    )
    office.blobs.delete(first[0])  # and where it was lost it is made anew
    do_task(work, job["id"], "join")
    (again,) = result_files(office, job["id"])
    assert again != first[0]  # signed at another time
    do_task(work, job["id"], "finish")
    assert row(office, job)["result"]["blob_key"] == again


def test_of_two_workers_that_join_at_once_one_result_counts(
    work: JobWork, material: Material, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = new_client(office).client_id
    job = submit_swap(office, client, material.film, material.photo)
    render_all(work, job["id"])
    keep = JobWork._keep_result

    def keep_late(self: JobWork, *about: Any) -> Any:
        monkeypatch.setattr(JobWork, "_keep_result", keep)
        do_task(work, job["id"], "join")  # the other one is quicker
        return keep(self, *about)

    monkeypatch.setattr(JobWork, "_keep_result", keep_late)
    do_task(work, job["id"], "join")
    kept = row(office, job)["facts"]["result"]
    assert result_files(office, job["id"]) == [kept["blob_key"]]
    data = b"".join(office.blobs.read(kept["blob_key"]))
    assert len(data) == kept["size"]


def test_a_manifest_beside_a_result_goes_with_it(
    work: JobWork, material: Material, office: Office
) -> None:
    job = swapped(work, material, material.film, "mkv")
    key = job["result"]["blob_key"]
    assert result_files(office, job["id"]) == [key, f"{key}.c2pa"]
    assert job["result"]["manifest_key"] == f"{key}.c2pa"
    purge_files(office, job)
    assert result_files(office, job["id"]) == []


def test_what_cannot_be_signed_is_not_given_out(
    office: Office, material: Material, parts: Parts, tmp_path: Path
) -> None:
    """With a certificate that has expired while the worker ran."""
    old = machine_credentials(tmp_path / "old", datetime(2003, 1, 1, tzinfo=UTC))
    with worker(office, tmp_path, parts, Provenance(old)) as work:
        client = new_client(office).client_id
        job = submit_swap(office, client, material.film, material.photo)
        render_all(work, job["id"])
        with pytest.raises(SigningError, match=r"^the result could not be signed"):
            do_task(work, job["id"], "join")
    assert result_files(office, job["id"]) == []


def test_only_the_operator_leaves_it_out_and_every_result_says_so(
    office: Office,
    material: Material,
    parts: Parts,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with worker(office, tmp_path, parts, None) as work, caplog.at_level(logging.WARNING):
        job = swapped(work, material, material.film, "mp4")
    assert OFF in job["result"]["warnings"]
    assert OFF in caplog.text
    assert verify(fetch_result(office, job, tmp_path)).state == "none"


def row(office: Office, job: Row) -> Row:
    with office.database.reading() as connection:
        return get_row(connection, job["id"])
