"""What Akool's clients are told of jobs: encrypted with the key, to the address a job came with."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from ...net.akool_crypto import akool_envelope
from ...service.clients import key_text_of
from ...service.jobs import get_row
from ...service.office import Letter, Message, Office
from ...service.states import FINAL
from .links import result_url
from .views import STATUS_BY_STATE, failure_of

API = "akool"
KEY_NOTE = "key"  # the id of the key that a job came with
START_NOTE = "tells_start"
NOT_REPEATED = ""  # for want of idempotency keys, no two requests are ever the same
STARTED, ENDED = "faceswap.processing", "faceswap.ended"

Row = Mapping[str, Any]


class AkoolForm:
    """Plays ``service.office.MessageForm`` and ``TellsStart``."""

    def start_messages(self, connection: sa.Connection, office: Office, job: Row) -> list[Message]:
        if not job["notes"].get(START_NOTE):
            return []
        return [message for message in (_message(job, STARTED),) if message]

    def messages(
        self, connection: sa.Connection, office: Office, job: Row, state: str
    ) -> list[Message]:
        """Of the end; a message of the start that was not taken yet is given up."""
        if state not in FINAL:
            return []
        return [message for message in (_message(job, ENDED, replaces=STARTED),) if message]

    def seal(self, office: Office, delivery: Row) -> Letter:
        """Encrypted and signed with the job's key, or where it has ended with the newest.

        Raises NotFoundError where no key is left, SealBrokenError.
        """
        secret = key_text_of(office, delivery["client_id"], _key_id_of(office, delivery))
        envelope = akool_envelope(
            delivery["client_id"],
            secret,
            delivery["body"].encode(),
            office.now_ms(),
            f"{secrets.randbelow(10_000):04d}",
        )
        body = json.dumps(envelope, separators=(",", ":")).encode()
        return Letter(body, {"content-type": "application/json"})


def _message(job: Row, event: str, replaces: str | None = None) -> Message | None:
    if job["kind"] != "swap" or not job["webhook_url"]:
        return None
    status = STATUS_BY_STATE[job["state"]]
    name = f"{API}_{job['id']}_{job['run']}_{status}"
    return Message(name, event, job["webhook_url"], plaintext_of(job), replaces=replaces)


def plaintext_of(job: Row) -> str:
    """What a receiver reads once it has decrypted it."""
    status = STATUS_BY_STATE[job["state"]]
    told: dict[str, Any] = {"_id": job["id"], "status": status, "type": "faceswap"}
    told["url"] = result_url(job) if status == 3 else ""
    if status == 3:
        told["deduction_credit"] = job["units"] or 0
    if status == 4:
        told["error_msg"] = failure_of(job)["error_msg"]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _key_id_of(office: Office, delivery: Row) -> str | None:
    with office.database.reading() as connection:
        return get_row(connection, delivery["job_id"])["notes"].get(KEY_NOTE)
