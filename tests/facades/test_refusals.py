"""What the gate and the list of protected faces refuse, as each API tells it.

The whole server, and a worker with the real nets; the rules are so strict that an ordinary picture
breaks them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from facades.akool.bodies import V3_IMAGE, image, ref
from facades.belongings import send_upload
from facades.youcam.customers import IMAGE, Customer
from lendface.engine.types import SourceFace
from lendface.facades.akool.app import PREFIXES, akool_app
from lendface.facades.akool.incoming import AkoolOptions
from lendface.facades.beside import Beside
from lendface.facades.forms import FORMS
from lendface.facades.server import build_app
from lendface.facades.youcam.app import youcam_app
from lendface.facades.youcam.terms import PREFIX, Terms
from lendface.pipeline.parts import Parts
from lendface.service import ledger
from lendface.service.audit import read
from lendface.service.office import Office
from lendface.service.protected import ProtectedTable
from lendface.service.rates import RateLimiter
from lendface.service.work import JobWork
from lendface.storage.signing import UrlSigner
from lendface.storage.tables import deliveries, jobs, protected_faces, uploads
from lendface.trust.protected import ProtectedFace
from lendface.trust.thresholds import Thresholds
from material import Material
from service.crafts import work_off
from service.crafts import worker as new_worker
from service.offices import BASE_URL, new_client, open_office

STRICT = Thresholds(age_of_both=40.0)  # P003, the target, is younger to both nets; P005 is not
RULES = {"content_refused": "minor_target", "protected_face": None}
PROTECTED = sa.select(protected_faces.c.id)
URL = "http://127.0.0.1:9/told"
CAREFREE = {"gate": "off", "safety_check": False}  # no word of a request changes anything
Told = dict[str, Any]


@pytest.fixture(params=RULES)
def code(request: pytest.FixtureRequest) -> str:
    """Our own, of the rule that refuses."""
    return request.param


@pytest.fixture(params=[True, False], ids=["told", "not told"])
def tells(request: pytest.FixtureRequest) -> bool:
    """Whether clients are told by which rule."""
    return request.param


@pytest.fixture
def office(
    code: str, tells: bool, tmp_path: Path, sources: dict[str, SourceFace]
) -> Iterator[Office]:
    gate = STRICT if code == "content_refused" else None
    with open_office(tmp_path, forms=FORMS, gate=gate, tell_refusals=tells) as office:
        if code == "protected_face":
            face = sources["P003"].embedding[None]
            ProtectedTable(office).add(ProtectedFace.new("asked for it", 1, face, is_kept=True))
        yield office


@pytest.fixture
def app(office: Office) -> FastAPI:
    assert isinstance(office.links, UrlSigner)
    limiter = RateLimiter(office.now_ms)
    return build_app(
        office,
        signer=office.links,
        apps_by_path={PREFIX: youcam_app(office, Terms(BASE_URL), limiter)},
        apps_beside=[Beside(PREFIXES, akool_app(office, limiter, AkoolOptions(BASE_URL)))],
    )


@pytest.fixture
def worker(office: Office, tmp_path: Path, parts: Parts) -> Iterator[JobWork]:
    with new_worker(office, tmp_path, parts, None) as worker:
        yield worker


@dataclass(frozen=True)
class Swap:
    """Pictures, and somebody with a key."""

    me: TestClient
    target: bytes  # P003
    source: bytes  # P005

    # Each submits, and returns how to ask what became of it

    def native(self) -> Callable[[], Told]:
        target, source = (send_upload(self.me, d, "image/png") for d in (self.target, self.source))
        body = {
            "target": {"upload_id": target},
            "pairs": [{"source": {"upload_ids": [source]}}],
            "webhook_url": URL,
        }
        refused = self.me.post("/v1/swaps", json=body | CAREFREE)
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_request")
        made = self.me.post("/v1/swaps", json=body).raise_for_status().json()
        return lambda: self.me.get(f"/v1/swaps/{made['id']}").raise_for_status().json()

    def akool(self) -> Callable[[], Told]:
        target, source = (
            f"data:image/png;base64,{base64.b64encode(data).decode()}"
            for data in (self.target, self.source)
        )
        body = image(
            targetImage=[ref(target)],
            sourceImage=[ref(source)],
            modifyImage=target,
            webhookUrl=URL,
            **CAREFREE,
        )
        made = self.me.post(V3_IMAGE, json=body).json()["data"]
        path = f"/api/open/v3/faceswap/result/listbyids?_ids={made['_id']}"
        return lambda: self.me.get(path).json()["data"]["result"][0]

    def youcam(self) -> Callable[[], Told]:
        customer = Customer(self.me)
        endpoint = {"url": URL, "api": "youcam"}
        self.me.post("/v1/webhooks/endpoints", json=endpoint).raise_for_status()
        target, source = (customer.upload(d, "image/png") for d in (self.target, self.source))
        mapping = [{"index": 0, "position": 0}]
        body = {"src_file_id": target, "ref_file_ids": [source], "face_mapping": mapping}
        task_id = customer.begin(IMAGE, body | CAREFREE)
        return lambda: customer.status(task_id, IMAGE)


@pytest.fixture
def swap(app: FastAPI, office: Office, material: Material) -> Iterator[Swap]:
    made = new_client(office, "me", quota_units=100)
    headers = {"Authorization": f"Bearer {made.key}"}
    with TestClient(app, headers=headers) as client:
        yield Swap(client, material.photo.read_bytes(), material.film_person.read_bytes())


def swap_job(office: Office) -> str:
    with office.database.reading() as connection:
        return connection.execute(sa.select(jobs.c.id).where(jobs.c.kind == "swap")).scalar_one()


def refused(worker: JobWork, ask: Callable[[], Told]) -> tuple[Told, list[Told]]:
    """What the client reads, and what its webhooks are going to tell it."""
    office = worker.office
    job = work_off(worker, swap_job(office))
    assert job["state"] == "failed"
    with office.database.reading() as connection:
        assert ledger.balance(connection, job["client_id"]).left == 100
        texts = connection.execute(sa.select(deliveries.c.body)).scalars().all()
    refusal, ended = list(read(office.database))[-2:]
    assert (refusal.action, refusal.subject, refusal.actor) == ("job.refused", job["id"], "server")
    assert refusal.detail.get("rule") == RULES[job["error_code"]]
    assert (ended.action, ended.detail["code"]) == ("job.ended", job["error_code"])
    answer = ask()
    for told in (json.dumps(answer), *texts):
        assert not [word for word in ("years", "nudity", "entry", *ids_in(office)) if word in told]
        if not office.rules.tell_refusals:
            assert not [word for word in ("minor", "rule") if word in told]
    return answer, [json.loads(text) for text in texts]


def ids_in(office: Office) -> list[str]:
    """Of files, and of who is on the list."""
    with office.database.reading() as connection:
        files = connection.execute(sa.select(uploads.c.blob_key)).scalars()
        return [
            *(key.rpartition("/")[2] for key in files),
            *connection.execute(PROTECTED).scalars(),
        ]


def sentence_for(code: str, tells: bool, place: str, file: str) -> str:
    """What is told of somebody at a ``place`` in a ``file``, each as the API names it."""
    if code == "protected_face":
        rule = " (rule: protected faces)" if tells else ""
        return f"{place} is refused: this face may not be swapped here{rule}"
    if not tells:
        return f"{file} is refused: its content is not allowed here"
    return f"{place} is refused: it looks like a minor's (rule: minors)"


def test_native(swap: Swap, worker: JobWork, code: str, tells: bool) -> None:
    job, told = refused(worker, swap.native())
    assert (job["state"], job["error"]["code"], job["result"]) == ("failed", code, None)
    file = "target.upload_id"
    assert job["error"]["message"] == sentence_for(code, tells, f"face 1 of {file}", file)
    (ended,) = told
    assert ended["type"] == "swap.failed"
    assert ended["data"]["error"] == job["error"]


def test_akool(swap: Swap, worker: JobWork, code: str, tells: bool) -> None:
    item, told = refused(worker, swap.akool())
    place, file = "face 1 of modifyImage", "modifyImage"
    assert item["error_msg"] == sentence_for(code, tells, place, file)
    assert (item["faceswap_status"], item["deduction_credit"]) == (4, 0)
    assert (item["error_code"], item["error_reason"]) == (1009, code)
    assert (told[-1]["status"], told[-1]["error_msg"]) == (4, item["error_msg"])


def test_youcam(swap: Swap, worker: JobWork, code: str, tells: bool) -> None:
    status, told = refused(worker, swap.youcam())
    names = {
        "content_refused": "error_nsfw_content_detected",
        "protected_face": "invalid_parameter",
    }
    assert (status["task_status"], status["error"]) == ("error", names[code])
    assert status["results"] is None
    place, file = "the face in src_file_id that face_mapping[0] means", "src_file_id"
    assert status["error_message"] == sentence_for(code, tells, place, file)
    assert [message["data"]["task_status"] for message in told] == ["error"]
