"""Who took a result is in the audit log, once for each time it is asked for from its beginning."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from facades.belongings import finish_swap, send_upload, submit_swap
from lendface.service.audit import read, verify
from lendface.service.office import Office


@pytest.fixture
def job(me: TestClient, office: Office) -> str:
    """It has succeeded."""
    made = submit_swap(me, send_upload(me))
    finish_swap(office, made)
    return made


def downloads(office: Office) -> list[tuple[str | None, str, str]]:
    """The job, who took it, and how."""
    return [
        (entry.subject, "client" if entry.actor == entry.client_id else entry.actor, way)
        for entry in read(office.database)
        if entry.action == "job.downloaded" and (way := entry.detail["way"])
    ]


def test_a_download_is_an_entry(me: TestClient, office: Office, job: str) -> None:
    assert me.get(f"/v1/jobs/{job}/result").status_code == 200
    assert downloads(office) == [(job, "client", "key")]
    assert verify(office.database).holds


def test_the_parts_a_player_asks_for_are_one_download(
    me: TestClient, office: Office, job: str
) -> None:
    for part in ("bytes=0-3", "bytes=4-", "bytes=-2"):
        assert me.get(f"/v1/jobs/{job}/result", headers={"Range": part}).status_code == 206
    assert len(downloads(office)) == 1


def test_a_look_without_the_file_and_a_refusal_are_none(
    me: TestClient, other: TestClient, office: Office, job: str
) -> None:
    assert me.head(f"/v1/jobs/{job}/result").status_code == 200
    assert other.get(f"/v1/jobs/{job}/result").status_code == 404
    assert downloads(office) == []


def test_a_download_by_a_link_is_its_holders(
    nobody: TestClient, me: TestClient, office: Office, job: str
) -> None:
    link = office.links.presign_get(f"results/{job}/result.mp4", 60, office.now_s)
    assert nobody.get(link).status_code == 200
    assert downloads(office) == [(job, "link holder", "link")]


def test_links_to_other_files_are_no_downloads(nobody: TestClient, office: Office) -> None:
    for key in ("scans/a/b/face-1.jpg", "results/unknown/result.mp4"):
        office.blobs.put(key, [b"data"])
        link = office.links.presign_get(key, 60, office.now_s)
        assert nobody.get(link).status_code == 200
    assert downloads(office) == []
