"""One client of a running server: a key, and everything that is asked with it."""

from __future__ import annotations

import mimetypes
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2

from lendface.service.clients import NewClient, SmallDesk, create_client
from lendface.service.sealing import Sealer
from lendface.settings import Settings
from lendface.storage.database import Database
from system.servers import DONE_S, Server, until

FINAL = ("succeeded", "failed", "cancelled")
Json = dict[str, Any]


class Visitor:
    """Every answer is checked; whoever wants a refusal asks ``http`` itself."""

    def __init__(self, server: Server, client: NewClient) -> None:
        self.server, self.client = server, client
        headers = {"Authorization": f"Bearer {client.key}"}
        self.http = httpx2.Client(base_url=server.url, headers=headers, timeout=DONE_S)

    def close(self) -> None:
        self.http.close()

    # Files

    def declare(self, name: str, size: int) -> Json:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return self.post("/v1/uploads", {"name": name, "content_type": kind, "size": size})

    def send(self, link: Json, data: bytes) -> httpx2.Response:
        """To a link that was given; with no key."""
        return httpx2.request(
            link["method"], link["url"], content=data, headers=link["headers"], timeout=DONE_S
        )

    def upload(self, path: Path) -> str:
        return self.upload_bytes(path.name, path.read_bytes())

    def upload_bytes(self, name: str, data: bytes) -> str:
        made = self.declare(name, len(data))
        self.send(made["upload"], data).raise_for_status()
        return made["id"]

    # Jobs

    def swap(self, target: str | Path, source: str | Path, **more: Any) -> Json:
        """Files by path are sent first, and addresses stay what they are."""
        return self.post("/v1/swaps", self.swap_body(target, source) | more)

    def swap_body(self, target: str | Path, source: str | Path) -> Json:
        return {"target": self.target(target), "pairs": [{"source": self.source(source)}]}

    def target(self, file: str | Path) -> Json:
        if isinstance(file, Path):
            return {"upload_id": self.upload(file)}
        return {"url": file} if file.startswith("http") else {"upload_id": file}

    def source(self, file: str | Path) -> Json:
        return {f"{kind}s": [value] for kind, value in self.target(file).items()}

    def scan(self, target: str | Path, **more: Any) -> Json:
        return self.post("/v1/scans", {"target": self.target(target), **more})

    def job(self, job_id: str) -> Json:
        return self.get(f"/v1/jobs/{job_id}")

    def ended(self, job_id: str, limit_s: float = DONE_S) -> Json:
        """The job when it has ended, however; a server that is away is waited for."""

        def look() -> Json | None:
            with suppress(httpx2.TransportError):
                job = self.job(job_id)
                return job if job["state"] in FINAL else None
            return None

        return until(look, limit_s, lambda: (self.job(job_id), self.server.story()), 0.05)

    def succeeded(self, job_id: str, limit_s: float = DONE_S) -> Json:
        """The swap or scan with its result."""
        job = self.ended(job_id, limit_s)
        assert job["state"] == "succeeded", (job, self.server.story())
        return self.get(f"/v1/{job['kind']}s/{job_id}")

    def failed(self, job_id: str, limit_s: float = DONE_S) -> str:
        """The code of the error."""
        job = self.ended(job_id, limit_s)
        assert job["state"] == "failed", (job, self.server.story())
        return job["error"]["code"]

    def result(self, job_id: str) -> bytes:
        return self.http.get(f"/v1/jobs/{job_id}/result").raise_for_status().content

    def result_from_bucket(self, job_id: str) -> bytes:
        """By way of the link to which the server sends."""
        answer = self.http.get(f"/v1/jobs/{job_id}/result")
        assert answer.status_code == 307
        return httpx2.get(answer.headers["location"], timeout=DONE_S).raise_for_status().content

    def used_units(self) -> int:
        return self.get("/v1/usage")["used"]

    def deliveries(self, job_id: str) -> list[Json]:
        return self.get(f"/v1/webhooks/deliveries?job_id={job_id}")["items"]

    def list_all(self, what: str = "jobs") -> list[Json]:
        """All pages."""
        found, cursor = [], ""
        while True:
            page = self.get(f"/v1/{what}?limit=100{cursor}")
            found += page["items"]
            if not page["next"]:
                return found
            cursor = f"&cursor={page['next']}"

    # Over HTTP

    def get(self, path: str) -> Any:
        return self.http.get(path).raise_for_status().json()

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.is_success, (path, answer.status_code, answer.text, self.server.story())
        return answer.json()

    def delete(self, path: str) -> None:
        assert self.http.delete(path).raise_for_status().status_code == 204


def new_visitor(server: Server, settings: Settings, name: str = "visitor", **facts: Any) -> Visitor:
    """With a key of its own, made as ``lendface keys create`` makes it."""
    database = Database(settings.database)
    try:
        desk = SmallDesk(
            database, Sealer(settings.secret_ring[0]), lambda: time.time_ns() // 1_000_000
        )
        return Visitor(server, create_client(desk, name, **facts))
    finally:
        database.close()
