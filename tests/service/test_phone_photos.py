"""HEIC and AVIF on a server: checked before they are decoded, and swapped like other pictures."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from lendface import verify
from lendface.client.orders import guess_type
from lendface.errors import (
    BlobTooLargeError,
    MediaTooManyPixelsError,
    MediaWrongKindError,
    UnreadableMediaError,
)
from lendface.facades.youcam.terms import IMAGE_LIMITS
from lendface.media import read_image
from lendface.pipeline.limits import Limits, check_photo, check_target
from lendface.pipeline.parts import Parts
from lendface.service.office import Office
from lendface.service.requests import OutputRef
from lendface.service.swapping import limits_for
from lendface.service.uploads import Declared, check_declared
from lendface.service.work import JobWork
from lendface.trust.certificates import machine_credentials
from lendface.trust.provenance import Provenance
from material import Material
from people import read_person
from service.crafts import do_job, fetch_result, submit_swap, worker
from service.offices import new_client, open_office

pytestmark = pytest.mark.slow

pillow_heif.register_heif_opener()

SIDE = 160
FORMATS = ("heic", "avif")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path) as office:
        yield office


@pytest.fixture
def work(office: Office, tmp_path: Path, parts: Parts) -> Iterator[JobWork]:
    provenance = Provenance(machine_credentials(tmp_path / "state", datetime.now(UTC)))
    with worker(office, tmp_path, parts, provenance) as work:
        yield work


def portrait(path: Path, who: str = "P005") -> Path:
    Image.fromarray(read_person(who, side_px=SIDE)).save(path, quality=95)
    return path


@pytest.mark.parametrize(
    ("kind", "container", "ending", "content_type"),
    [
        ("heic", None, ".jpg", "image/jpeg"),
        ("avif", None, ".avif", "image/avif"),
        ("heic", "png", ".png", "image/png"),
        ("heic", "avif", ".avif", "image/avif"),
    ],
)
def test_a_photo_of_a_phone_is_a_target_and_its_result_is_signed(
    work: JobWork, tmp_path: Path, kind: str, container: str | None, ending: str, content_type: str,
    material: Material,
) -> None:  # fmt: skip
    me = new_client(work.office).client_id
    target = portrait(tmp_path / f"in.{kind}")
    output = OutputRef(container)  # type: ignore[arg-type]
    job = do_job(work, submit_swap(work.office, me, target, material.photo, output=output)["id"])
    assert job["state"] == "succeeded", job["error_code"]
    result = fetch_result(work.office, job, tmp_path)
    assert (result.suffix, job["result"]["content_type"]) == (ending, content_type)
    assert read_image(result)[0].size_wh == (SIDE, SIDE)
    assert job["result"]["manifest_key"] is None  # it is inside
    verdict = verify(result)
    assert (verdict.holds, verdict.is_face_swap) == (True, True)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_photo_of_a_phone_is_a_source(
    work: JobWork, tmp_path: Path, kind: str, material: Material
) -> None:
    me = new_client(work.office).client_id
    photo = portrait(tmp_path / f"me.{kind}", "P003")
    job = do_job(work, submit_swap(work.office, me, material.film_person, photo)["id"])
    assert (job["state"], job["error_code"]) == ("succeeded", None)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_it_is_is_told_and_held_to_the_limits(tmp_path: Path, kind: str) -> None:
    path = portrait(tmp_path / f"in.{kind}")
    facts = check_photo(path, Limits())
    assert (facts.format, facts.width, facts.height) == (kind, SIDE, SIDE)
    assert check_target(path, Limits()).kind == "image"
    assert check_photo(path, limits_for(IMAGE_LIMITS, Limits())).format == kind  # by YouCam too
    with pytest.raises(MediaTooManyPixelsError):
        check_photo(path, Limits(max_long_side=SIDE - 1))
    with pytest.raises(MediaTooManyPixelsError):
        check_photo(path, Limits(max_pixels=SIDE * SIDE - 1))
    with pytest.raises(MediaWrongKindError):
        check_target(path, Limits(kinds=("video",)))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = portrait(tmp_path / f"in.{kind}")
    sizes = (b"ispe" + bytes(4) + struct.pack(">II", side, side) for side in (SIDE, 50_000))
    path.write_bytes(path.read_bytes().replace(*sizes))
    monkeypatch.setattr("lendface.media.heif.start", lambda question: pytest.fail("it was opened"))
    with pytest.raises(MediaTooManyPixelsError):
        check_photo(path, Limits())


def test_a_file_that_only_says_that_it_is_one_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "in.heic"
    path.write_bytes(struct.pack(">I", 24) + b"ftypheic" + bytes(12))
    with pytest.raises(UnreadableMediaError, match=r"me\.heic"):
        check_photo(path, Limits(), name="me.heic")


def test_types_of_phones_are_taken_and_have_the_size_of_photos(office: Office) -> None:
    most = office.rules.max_photo_bytes
    for name in ("a.heic", "a.HIF", "a.heif", "a.avif", "a.jfif"):
        declared = Declared(name, guess_type(Path(name)), most + 1)
        assert declared.content_type.startswith("image/")
        with pytest.raises(BlobTooLargeError):
            check_declared(office, declared)
