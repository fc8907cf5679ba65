"""What workers do about consents, with real faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from lendface.engine.types import SourceFace
from lendface.errors import ConsentMissingError
from lendface.pipeline.parts import Parts
from lendface.service.audit import read
from lendface.service.consents import Terms, add_consent, get_consent, state_of, submit_consent
from lendface.service.jobs import get_row, submit
from lendface.service.office import Office
from lendface.service.permission import consents_of, match_faces, policy_for, rest_on
from lendface.service.requests import PairRef, PhotoRef, SwapJob, load_request
from lendface.service.uploads import Declared, declare, mark_received
from lendface.service.work import JobWork
from lendface.storage.scratch import Scratch
from lendface.storage.tables import ledger as table
from material import Material
from service.crafts import signer_of, submit_swap, work_off, worker
from service.offices import new_client, open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_office(tmp_path, consent="per_face") as office:
        yield office


def upload(office: Office, client_id: str, data: bytes) -> str:
    row, _ = declare(office, client_id, Declared("a.jpg", "image/jpeg", len(data)))
    info = office.blobs.put(row["blob_key"], [data])
    mark_received(office, row["blob_key"], info.size, "ab" * 32)
    return row["id"]


def test_a_worker_finds_the_face_of_a_consent_and_a_swap_of_it_may_go_on(
    office: Office, parts: Parts, material: Material, tmp_path: Path
) -> None:
    client_id = new_client(office).client_id
    photo = upload(office, client_id, material.photo.read_bytes())
    made = submit_consent(office, client_id, Terms("Anna"), PhotoRef(photo))
    assert state_of(made, office.now_ms()) == "pending"
    scratch = Scratch(tmp_path / "scratch", 1 << 30)
    work = JobWork(office, scratch, lambda: parts, signer_of(None))
    for task in ("fetch", "probe", "finish"):
        assert work.claim(made["job_id"], 1, task, "a worker") == 1
        work.perform(made["job_id"], 1, task, lambda: False)
    made = get_consent(office, client_id, made["id"])
    assert state_of(made, office.now_ms()) == "valid"

    job = submit(office, client_id, SwapJob(photo, (PairRef((PhotoRef(photo),)),)))
    request = load_request(job["request"])
    assert isinstance(request, SwapJob)
    from lendface.engine.enrol import Photo
    from lendface.media import read_image

    same = parts.enroller.enrol([Photo("me", read_image(material.photo)[0])]).source
    assert match_faces(office, job, request, [same], {}) == [made["id"]]
    with office.database.writing() as connection:
        rest_on(connection, office, get_row(connection, job["id"]), [made["id"]])
        assert consents_of(connection, job["id"]) == [made["id"]]


def test_a_source_without_consent_is_refused_in_the_worker(
    office: Office, sources: dict[str, SourceFace]
) -> None:
    client_id = new_client(office).client_id
    one, other, *_ = sources.values()
    add_consent(office, Terms("Anna"), one.embedding, "ab" * 32, [client_id])
    photo = upload(office, client_id, b"a photo")
    job = submit(office, client_id, SwapJob(photo, (PairRef((PhotoRef(photo),)),)))
    request = load_request(job["request"])
    assert isinstance(request, SwapJob)
    assert len(match_faces(office, job, request, [one], {})) == 1
    with pytest.raises(ConsentMissingError):
        match_faces(office, job, request, [other], {})
    both = replace(office, rules=replace(office.rules, consent_targets=True))
    with pytest.raises(ConsentMissingError):
        match_faces(both, job, request, [one], {1: other.embedding})


def test_a_job_whose_source_has_no_consent_ends_in_the_worker_before_it_renders(
    office: Office, sources: dict[str, SourceFace], parts: Parts, material: Material, tmp_path: Path
) -> None:
    """P010 has given consent, P003 has not, and each is the source of a job."""
    client_id = new_client(office, quota_units=9).client_id
    add_consent(office, Terms("Anna"), sources["P010"].embedding, "ab" * 32, [client_id])
    photos = material.other_person, material.photo
    submitted = [submit_swap(office, client_id, material.film, photo)["id"] for photo in photos]
    with worker(office, tmp_path, parts, None) as work:
        lent, not_lent = (work_off(work, job_id) for job_id in submitted)
    assert (lent["state"], bool(lent["facts"]["chunks"])) == ("running", True)
    assert (not_lent["state"], not_lent["error_code"]) == ("failed", "consent_missing")
    assert "chunks" not in not_lent["facts"]
    with office.database.reading() as connection:
        assert consents_of(connection, lent["id"]) != []
        assert consents_of(connection, not_lent["id"]) == []
        held = connection.execute(sa.select(table.c.job_id)).scalars().all()
    assert held == [lent["id"]]
    told = [entry for entry in read(office.database) if entry.subject == not_lent["id"]]
    assert [entry.action for entry in told] == ["job.submitted", "job.refused", "job.ended"]
    assert told[1].detail == {"code": "consent_missing"}


def test_a_client_is_never_held_to_less_than_its_server() -> None:
    assert policy_for("attest", None) == "attest"
    assert policy_for("per_face", None) == policy_for("attest", "per_face") == "per_face"
