"""What the native API tells its clients about jobs, in the form of Standard Webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...net.signatures import standard_headers
from ...service.clients import webhook_secret_of
from ...service.endpoints import enabled_endpoints, read_secret
from ...service.office import Letter, Message, Office
from .views import at, ended_progress, job_view, swap_view

Row = Mapping[str, Any]

API = "native"
TOLD_OF = ("swap", "scan")  # a fetch is a part of something, and can be asked for


class NativeForm:
    """Plays ``service.office.MessageForm`` and ``TellsTest``."""

    def messages(
        self, connection: sa.Connection, office: Office, job: Row, state: str
    ) -> list[Message]:
        """One to the job's own address, and one to each of the client's endpoints."""
        if job["kind"] not in TOLD_OF:
            return []
        event = f"{job['kind']}.{state}"
        body = write_body(event, office.now_ms(), job_data(job))
        name = f"msg_{job['id']}_{job['run']}_{state}"
        messages = [
            Message(f"{name}_{endpoint['id']}", event, endpoint["url"], body, endpoint["id"])
            for endpoint in enabled_endpoints(connection, job["client_id"], API)
        ]
        if job["webhook_url"]:
            messages.insert(0, Message(name, event, job["webhook_url"], body))
        return messages

    def write_test(self, now_ms: int, endpoint_id: str) -> str:
        return write_body("endpoint.test", now_ms, {"endpoint_id": endpoint_id})

    def seal(self, office: Office, delivery: Row) -> Letter:
        """Signed with the endpoint's secret, or the client's for a job's own address."""
        if delivery["endpoint_id"]:
            secret = read_secret(office, delivery["endpoint_id"])
        else:
            secret = webhook_secret_of(office, delivery["client_id"])
        body = delivery["body"].encode()
        signed = standard_headers([secret], delivery["id"], office.now_ms() // 1000, body)
        return Letter(body, {"content-type": "application/json", **signed})


def job_data(job: Row) -> dict[str, Any]:
    """The job as ``GET /v1/swaps/ID`` or ``/v1/jobs/ID`` tells it."""
    view = swap_view if job["kind"] == "swap" else job_view
    return view(job, ended_progress(job)).model_dump(mode="json")


def write_body(event: str, now_ms: int, data: Mapping[str, Any]) -> str:
    told = {
        "type": event,
        "timestamp": at(now_ms).isoformat().replace("+00:00", "Z"),
        "data": data,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
