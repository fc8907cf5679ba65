"""Each call of the API as a flow."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import BadOptionError, JobEndedError, WaitTimeoutError
from . import files
from .flows import Flow, Pause, Send, ask
from .orders import FileLike, Label, Output, Pair, Style, Takes, Terms, Wishes, without_none
from .shapes import Consent, Job, Upload, Usage

OnJob = Callable[[Job], None]
OnBytes = files.OnBytes

FIRST_LOOK_S, LONGEST_LOOK_S = 0.5, 5.0
TEXT_VERSION = 1  # of the statement that is attested
VIEWS = {"swap": "swaps", "scan": "scans"}  # where a job of a kind tells all of itself


def id_of(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id


def swap(
    pairs: Sequence[Pair],
    target: FileLike,
    output: Output | None,
    style: Style | None,
    label: bool | Label,
    consents: Sequence[str],
    idempotency_key: str | None,
    on_upload: OnBytes | None,
    wishes: Wishes,
) -> Flow[Job]:
    """Raises BadOptionError where nobody lends a face."""
    if not pairs:
        raise BadOptionError("a swap needs a source, or pairs of sources and faces")
    takes = Takes(lambda path: files.upload(path, None, on_upload))
    told = []
    for pair in pairs:
        told.append((yield from takes.pair(pair)))
    taken = yield from takes.file(target)
    body = {
        "target": taken,
        "pairs": told,
        "output": output,
        "style": style,
        "label": None if label is False else label,
        "consents": list(consents) or None,
    }
    return (yield from submit("swaps", {**body, **wishes}, idempotency_key))


def scan(
    target: FileLike,
    idempotency_key: str | None,
    on_upload: OnBytes | None,
    wishes: Wishes,
) -> Flow[Job]:
    takes = Takes(lambda path: files.upload(path, None, on_upload))
    body = {"target": (yield from takes.file(target))}
    return (yield from submit("scans", {**body, **wishes}, idempotency_key))


def submit(what: str, body: Mapping[str, Any], idempotency_key: str | None) -> Flow[Job]:
    """With a key, so that a request whose answer was lost can be sent again."""
    headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
    answer = yield from ask(Send("POST", f"/v1/{what}", headers=headers, json=without_none(body)))
    return Job.read(answer.json)


def get_job(job: Job | str) -> Flow[Job]:
    """With its result or its cast, where its kind has one."""
    told = (yield from ask(Send("GET", f"/v1/jobs/{id_of(job)}"))).json
    if told["kind"] in VIEWS and told["state"] == "succeeded":
        told = (yield from ask(Send("GET", f"/v1/{VIEWS[told['kind']]}/{id_of(job)}"))).json
    return Job.read(told)


def wait(
    job: Job | str, on_progress: OnJob | None, timeout_s: float | None, clock_s: Callable[[], float]
) -> Flow[Job]:
    """Raises JobEndedError unless it succeeds, WaitTimeoutError."""
    began_s, look_s = clock_s(), FIRST_LOOK_S
    while True:
        now = yield from get_job(job)
        if on_progress:
            on_progress(now)
        if now.is_final:
            return check_succeeded(now)
        if timeout_s is not None and clock_s() - began_s + look_s > timeout_s:
            raise WaitTimeoutError(now.id, timeout_s)
        yield Pause(look_s)
        look_s = min(LONGEST_LOOK_S, look_s * 1.5)


def check_succeeded(job: Job) -> Job:
    if job.state != "succeeded":
        code = job.error_code or job.state
        raise JobEndedError(job.id, job.state, code, job.error_message or "")
    return job


def change(job: Job | str, what: str) -> Flow[Job]:
    """A second try of a lost retry would find the job running, and be refused."""
    request = Send("POST", f"/v1/jobs/{id_of(job)}/{what}")
    return Job.read((yield from ask(request, is_repeatable=what == "cancel")).json)


def delete(path: str) -> Flow[None]:
    yield from ask(Send("DELETE", path))


def list_jobs(states: Sequence[str], kind: str | None) -> Flow[list[Job]]:
    """All of them, newest first."""
    told: list[Job] = []
    cursor: str | None = None
    while True:
        query = [("limit", "200"), *(("state", state) for state in states)]
        query += [("kind", kind)] if kind else []
        query += [("cursor", cursor)] if cursor else []
        text = "&".join(f"{name}={value}" for name, value in query)
        page = (yield from ask(Send("GET", f"/v1/jobs?{text}"))).json
        told += [Job.read(item) for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return told


def get_upload(upload_id: str) -> Flow[Upload]:
    return Upload.read((yield from ask(Send("GET", f"/v1/uploads/{upload_id}"))).json)


def add_consent(
    photo: str | Path | Upload, label: str, face: int | None, terms: Terms
) -> Flow[Consent]:
    takes = Takes(lambda path: files.upload(path, None, None))
    shown = yield from takes.file(photo)
    body = {"photo": without_none({**shown, "face": face}), "label": label, **terms}
    return Consent.read((yield from ask(Send("POST", "/v1/consents", json=body))).json)


def get_consent(consent: Consent | str) -> Flow[Consent]:
    return Consent.read((yield from ask(Send("GET", f"/v1/consents/{consent_id(consent)}"))).json)


def list_consents() -> Flow[list[Consent]]:
    told = (yield from ask(Send("GET", "/v1/consents"))).json
    return [Consent.read(item) for item in told["items"]]


def withdraw_consent(consent: Consent | str, purge: bool) -> Flow[Consent]:
    query = "?purge=true" if purge else ""
    request = Send("POST", f"/v1/consents/{consent_id(consent)}/withdraw{query}")
    return Consent.read((yield from ask(request, is_repeatable=True)).json)


def attest() -> Flow[None]:
    request = Send("POST", "/v1/attestation", json={"text_version": TEXT_VERSION})
    yield from ask(request, is_repeatable=True)


def consent_id(consent: Consent | str) -> str:
    return consent if isinstance(consent, str) else consent.id


def get_usage() -> Flow[Usage]:
    return Usage.read((yield from ask(Send("GET", "/v1/usage"))).json)


def download(job: Job | str, path: str | Path, on_progress: OnBytes | None) -> Flow[Path]:
    if isinstance(job, str) or job.result is None:
        job = yield from get_job(job)
    return (yield from files.download(job, Path(path), on_progress))
