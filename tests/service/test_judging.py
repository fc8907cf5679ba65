"""What a worker refuses before it renders: real files, real nets, and rules strict enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lendface.engine.types import SourceFace
from lendface.errors import CancelledError
from lendface.pipeline.parts import Parts
from lendface.service import ledger
from lendface.service.audit import read, verify
from lendface.service.jobs import delete, retry, submit
from lendface.service.office import Office
from lendface.service.protected import ProtectedTable
from lendface.service.requests import PairRef, PhotoRef, ScanJob, SwapJob, WhoRef
from lendface.service.work import JobWork
from lendface.storage.tables import protected_faces
from lendface.trust.protected import ProtectedFace
from lendface.trust.thresholds import Thresholds
from material import Material
from service.crafts import TO_PLAN, submit_swap, upload, work_off
from service.crafts import worker as new_worker
from service.offices import new_client, open_office

pytestmark = pytest.mark.slow

STRICT = Thresholds(age_of_both=40.0)  # P003 is younger to both nets, P005 is not
BARE = Thresholds(nudity=0.001)  # P003 has 0.004 of nudity, P005 a tenth of it


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


def strict(worker: JobWork, gate: Thresholds | None = STRICT) -> JobWork:
    """As if it had been started again with other settings."""
    rules = replace(worker.office.rules, gate=gate)
    return replace(worker, office=replace(worker.office, rules=rules))


def begin(office: Office, client_id: str, target: Path, photo: Path) -> str:
    return submit_swap(office, client_id, target, photo)["id"]


def refusals(office: Office) -> list[dict[str, object]]:
    assert verify(office.database).holds
    return [dict(entry.detail) for entry in read(office.database) if entry.action == "job.refused"]


def readings(office: Office) -> list[str]:
    return [blob.key for blob in office.blobs.list("scans") if "reading" in blob.key]


def test_people_who_are_dressed_and_grown_up_pass(
    worker: JobWork, me: str, material: Material
) -> None:
    for target in (material.film, material.photo):
        job = work_off(worker, begin(worker.office, me, target, material.other_person))
        assert (job["state"], job["error_code"]) == ("running", None)
        assert job["facts"]["chunks"]
    assert refusals(worker.office) == []


CASES = {  # gate, source, target, the rule, and what its client is told
    "a young source": (
        *(STRICT, "photo", "film", "minor_source"),
        "the photo is refused: the face in it looks like a minor's (rule: minors)",
    ),
    "a young person in a picture": (
        *(STRICT, "film_person", "photo", "minor_target"),
        "face 1 of the target is refused: it looks like a minor's (rule: minors)",
    ),
    "a bare photo": (
        *(BARE, "photo", "film", "nudity"),
        "the photo is refused: nudity is not allowed here (rule: nudity)",
    ),
    "a bare picture": (
        *(BARE, "film_person", "photo", "nudity"),
        "the target is refused: nudity is not allowed here (rule: nudity)",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_rule_forbids_is_refused_before_it_is_rendered(
    worker: JobWork, me: str, material: Material, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    gate, source, target, rule, sentence = CASES[case]
    worker = strict(worker, gate)
    target, photo = getattr(material, target), getattr(material, source)
    job = work_off(worker, begin(worker.office, me, target, photo))
    assert (job["state"], job["error_code"]) == ("failed", "content_refused")
    assert job["error_message"] == sentence
    assert (job["facts"].get("chunks"), list(worker.office.blobs.list("work"))) == (None, [])
    (told,) = refusals(worker.office)
    assert (told["code"], told["rule"]) == ("content_refused", rule)
    assert ("time_s" in told) == (case.endswith("picture"))
    assert f"rule {rule}" in caplog.text
    (line,) = [line for line in caplog.records if line.name == "lendface.trust"]
    assert (line.__dict__["rule"], line.__dict__["face"]) == (rule, told.get("face"))
    with worker.office.database.reading() as connection:
        assert ledger.balance(connection, me).left == 100  # nothing is held or charged


def test_only_people_who_are_replaced_count(worker: JobWork, me: str, material: Material) -> None:
    """P010 is on the left, P003 on the right; both are younger than forty, P005 is not."""
    worker = strict(worker)
    office = worker.office
    target, photo = (
        upload(office, me, material.two_people),
        upload(office, me, material.film_person),
    )
    states = []
    for face in (1, 2):
        pair = PairRef((PhotoRef(photo),), WhoRef("faces", (face,)))
        states.append(work_off(worker, submit(office, me, SwapJob(target, (pair,)))["id"])["state"])
    assert states == ["running", "failed"]
    (told,) = refusals(office)
    assert (told["rule"], told["face"]) == ("minor_target", 2)


def quiet(worker: JobWork) -> JobWork:
    """Where the operator does not want clients to know the rules."""
    rules = replace(worker.office.rules, tell_refusals=False)
    return replace(worker, office=replace(worker.office, rules=rules))


@pytest.mark.parametrize("case", CASES)
def test_where_the_operator_wants_it_so_only_the_file_is_told(
    worker: JobWork, me: str, material: Material, case: str
) -> None:
    gate, source, target, rule, _ = CASES[case]
    worker = quiet(strict(worker, gate))
    files = getattr(material, target), getattr(material, source)
    job = work_off(worker, begin(worker.office, me, *files))
    file = "the photo" if source == "photo" else "the target"
    assert job["error_message"] == f"{file} is refused: its content is not allowed here"
    assert [told["rule"] for told in refusals(worker.office)] == [rule]


def test_the_client_is_told_no_score_and_no_place_and_the_audit_log_no_score(
    worker: JobWork, me: str, material: Material
) -> None:
    worker = strict(worker)
    job = work_off(worker, begin(worker.office, me, material.photo, material.film_person))
    assert not re.search(r"[0-9]{2}|years|score|:[0-9]", job["error_message"])
    (told,) = refusals(worker.office)
    assert set(told) == {"code", "rule", "time_s", "face"}
    ended = [entry for entry in read(worker.office.database) if entry.action == "job.ended"]
    assert [entry.detail for entry in ended] == [{"state": "failed", "code": "content_refused"}]


# Protected faces


def protect(office: Office, face: SourceFace, *, is_kept: bool = False) -> ProtectedFace:
    entry = ProtectedFace.new("asked for it", office.now_ms(), face.embedding[None], is_kept)
    ProtectedTable(office).add(entry)
    return entry


def test_a_protected_person_lends_no_face_and_is_replaced_unless_the_entry_says_so(
    worker: JobWork, me: str, material: Material, sources: dict[str, SourceFace]
) -> None:
    office = worker.office
    entry = protect(office, sources["P003"])
    lent = work_off(worker, begin(office, me, material.film, material.same_person))
    assert (lent["state"], lent["error_code"]) == ("failed", "protected_face")
    assert lent["error_message"] == (
        "the photo is refused: this face may not be swapped here (rule: protected faces)"
    )
    assert refusals(office) == [{"code": "protected_face", "entry": entry.id}]
    replaced = work_off(worker, begin(office, me, material.photo, material.film_person))
    assert replaced["state"] == "running"
    protect(office, sources["P003"], is_kept=True)
    kept = work_off(worker, begin(office, me, material.photo, material.film_person))
    assert (kept["state"], kept["error_code"]) == ("failed", "protected_face")
    assert kept["error_message"] == (
        "face 1 of the target is refused: this face may not be swapped here (rule: protected faces)"
    )


def test_a_list_that_cannot_be_read_stops_every_swap(
    worker: JobWork, me: str, material: Material, sources: dict[str, SourceFace]
) -> None:
    office = worker.office
    protect(office, sources["P010"])
    with office.database.writing() as connection:
        connection.execute(protected_faces.update().values(sealed="v1.AAAA"))
    job = work_off(worker, begin(office, me, material.photo, material.film_person))
    assert (job["state"], job["error_code"]) == ("failed", "bad_protected_list")


def test_an_operator_may_switch_the_list_off(
    worker: JobWork, me: str, material: Material, sources: dict[str, SourceFace]
) -> None:
    office = replace(worker.office, rules=replace(worker.office.rules, protected=None))
    protect(office, sources["P003"])
    careless = replace(worker, office=office)
    assert work_off(careless, begin(office, me, material.photo, material.photo))["state"] == (
        "running"
    )


# The reading is kept with the scan


def test_a_scan_is_judged_again_by_the_rules_of_the_moment(
    worker: JobWork, me: str, material: Material
) -> None:
    """The film is read once, and refused though it passed before."""
    office = worker.office
    first = work_off(worker, begin(office, me, material.photo, material.film_person))
    assert first["state"] == "running"
    (key,) = readings(office)
    before = office.blobs.info(key)
    second = work_off(strict(worker), begin(office, me, material.photo, material.film_person))
    assert (second["scan_key"], second["error_code"]) == (first["scan_key"], "content_refused")
    assert office.blobs.info(key) == before
    third = work_off(worker, begin(office, me, material.photo, material.film_person))
    assert third["state"] == "running"


def test_a_film_that_was_scanned_while_nobody_judged_is_read_afterwards(
    worker: JobWork, me: str, material: Material
) -> None:
    office = worker.office
    first = begin(office, me, material.photo, material.film_person)
    assert work_off(strict(worker, None), first)["state"] == "running"
    assert readings(office) == []
    job = work_off(strict(worker), begin(office, me, material.photo, material.film_person))
    assert (job["state"], job["error_code"]) == ("failed", "content_refused")
    assert len(readings(office)) == 1  # and the next one need not read it


def test_a_job_that_is_tried_again_is_judged_again(
    worker: JobWork, me: str, material: Material
) -> None:
    office = worker.office
    job_id = begin(office, me, material.photo, material.film_person)
    assert work_off(strict(worker), job_id)["error_code"] == "content_refused"
    retry(office, me, job_id)
    assert work_off(strict(worker), job_id)["error_code"] == "content_refused"
    retry(office, me, job_id)
    assert work_off(worker, job_id)["state"] == "running"  # the operator has thought better of it


def test_a_worker_that_dies_between_scan_and_plan_leaves_the_reading(
    worker: JobWork, me: str, material: Material, parts: Parts
) -> None:
    class Killed(BaseException):
        pass

    def load_parts() -> Parts:  # for the scan, then for the plan
        if readings(office):
            raise Killed
        return parts

    office = worker.office
    job_id = begin(office, me, material.photo, material.film_person)
    with pytest.raises(Killed):
        work_off(replace(worker, load_parts=load_parts), job_id)
    (key,) = readings(office)
    before = office.blobs.info(key)
    assert work_off(strict(worker), job_id, ["scan"])["error_code"] == "content_refused"
    assert office.blobs.info(key) == before


def test_a_scan_that_a_client_asked_for_is_read_too_and_never_refused(
    worker: JobWork, me: str, material: Material
) -> None:
    office = worker.office
    scan = submit(office, me, ScanJob(upload(office, me, material.photo)))
    assert work_off(strict(worker), scan["id"])["state"] == "running"
    assert len(readings(office)) == 1


def test_a_reading_is_sealed_and_counts_for_its_own_scan_only(
    worker: JobWork, me: str, material: Material, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever can write to the blob store cannot give one film the innocence of another."""
    office = worker.office
    work_off(worker, begin(office, me, material.film, material.film_person))
    (innocent,) = readings(office)
    data = b"".join(office.blobs.read(innocent))
    assert data.startswith(b"v1.")
    assert b"nudity" not in data
    work_off(worker, begin(office, me, material.photo, material.film_person))
    (other,) = [key for key in readings(office) if key != innocent]
    office.blobs.put(other, [data])
    job = work_off(strict(worker), begin(office, me, material.photo, material.film_person))
    assert job["error_code"] == "content_refused"
    assert "cannot be opened" in caplog.text


def test_a_reading_goes_with_its_scan(worker: JobWork, me: str, material: Material) -> None:
    office = worker.office
    job_id = begin(office, me, material.photo, material.film_person)
    work_off(worker, job_id)
    assert len(readings(office)) == 1
    delete(office, me, job_id)
    assert readings(office) == []


def test_nobody_waits_for_a_film_to_be_read_again_whose_job_is_not_wanted(
    worker: JobWork, me: str, material: Material
) -> None:
    office = worker.office
    work_off(strict(worker, None), begin(office, me, material.film, material.film_person))
    job_id = begin(office, me, material.film, material.film_person)
    work_off(worker, job_id, TO_PLAN[:-1])
    worker.claim(job_id, 1, "scan", "a worker")
    asked = iter([False] * 3)  # then the worker is told to stop
    with pytest.raises(CancelledError):
        worker.perform(job_id, 1, "scan", lambda: next(asked, True))
    assert readings(office) == []
    assert work_off(worker, job_id, ["scan"])["state"] == "running"
    assert len(readings(office)) == 1
