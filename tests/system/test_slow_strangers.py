"""Servers of strangers that take their time hold up their own client and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lendface.jobs.durable import SHARES
from lendface.jobs.work import FETCHING
from system.backstage import Backstage
from system.conftest import Admit
from system.receivers import Receiver
from system.visitors import Visitor

pytestmark = pytest.mark.services

MANY = 40


@pytest.fixture
def greedy(back: Backstage, admit: Admit) -> Visitor:
    return admit(back, "greedy", max_running=MANY)


def test_others_are_served_beside_files_that_do_not_come(
    greedy: Visitor, visitor: Visitor, receiver: Receiver, picture: Path
) -> None:
    receiver.files = {"/slow": bytes(1000), "/picture": picture.read_bytes()}
    comes = receiver.hold("/slow")
    slow = f"{receiver.url}/slow"
    uploads = [greedy.post("/v1/uploads", {"url": slow})["job_id"] for _ in range(MANY)]
    scans = [greedy.scan(slow)["id"] for _ in range(MANY)]
    receiver.until_asked("/slow", SHARES[FETCHING])
    visitor.succeeded(visitor.scan(f"{receiver.url}/picture")["id"])
    visitor.succeeded(visitor.scan(picture)["id"])
    greedy.succeeded(greedy.scan(picture)["id"])
    assert receiver.asked.count("/slow") == SHARES[FETCHING]
    comes.set()
    for job in uploads:
        assert greedy.ended(job)["state"] == "succeeded"
    for job in scans:
        assert greedy.failed(job) == "unreadable_media"


def test_others_are_told_beside_receivers_that_hang(
    greedy: Visitor, visitor: Visitor, receiver: Receiver
) -> None:
    answers = receiver.hold("/hangs")
    nowhere = f"{receiver.url}/nothing"
    for _ in range(MANY):
        greedy.scan(nowhere, webhook_url=f"{receiver.url}/hangs")
    receiver.until_told(1, "/hangs")
    visitor.scan(nowhere, webhook_url=f"{receiver.url}/told")
    receiver.until_told(1, "/told")
    endpoint = greedy.post("/v1/webhooks/endpoints", {"url": f"{receiver.url}/test"})["id"]
    greedy.post(f"/v1/webhooks/endpoints/{endpoint}/test")
    receiver.until_told(1, "/test")
    assert not answers.is_set()
