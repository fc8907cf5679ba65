"""A worker of tests: it does a job's tasks one after the other, in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from lendface.errors import LendfaceError
from lendface.pipeline.parts import Parts
from lendface.service.jobs import get_row, submit
from lendface.service.office import Office
from lendface.service.requests import PairRef, PhotoRef, SwapJob
from lendface.service.uploads import Declared, declare, mark_received
from lendface.service.work import JobWork
from lendface.storage.scratch import Scratch
from lendface.trust.claims import hash_file, used_models
from lendface.trust.provenance import Provenance
from lendface.trust.readings import GateNets
from lendface.trust.swaps import Signer

Row = Mapping[str, Any]
NETS = GateNets.load()  # one for all tests of a process, as one for all jobs of a worker
TO_PLAN = ("fetch", "probe", "scan")


def now_ms() -> int:
    """Certificates are good for a time, so those who sign need the real one."""
    return time.time_ns() // 1_000_000


def signer_of(provenance: Provenance | None) -> Signer:
    return Signer(provenance, used_models(), now_ms)


@contextmanager
def worker(
    office: Office, folder: Path, parts: Parts, provenance: Provenance | None
) -> Iterator[JobWork]:
    with closing(Scratch(folder / "scratch", 1 << 30)) as scratch:
        yield JobWork(office, scratch, lambda: parts, signer_of(provenance), NETS)


def upload(office: Office, client_id: str, path: Path) -> str:
    size = path.stat().st_size
    row, _ = declare(office, client_id, Declared(path.name, "application/octet-stream", size))
    office.blobs.put_file(row["blob_key"], path)
    mark_received(office, row["blob_key"], size, hash_file(path))
    return row["id"]


def submit_swap(office: Office, client_id: str, target: Path, photo: Path, **more: Any) -> Row:
    """Of whoever is seen most."""
    film, face = (upload(office, client_id, path) for path in (target, photo))
    return submit(office, client_id, SwapJob(film, (PairRef((PhotoRef(face),)),), **more))


def do_task(work: JobWork, job_id: str, task: str, run: int = 1) -> Any:
    assert work.claim(job_id, run, task, "a worker")
    return work.perform(job_id, run, task, lambda: False)


def render_all(work: JobWork, job_id: str, run: int = 1) -> None:
    """All but what is left to do when every frame is there."""
    do_task(work, job_id, "fetch", run)
    do_task(work, job_id, "probe", run)
    for chunk in do_task(work, job_id, "scan", run):
        do_task(work, job_id, chunk, run)


def do_job(work: JobWork, job_id: str, run: int = 1) -> Row:
    """All of it. Returns the job."""
    render_all(work, job_id, run)
    do_task(work, job_id, "join", run)
    do_task(work, job_id, "finish", run)
    return row_of(work.office, job_id)


def work_off(work: JobWork, job_id: str, tasks: Sequence[str] = TO_PLAN) -> Row:
    """Some of its tasks; where one fails so does the job, as the engine has it. Returns the job."""
    run = row_of(work.office, job_id)["run"]
    try:
        for task in tasks:
            do_task(work, job_id, task, run)
    except LendfaceError as error:
        work.fail(job_id, run, error.code, str(error))
    return row_of(work.office, job_id)


def row_of(office: Office, job_id: str) -> Row:
    with office.database.reading() as connection:
        return get_row(connection, job_id)


def result_files(office: Office, job_id: str) -> list[str]:
    return sorted(blob.key for blob in office.blobs.list(f"results/{job_id}"))


def fetch_result(office: Office, job: Row, folder: Path) -> Path:
    """As somebody downloads it, with the manifest beside it where there is one."""
    result = job["result"]
    path = folder / f"swap{Path(result['blob_key']).suffix}"
    path.write_bytes(b"".join(office.blobs.read(result["blob_key"])))
    if result["manifest_key"]:
        beside = path.with_name(f"{path.name}.c2pa")
        beside.write_bytes(b"".join(office.blobs.read(result["manifest_key"])))
    return path
