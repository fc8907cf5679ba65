from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from facades.belongings import FACE, FRAMES, finish_scan, send_upload, submit_scan
from lendface.facades.native.incoming import write_cursor
from lendface.service.office import Office
from service.offices import change_job


@pytest.fixture
def scan(me: TestClient) -> str:
    return submit_scan(me, send_upload(me))


def test_a_scan_tells_the_cast_with_pictures(
    me: TestClient, nobody: TestClient, office: Office, scan: str
) -> None:
    early = me.get(f"/v1/scans/{scan}").json()
    assert (early["state"], early["frames"], early["faces"]) == ("queued", None, [])
    finish_scan(office, scan)
    told = me.get(f"/v1/scans/{scan}").json()
    (face,) = told["faces"]
    assert (told["frames"], face["face"], face["hardness"]) == (3, 1, "easy")
    assert face["landmarks_xy"] == FACE["landmarks_xy"]
    assert nobody.get(face["thumbnail_url"]).content == b"a thumbnail"
    portrait = nobody.get(face["portrait_url"])
    assert (portrait.content, portrait.headers["content-type"]) == (b"a portrait", "image/png")
    assert nobody.get(face["thumbnail_url"]).headers["content-type"] == "image/jpeg"


def test_somebody_whom_a_damaged_film_showed_once_has_no_picture(
    me: TestClient, office: Office, scan: str
) -> None:
    finish_scan(office, scan, has_pictures=False)
    (face,) = me.get(f"/v1/scans/{scan}").json()["faces"]
    assert (face["thumbnail_url"], face["portrait_url"]) == (None, None)
    pair = {"source": {"scan_id": scan, "face": 1}}
    body = {"target": {"url": "https://example.org/a.mp4"}, "pairs": [pair]}
    refused = me.post("/v1/swaps", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "no_such_person")


def test_tracks_come_in_pages_or_as_lines(me: TestClient, office: Office, scan: str) -> None:
    path = f"/v1/scans/{scan}/tracks"
    assert me.get(path).json()["code"] == "result_not_ready"
    finish_scan(office, scan)
    first = me.get(path, params={"limit": 2}).json()
    second = me.get(path, params={"limit": 2, "cursor": first["next"]}).json()
    assert first["items"] + second["items"] == FRAMES
    assert second["next"] is None
    lines = me.get(path, headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()] == FRAMES


def test_many_frames_are_paged_without_a_gap(me: TestClient, office: Office, scan: str) -> None:
    frames = [FRAMES[0] | {"frame": number} for number in range(40_000)]
    finish_scan(office, scan, frames)
    found, cursor = 0, None
    while found == 0 or cursor:
        params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        page = me.get(f"/v1/scans/{scan}/tracks", params=params).json()
        numbers = [item["frame"] for item in page["items"]]
        assert numbers == list(range(found, found + 200))
        found, cursor = found + 200, page["next"]
        if found == 1000:  # the rest is as long as its lines
            break
    assert found == 1000


def test_a_scan_of_nobody_has_no_tracks(me: TestClient, office: Office, scan: str) -> None:
    finish_scan(office, scan, [])
    assert me.get(f"/v1/scans/{scan}/tracks").json() == {"items": [], "next": None}


@pytest.mark.parametrize("byte", [1, 10**6])
def test_a_cursor_into_the_middle_of_a_line_is_refused(
    me: TestClient, office: Office, scan: str, byte: int
) -> None:
    finish_scan(office, scan)
    answer = me.get(f"/v1/scans/{scan}/tracks", params={"cursor": write_cursor((byte, ""))})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_option")


def test_tracks_go_with_their_scan(me: TestClient, office: Office, scan: str) -> None:
    finish_scan(office, scan)
    change_job(office, scan, purged_ms=1)
    answer = me.get(f"/v1/scans/{scan}/tracks")
    assert (answer.status_code, answer.json()["code"]) == (410, "result_gone")
