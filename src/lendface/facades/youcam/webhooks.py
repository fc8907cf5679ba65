"""What clients of this API are told: a task's id and how it ended, no more.

Signed by Standard Webhooks, version 1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...net.signatures import standard_headers
from ...service.endpoints import enabled_endpoints, read_secret
from ...service.office import Letter, Message, Office
from .status import SUCCESS, feature_of, status_of
from .terms import API

TYPE = "task"
MARK = "#"  # after it, which endpoint a message goes to: our ids are each there once
MARK_LENGTH = 16

Row = Mapping[str, Any]


class YouCamForm:
    """Plays ``service.office.MessageForm`` and ``TellsTest``."""

    def messages(
        self, connection: sa.Connection, office: Office, job: Row, state: str
    ) -> list[Message]:
        """One to each of the account's endpoints."""
        if feature_of(job) is None:
            return []
        now_s = office.now_ms() // 1000
        body = write_body(now_s, job["alias"], status_of(job))
        return [
            Message(
                f"msg_{job['alias']}:{now_s}{MARK}{endpoint['id'][-MARK_LENGTH:]}",
                TYPE,
                endpoint["url"],
                body,
                endpoint["id"],
            )
            for endpoint in enabled_endpoints(connection, job["client_id"], API)
        ]

    def write_test(self, now_ms: int, endpoint_id: str) -> str:
        """Of a task that nobody knows."""
        return write_body(now_ms // 1000, endpoint_id, SUCCESS)

    def seal(self, office: Office, delivery: Row) -> Letter:
        body = delivery["body"].encode()
        secret = read_secret(office, delivery["endpoint_id"] or "")
        headers = standard_headers(
            [secret], message_id_of(delivery["id"]), office.now_ms() // 1000, body
        )
        return Letter(body, {"content-type": "application/json", **headers})


def write_body(created_s: int, task_id: str, status: str) -> str:
    """Minified; receivers verify these very bytes."""
    data = {"task_id": task_id, "task_status": status}
    return json.dumps({"created_at": created_s, "data": data}, separators=(",", ":"))


def message_id_of(delivery_id: str) -> str:
    """The header ``webhook-id`` of a delivery.

    >>> message_id_of("msg_AbC:1790000000#0a1b")
    'msg_AbC:1790000000'
    """
    return delivery_id.partition(MARK)[0]
