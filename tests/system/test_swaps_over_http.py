"""Files go in over HTTP, and right results come out: a real server, real workers, real faces."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import pytest

from lendface.pipeline.parts import Parts
from system.backstage import Backstage
from system.proofs import (
    content_of,
    is_film_of,
    is_signed,
    looks_like,
    looks_unchanged,
    saved,
    sounds,
)
from system.receivers import Receiver
from system.servers import DONE_S
from system.visitors import Json, Visitor

pytestmark = pytest.mark.services

TEN_DAYS_MS = 10 * 24 * 3600 * 1000


def test_a_film_comes_back_with_another_face_and_is_the_same_film(
    visitor: Visitor, back: Backstage, film: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    job = visitor.succeeded(visitor.swap(film, photo, notes={"order": 7})["id"])
    data = visitor.result(job["id"])
    result = saved(data, tmp_path / job["result"]["file_name"])
    is_film_of(result, film)
    looks_like(result, film, photo, parts)
    told = job["result"]
    assert (told["size"], told["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (told["frames"], told["fps"], told["content_type"]) == (50, 25.0, "video/mp4")
    assert (job["frames_done"], job["share"], job["units"]) == (50, 1.0, 1)
    assert job["notes"] == {"order": 7}
    assert [face["frames"] for face in job["swapped"]] == [50]
    assert back.charges(job["id"]) == [("charge", -1)]
    assert visitor.used_units() == 1
    assert len(back.results(job["id"])) == 1
    is_signed(result, back.server.folder)  # with the one certificate of all its workers
    assert back.temporary() == []


@pytest.mark.clips
def test_a_real_clip_comes_back_with_another_face_and_its_own_sound(
    visitor: Visitor, talking: Path, portrait: Path, parts: Parts, tmp_path: Path
) -> None:
    job = visitor.succeeded(visitor.swap(talking, portrait)["id"])
    result = saved(visitor.result(job["id"]), tmp_path / "result.mp4")
    is_film_of(result, talking)
    assert len(sounds(result)) == 1
    looks_like(result, talking, portrait, parts)


def test_the_same_request_gives_the_same_film(visitor: Visitor, film: Path, photo: Path) -> None:
    target, source = visitor.upload(film), visitor.upload(photo)
    jobs = [visitor.swap(target, source)["id"] for _ in range(2)]
    first, second = [visitor.result(visitor.succeeded(job)["id"]) for job in jobs]
    assert content_of(first) == content_of(second)
    assert first != second  # signed one after the other


def test_a_picture_is_swapped(
    visitor: Visitor, picture: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    job = visitor.succeeded(visitor.swap(picture, photo)["id"])
    assert (job["result"]["content_type"], job["result"]["duration_s"]) == ("image/png", None)
    assert (job["result"]["width"], job["result"]["height"], job["units"]) == (480, 480, 1)
    result = saved(visitor.result(job["id"]), tmp_path / "result.png")
    looks_like(result, picture, photo, parts)


def test_a_part_of_a_film_is_swapped(
    visitor: Visitor, film: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    job = visitor.succeeded(visitor.swap(film, photo, start_s=0.4, end_s=1.2)["id"])
    result = saved(visitor.result(job["id"]), tmp_path / "result.mp4")
    is_film_of(result, film, slice(10, 30))
    assert job["result"]["frames"] == 20
    with av.open(str(result)) as made:
        (sound,) = made.streams.audio
        assert abs(Fraction(sound.duration) * sound.time_base - Fraction(4, 5)) < Fraction(1, 10)


def test_two_people_get_two_faces(
    visitor: Visitor,
    two_people: Path,
    photo: Path,
    other_photo: Path,
    parts: Parts,
    tmp_path: Path,
) -> None:
    target = visitor.upload(two_people)
    cast = visitor.succeeded(visitor.scan(target)["id"])["faces"]
    left, right = sorted(cast, key=lambda face: face["best_box_xyxy"][0])
    pairs = [
        {"source": visitor.source(file), "who": {"faces": [face["face"]]}}
        for file, face in ((photo, left), (other_photo, right))
    ]
    body = {"target": {"upload_id": target}, "pairs": pairs}
    job = visitor.succeeded(visitor.post("/v1/swaps", body)["id"])
    result = saved(visitor.result(job["id"]), tmp_path / "result.mp4")
    is_film_of(result, two_people)
    looks_like(result, two_people, photo, parts, face=0)
    looks_like(result, two_people, other_photo, parts, face=1)


def test_of_two_people_the_other_one_stays(
    visitor: Visitor, two_people: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    target = visitor.upload(two_people)
    cast = visitor.succeeded(visitor.scan(target)["id"])["faces"]
    right = max(cast, key=lambda face: face["best_box_xyxy"][0])
    pairs = [{"source": visitor.source(photo), "who": {"faces": [right["face"]]}}]
    body = {"target": {"upload_id": target}, "pairs": pairs}
    job = visitor.succeeded(visitor.post("/v1/swaps", body)["id"])
    result = saved(visitor.result(job["id"]), tmp_path / "result.mp4")
    looks_like(result, two_people, photo, parts, face=1)
    looks_unchanged(result, two_people, parts, face=0)


def test_a_scan_tells_who_is_there_with_pictures_and_every_frame(
    visitor: Visitor, two_people: Path
) -> None:
    scan = visitor.succeeded(visitor.scan(two_people)["id"])
    assert (scan["frames"], scan["units"], scan["share"]) == (36, None, 1.0) or scan["units"] == 0
    assert [face["frames"] for face in scan["faces"]] == [36, 36]
    for face in scan["faces"]:
        pictures = [fetched(visitor, face[name]) for name in ("thumbnail_url", "portrait_url")]
        assert pictures[0].startswith(b"\xff\xd8")
        assert pictures[1].startswith(b"\x89PNG")
    frames, cursor = [], ""
    while cursor is not None:
        path = f"/v1/scans/{scan['id']}/tracks?limit=20" + (f"&cursor={cursor}" if cursor else "")
        page = visitor.get(path)
        frames, cursor = frames + page["items"], page["next"]
    assert [frame["frame"] for frame in frames] == list(range(36))
    assert all(len(frame["faces"]) == 2 for frame in frames)
    lines = visitor.http.get(
        f"/v1/scans/{scan['id']}/tracks", headers={"Accept": "application/x-ndjson"}
    )
    assert len(lines.text.splitlines()) == 36


def test_what_a_scan_knows_of_faces_lies_sealed(
    visitor: Visitor, back: Backstage, film: Path
) -> None:
    scan = visitor.succeeded(visitor.scan(film)["id"])
    place = back.job(scan["id"])["scan_key"]
    kept = (back.blobs / place / "tracks").read_bytes()
    assert kept.startswith(b"lf-seal1")
    assert b"lf-scan" not in kept


def fetched(visitor: Visitor, url: str) -> bytes:
    """By a link, without the key."""
    import httpx2

    return httpx2.get(url, timeout=DONE_S).raise_for_status().content


def test_a_person_of_a_scan_is_the_source_of_a_swap(
    visitor: Visitor, film: Path, picture: Path, parts: Parts, tmp_path: Path
) -> None:
    scan = visitor.succeeded(visitor.scan(picture)["id"])
    body = {
        "target": visitor.target(film),
        "pairs": [{"source": {"scan_id": scan["id"], "face": 1}}],
    }
    job = visitor.succeeded(visitor.post("/v1/swaps", body)["id"])
    result = saved(visitor.result(job["id"]), tmp_path / "result.mp4")
    looks_like(result, film, picture, parts)


def test_files_are_fetched_from_addresses(
    visitor: Visitor, receiver: Receiver, film: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    receiver.files = {"/film": film.read_bytes(), "/photo": photo.read_bytes()}
    ref = visitor.post("/v1/uploads", {"url": f"{receiver.url}/photo"})
    assert visitor.ended(ref["job_id"])["state"] == "succeeded"
    assert visitor.get(f"/v1/uploads/{ref['id']}")["state"] == "ready"
    job = visitor.succeeded(visitor.swap(f"{receiver.url}/film", ref["id"])["id"])
    result = saved(visitor.result(job["id"]), tmp_path / "result.mp4")
    is_film_of(result, film)
    looks_like(result, film, photo, parts)
    assert sorted(receiver.asked) == ["/film", "/photo"]


def test_an_address_that_gives_no_film_fails_the_job_and_tells_why(
    visitor: Visitor, receiver: Receiver, photo: Path, back: Backstage
) -> None:
    job = visitor.swap(f"{receiver.url}/nothing", photo)["id"]
    assert visitor.failed(job) == "url_bad_status"
    assert back.charges(job) == []
    other = visitor.http.post(
        "/v1/uploads", json={"url": f"http://127.0.0.2:{visitor.server.port}/healthz"}
    )
    assert (other.status_code, other.json()["code"]) == (422, "url_not_allowed")


def test_the_end_of_a_job_is_told_by_webhook_and_told_again_when_asked(
    visitor: Visitor, receiver: Receiver, picture: Path, photo: Path
) -> None:
    from standardwebhooks import Webhook

    endpoint = visitor.post("/v1/webhooks/endpoints", {"url": f"{receiver.url}/all"})
    own = visitor.get("/v1/webhooks/secret")["secret"]
    job = visitor.swap(picture, photo, webhook_url=f"{receiver.url}/job")["id"]
    job = visitor.succeeded(job)
    (of_job,) = receiver.until_told(1, "/job")
    (of_all,) = receiver.until_told(1, "/all")
    for letter, secret in ((of_job, own), (of_all, endpoint["secret"])):
        told = Webhook(secret).verify(letter.body, dict(letter.headers))
        assert told["type"] == "swap.succeeded"
        assert told["data"]["id"] == job["id"]
        assert told["data"]["result"] == job["result"]
    visitor.post(f"/v1/webhooks/deliveries/{of_job.id}/replay")
    again = receiver.until_told(2, "/job")[1]
    assert (again.id, again.body) == (of_job.id, of_job.body)
    assert again.headers["webhook-signature"] != ""
    Webhook(own).verify(again.body, dict(again.headers))


def test_a_receiver_that_fails_is_told_again(
    visitor: Visitor, receiver: Receiver, picture: Path
) -> None:
    receiver.status = 500
    job = visitor.scan(picture, webhook_url=f"{receiver.url}/job")["id"]
    (first,) = receiver.until_told(1)
    receiver.status = 200
    second = receiver.until_told(2)[1]  # five seconds later
    assert first.id == second.id
    visitor.succeeded(job)


def test_results_come_whole_or_in_parts(visitor: Visitor, film: Path, photo: Path) -> None:
    job = visitor.succeeded(visitor.swap(film, photo)["id"])
    path = f"/v1/jobs/{job['id']}/result"
    whole = visitor.http.get(path)
    data, size = whole.content, job["result"]["size"]
    head = visitor.http.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))
    assert head.headers["etag"] == whole.headers["etag"]
    assert head.headers["content-type"] == "video/mp4"
    for asked, piece in (("0-99", data[:100]), ("100-", data[100:]), ("-7", data[-7:])):
        part = visitor.http.get(path, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, piece)
    told = visitor.http.head(path, headers={"Range": "bytes=5-9"})
    assert (told.status_code, told.headers["content-range"]) == (206, f"bytes 5-9/{size}")
    other = {"Range": "bytes=0-9", "If-Range": '"other"'}
    assert visitor.http.get(path, headers=other).content == data
    beyond = visitor.http.get(path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")


def test_a_result_is_gone_when_its_time_is_over(
    visitor: Visitor, back: Backstage, picture: Path, photo: Path
) -> None:
    target, source = visitor.upload(picture), visitor.upload(photo)
    job = visitor.succeeded(visitor.swap(target, source)["id"])["id"]
    assert back.results(job) != []
    back.keep_house(TEN_DAYS_MS)
    gone = visitor.http.get(f"/v1/jobs/{job}/result")
    assert (gone.status_code, gone.json()["code"]) == (410, "result_gone")
    assert visitor.get(f"/v1/swaps/{job}")["result"] is None
    assert visitor.http.get(f"/v1/uploads/{target}").status_code == 404
    assert files_of(back, visitor) == []
    assert back.results(job) == back.chunks(job) == []


def test_what_is_deleted_is_off_the_disk(
    visitor: Visitor, back: Backstage, film: Path, photo: Path
) -> None:
    target, source = visitor.upload(film), visitor.upload(photo)
    scan = visitor.succeeded(visitor.scan(target)["id"])
    swap = visitor.succeeded(visitor.swap(target, source)["id"])
    links = [scan["faces"][0]["thumbnail_url"], scan["faces"][0]["portrait_url"]]
    assert len(files_of(back, visitor)) > 2
    for job in (scan, swap):
        visitor.delete(f"/v1/jobs/{job['id']}")
        assert visitor.http.get(f"/v1/jobs/{job['id']}").status_code == 404
    for upload in (target, source):
        visitor.delete(f"/v1/uploads/{upload}")
    assert files_of(back, visitor) == []
    assert back.results(swap["id"]) == back.chunks(swap["id"]) == []
    assert [visitor.http.get(link).status_code for link in links] == [404, 404]


def files_of(back: Backstage, visitor: Visitor) -> list[str]:
    """Uploads and what was found in them."""
    owner = visitor.client.client_id
    return [*back.keys(f"uploads/{owner}"), *back.keys(f"scans/{owner}")]


def test_nothing_of_all_this_is_an_error_to_the_server(
    visitor: Visitor, back: Backstage, film: Path
) -> None:
    """Runs last: a look at what the log and the processes say after the others."""
    lines = back.server.lines()
    assert [line for line in lines if line["level"] in ("error", "critical")] == []
    assert "Traceback" not in back.server.log.read_text()


__all__ = ["Json"]
