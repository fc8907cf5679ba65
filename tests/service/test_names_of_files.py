"""What workers say of files, in the words of the request: real files, real nets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lendface.errors import NotFoundError, UploadMissingError
from lendface.pipeline.parts import Parts
from lendface.service.consents import Terms, submit_consent
from lendface.service.jobs import submit
from lendface.service.office import Office
from lendface.service.requests import DetectJob, LimitsRef, PairRef, PhotoRef, SwapJob, WhoRef
from lendface.service.uploads import Declared, declare
from lendface.service.work import JobWork
from material import Material
from service.crafts import upload, work_off
from service.crafts import worker as new_worker
from service.offices import new_client, open_office

TARGET, PHOTO, WHO = "modifyVideo", "sourceImage[0].path", "targetImage[0].path"
MOST_PRESENT = WhoRef()
BLOB = re.compile("[0-9a-f]{24}")  # in the name of a file of ours


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def me(office: Office) -> str:
    return new_client(office, quota_units=100).client_id


@pytest.fixture
def worker(office: Office, tmp_path: Path, parts: Parts) -> Iterator[JobWork]:
    with new_worker(office, tmp_path, parts, None) as worker:
        yield worker


def ask(target: str, photo: PhotoRef, who: WhoRef = MOST_PRESENT, **more: Any) -> SwapJob:
    return SwapJob(target, (PairRef((photo,), who),), target_name=TARGET, **more)


def said(worker: JobWork, me: str, request: SwapJob | DetectJob) -> tuple[str, str]:
    """The code of a job that failed, and what its client reads."""
    job = work_off(worker, submit(worker.office, me, request)["id"])
    assert job["state"] == "failed"
    assert not BLOB.search(job["error_message"])
    return job["error_code"], job["error_message"]


def test_a_photo_of_several_people_is_named(worker: JobWork, me: str, material: Material) -> None:
    film, duo = (upload(worker.office, me, path) for path in (material.film, material.duo))
    code, told = said(worker, me, ask(film, PhotoRef(duo, name=PHOTO)))
    assert (code, told.partition(";")[0]) == ("several_faces_in_source", f"2 faces in {PHOTO}")
    code, told = said(worker, me, ask(film, PhotoRef(duo, face_number=3, name=PHOTO)))
    assert (code, told.partition(",")[0]) == ("no_such_source_face", f"{PHOTO} shows 2 faces")


def test_a_reference_that_nobody_looks_like_is_named_and_so_is_the_film(
    worker: JobWork, me: str, material: Material
) -> None:
    files = (material.film, material.film_person, material.other_person)
    film, photo, stranger = (upload(worker.office, me, path) for path in files)
    who = WhoRef("looks_like", photo=PhotoRef(stranger, name=WHO))
    code, told = said(worker, me, ask(film, PhotoRef(photo, name=PHOTO), who))
    assert (code, told.partition(";")[0]) == (
        "no_such_person",
        f"nobody in {TARGET} looks like {WHO}",
    )
    meant = ask(film, PhotoRef(photo, name=PHOTO), replace(who, or_most_present=True))
    job = work_off(worker, submit(worker.office, me, meant)["id"])
    [warning] = [text for text in job["facts"]["warnings"] if "looks like" in text]
    assert warning.startswith(f"nobody in {TARGET} looks like {WHO}; the most present")


def test_a_film_as_its_own_photo_is_the_photos_fault(
    worker: JobWork, me: str, material: Material
) -> None:
    film = upload(worker.office, me, material.film)
    code, told = said(worker, me, ask(film, PhotoRef(film, name=PHOTO)))
    assert code == "media_wrong_kind"
    assert told.startswith(f"{PHOTO} is no ")


def test_a_film_may_say_by_a_point_of_it_who_is_meant(
    worker: JobWork, me: str, material: Material
) -> None:
    film, photo = (upload(worker.office, me, p) for p in (material.film, material.other_person))
    point = PhotoRef(film, face_at=(1.0, 1.0), name="targetImage[0].opts")
    who = WhoRef("looks_like", photo=point)
    code, told = said(worker, me, ask(film, PhotoRef(photo, name=PHOTO), who))
    assert code == "no_such_person"
    assert told.startswith(f"nobody in {TARGET} is ever seen at targetImage[0].opts")


@pytest.mark.parametrize("limits", [{"max_bytes": 10}, {"max_seconds": 0.01}, {"max_long_side": 9}])
def test_limits_name_the_file_that_is_beyond_them(
    worker: JobWork, me: str, material: Material, limits: dict[str, float]
) -> None:
    film, photo = (upload(worker.office, me, p) for p in (material.film, material.other_person))
    request = ask(film, PhotoRef(photo, name=PHOTO), limits=LimitsRef(**limits))
    assert said(worker, me, request)[1].startswith(f"{TARGET} ")
    if "max_seconds" not in limits:
        request = ask(film, PhotoRef(photo, name=PHOTO), photo_limits=LimitsRef(**limits))
        assert said(worker, me, request)[1].startswith(f"{PHOTO} ")


def test_what_cannot_be_read_is_named(
    worker: JobWork, me: str, material: Material, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_bytes(b"no film at all" * 50)
    film, photo, wrong = (
        upload(worker.office, me, path) for path in (material.film, material.photo, text)
    )
    told = said(worker, me, ask(wrong, PhotoRef(photo, name=PHOTO)))[1]
    assert told.startswith(f"{TARGET} cannot be read")
    assert said(worker, me, ask(film, PhotoRef(wrong, name=PHOTO)))[1].startswith(f"{PHOTO} is no ")
    detect = DetectJob((photo, wrong), names=("frame_urls[0]", "frame_urls[1]"))
    assert said(worker, me, detect)[1].startswith("frame_urls[1] cannot be read")


def test_a_trim_without_frames_is_told_of_the_film(
    worker: JobWork, me: str, material: Material
) -> None:
    film, photo = (upload(worker.office, me, p) for p in (material.film, material.photo))
    request = ask(film, PhotoRef(photo, name=PHOTO), start_s=100.0)
    assert said(worker, me, request)[0] == "bad_option"


def test_a_small_face_is_warned_of_by_its_field(
    worker: JobWork, me: str, material: Material
) -> None:
    film = upload(worker.office, me, material.film)
    photo = upload(worker.office, me, material.tiny)
    request = ask(film, PhotoRef(photo, name=PHOTO))
    job = work_off(worker, submit(worker.office, me, request)["id"])
    assert job["state"] == "running", job["error_message"]
    assert not any(BLOB.search(text) for text in job["facts"]["warnings"])
    assert any(f"the face in {PHOTO} is only" in text for text in job["facts"]["warnings"])


def test_a_file_that_is_not_there_is_named_when_a_job_is_made(
    office: Office, me: str, material: Material
) -> None:
    film = upload(office, me, material.film)
    waiting, _ = declare(office, me, Declared("a.jpg", "image/jpeg", 4))
    for lost, kind in (("nothing", NotFoundError), (waiting["id"], UploadMissingError)):
        with pytest.raises(kind, match=re.escape(f"{PHOTO}: ")):
            submit(office, me, ask(film, PhotoRef(lost, name=PHOTO)))
        with pytest.raises(kind, match=f"^{TARGET}: "):
            submit(office, me, ask(lost, PhotoRef(film, name=PHOTO)))


def test_a_photo_of_a_consent_is_named(worker: JobWork, me: str, material: Material) -> None:
    photo = PhotoRef(upload(worker.office, me, material.duo), name="photo.upload_id")
    made = submit_consent(worker.office, me, Terms("Anna", "all", None, "said so", None), photo)
    job = work_off(worker, made["job_id"], ("fetch", "probe"))
    assert job["error_message"].startswith("2 faces in photo.upload_id")
