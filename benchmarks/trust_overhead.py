"""What all checks cost a server's job: a film of 10 s at 1280 x 720, with them and without.

    python -m benchmarks.trust_overhead [--rounds 3] [--seconds 10]

One process does the tasks of each job one after the other, as a worker does. *With*: the gate, a
list of a thousand protected faces, a consent on record for the source, signed results. *Without*:
all of that switched off; the audit log and the statement of the key's owner cannot be. Rounds take
turns, so that another program on this machine disturbs both alike; processor time, of this process
and of those that it starts, is disturbed least.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clips import FPS, SOURCES, Clip, get_clip
from lendface.app import build, open_signer
from lendface.demo.people import get_photo
from lendface.engine.enrol import Photo
from lendface.engine.memory import own_process
from lendface.media import read_image
from lendface.pipeline.parts import Parts
from lendface.serve.building import Built, build_office, prepare, scratch_of
from lendface.service.clients import create_client
from lendface.service.consents import Terms, add_consent
from lendface.service.jobs import get_row, submit
from lendface.service.protected import ProtectedTable
from lendface.service.requests import PairRef, PhotoRef, SwapJob
from lendface.service.uploads import Declared, declare, mark_received
from lendface.service.work import JobWork
from lendface.settings import Settings
from lendface.trust.claims import hash_file
from lendface.trust.protected import ProtectedFace
from lendface.trust.readings import GateNets

OUT = Path(__file__).parent / "out"
LISTED = 1000  # protected faces
REASON = "measures what it costs, with pictures of our own"
OFF = {
    "gate": "off",
    "gate_off_reason": REASON,
    "protected": "off",
    "protected_off_reason": REASON,
    "provenance": "off",
}
ON = {"consent": "per_face"}


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, eq=False)
class Site:
    """A server's folder, and a worker of it."""

    built: Built
    work: JobWork

    def swap(self, film: Path, photo: Path) -> Cost:
        """A job of a client who never had one, so that nothing of it is there yet."""
        office = self.built.office
        client = create_client(office, "a client").client_id
        target, face = (self._upload(client, path) for path in (film, photo))
        began, used = time.perf_counter(), cpu_s()
        job = submit(office, client, SwapJob(target, (PairRef((PhotoRef(face),)),)))["id"]
        self._do(job)
        cost = Cost(cpu_s() - used, time.perf_counter() - began)
        with office.database.reading() as connection:
            ended = get_row(connection, job)
        assert ended["state"] == "succeeded", ended["error_message"]
        return cost

    def _do(self, job: str) -> None:
        def do(task: str) -> Any:
            self.work.claim(job, 1, task, "here")
            return self.work.perform(job, 1, task, lambda: False)

        do("fetch")
        do("probe")
        for task in (*do("scan"), "join", "finish"):
            do(task)

    def _upload(self, client: str, path: Path) -> str:
        office, size = self.built.office, path.stat().st_size
        kind = "application/octet-stream"
        row, _ = declare(office, client, Declared(path.name, kind, size))
        office.blobs.put_file(row["blob_key"], path)
        mark_received(office, row["blob_key"], size, hash_file(path))
        return row["id"]


@contextmanager
def site(folder: Path, parts: Parts, nets: GateNets, **given: Any) -> Iterator[Site]:
    settings = Settings(data=folder, **given)
    built = build_office(settings)
    prepare(built)
    with closing(built), closing(scratch_of(settings, "here")) as scratch:
        signer = open_signer(settings, must_last=True)
        yield Site(built, JobWork(built.office, scratch, lambda: parts, signer, nets))


def fill(site: Site, parts: Parts, photo: Path) -> None:
    """A consent of the source's for all clients, and the list of protected faces."""
    office, chance = site.built.office, np.random.default_rng(7)
    face = parts.enroller.portrait(Photo("source", read_image(photo)[0]))
    add_consent(office, Terms("nobody"), face.embedding, hash_file(photo), ["*"])
    table = ProtectedTable(office)
    for row in chance.normal(size=(LISTED, 1, 128)).astype(np.float32):
        table.add(ProtectedFace.new("of chance", office.now_ms(), row / np.linalg.norm(row)))


def cpu_s() -> float:
    """Of this process and of those that it waited for."""
    of_all = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in of_all)


def measure(rounds: int, seconds: float) -> dict[str, Any]:
    parts, nets = build(), GateNets.load()
    film = get_clip(OUT, Clip("720p", 1, round(seconds * FPS)))
    photo = get_photo(SOURCES[0])
    costs: dict[str, list[Cost]] = {"with": [], "without": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        site(Path(folder) / "with", parts, nets, **ON) as checked,
        site(Path(folder) / "without", parts, nets, **OFF) as bare,
    ):
        fill(checked, parts, photo)
        warm = get_clip(OUT, Clip("720p", 1, FPS))
        for number in range(rounds + 1):  # the first one loads what is loaded once
            for name, place in (("without", bare), ("with", checked)):
                cost = place.swap(film if number else warm, photo)
                if number:
                    costs[name].append(cost)
                    print(
                        f"{name:8} {cost.cpu_s:7.2f} s of processor {cost.wall_s:7.2f} s",
                        flush=True,
                    )
    return summary(costs) | {"seconds": seconds, "rounds": rounds, "load": os.getloadavg()[0]}


def summary(costs: dict[str, list[Cost]]) -> dict[str, Any]:
    """Medians, and the median over rounds of with by without."""
    found: dict[str, Any] = {}
    for what in ("cpu_s", "wall_s"):
        by_name = {name: [getattr(cost, what) for cost in of] for name, of in costs.items()}
        for name, values in by_name.items():
            found[f"{name}_{what}"] = round(statistics.median(values), 2)
        ratios = [a / b for a, b in zip(by_name["with"], by_name["without"], strict=True)]
        found[f"more_{what.removesuffix('_s')}_percent"] = round(
            100 * (statistics.median(ratios) - 1), 1
        )
    return found


def main() -> None:
    own_process()  # as a worker does
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    print(json.dumps(measure(asked.rounds, asked.seconds)))


if __name__ == "__main__":
    main()
