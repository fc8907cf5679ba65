"""What YouCam's clients do all day, with a real server, real workers and real people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
from standardwebhooks import Webhook

from facades.youcam.customers import FACES, IMAGE, V2, VIDEO, Customer, failure_of
from lendface.pipeline.parts import Parts
from lendface.service.clients import NewClient, revoke_client
from lendface.storage.tables import jobs, uploads
from make_media import video_times
from material import Material
from people import SHARED_MEDIA, beside, read_person, swaying, write_film, write_photo
from system.backstage import Backstage, backstage
from system.proofs import is_film_of, is_signed, looks_like, looks_unchanged, saved
from system.receivers import Receiver, receiving
from system.servers import Server, serving, until
from system.visitors import new_visitor

CLIP = SHARED_MEDIA / "clips" / "s03_talk_woman_longhair.mp4"
FACE = SHARED_MEDIA / "portraits" / "p01_syn_f35_brown.jpg"
WAIT_S = 300.0
SIDE_PX = 240
DAY_MS = 24 * 3600 * 1000
INVALID = 400, "InvalidParameters"
UNKNOWN = 400, "InvalidTaskId"
TYPES = {".mp4": "video/mp4", ".png": "image/png", ".jpg": "image/jpeg", ".mov": "video/quicktime"}

pytestmark = pytest.mark.services


def with_clips(test: Any) -> Any:
    reason = "the shared test clips are not here"
    return pytest.mark.clips(pytest.mark.skipif(not CLIP.is_file(), reason=reason)(test))


Json = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Shop:
    """A running server, and a client of it that has units."""

    server: Server
    back: Backstage
    client: NewClient
    customer: Customer

    def send(self, path: Path, content_type: str | None = None) -> str:
        return self.customer.upload(path.read_bytes(), content_type or TYPES[path.suffix])

    def begin(self, film: Path | str, face: Path | str, seconds: int = 5) -> str:
        """Files by path are sent first; addresses stay what they are."""
        body: Json = {"dst_duration": seconds}
        for name, file in (("src", film), ("ref", face)):
            kind, value = ("url", file) if isinstance(file, str) else ("id", self.send(file))
            body[f"{name}_file_{kind}"] = value
        return self.customer.begin(VIDEO, body)

    def ended(self, task_id: str, feature: str = VIDEO) -> Json:
        """``data`` of the poll that no longer says running."""

        def look() -> Json | None:
            try:
                status = self.customer.status(task_id, feature)
            except httpx2.TransportError:  # the server is away for a moment
                return None
            return status if status["task_status"] != "running" else None

        return until(look, WAIT_S, self.server.story, 0.05)

    def error(self, task_id: str, feature: str = VIDEO) -> str:
        status = self.ended(task_id, feature)
        assert status["task_status"] == "error", status
        assert status["error_message"]
        return status["error"]

    def download(self, task_id: str, path: Path, feature: str = VIDEO) -> Path:
        status = self.ended(task_id, feature)
        assert status["task_status"] == "success", (status, self.server.story())
        answer = httpx2.get(status["results"]["url"], timeout=WAIT_S)  # without a key
        result = saved(answer.raise_for_status().content, path)
        is_signed(result, self.server.folder)
        return result

    def charges(self, task_id: str) -> list[tuple[str, int]]:
        (job,) = self.back.rows(jobs, jobs.c.alias == task_id)
        return self.back.charges(job["id"])

    def change(self, table: Any, where: Any, **values: Any) -> None:
        """What time would do."""
        with self.back.built.office.database.writing() as connection:
            connection.execute(table.update().where(where).values(**values))


@contextmanager
def open_shop(folder: Path, units: int = 1000, **settings: str) -> Iterator[Shop]:
    """Polls here come more often than the vendor lets them."""
    settings["youcam_max_requests"] = "1000000"
    with serving(folder, **settings) as server, backstage(server) as back:
        visitor = new_visitor(server, back.settings, "a shop", quota_units=units)
        try:
            yield Shop(server, back, visitor.client, Customer(visitor.http))
        finally:
            visitor.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop") / "data"
    with open_shop(folder, max_upload_mb="8") as shop:
        yield shop


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


def person(who: str, count: int, side_px: int = SIDE_PX) -> list[Any]:
    return swaying(read_person(who, side_px=side_px), count, reach_px=4)


@pytest.fixture(scope="module")
def film(folder: Path) -> Path:
    """P005 for a second, with a tone."""
    return write_film(folder / "film.mp4", person("P005", 25), with_tone=True)


@pytest.fixture(scope="module")
def photo(folder: Path) -> Path:
    return write_photo(folder / "p003.png", read_person("P003"))


@pytest.fixture(scope="module")
def duo(folder: Path) -> Path:
    """P010 on the left, P005 on the right."""
    both = np.hstack([read_person("P010"), read_person("P005")])
    return write_photo(folder / "duo.png", both)


# Success


@with_clips
def test_a_talking_clip_is_declared_sent_swapped_polled_and_downloaded(
    shop: Shop, parts: Parts, tmp_path: Path
) -> None:
    before = shop.customer.credit()
    task_id = shop.begin(CLIP, FACE, seconds=3)
    result = shop.download(task_id, tmp_path / "result.mp4")
    is_film_of(result, CLIP)
    looks_like(result, CLIP, FACE, parts)
    assert shop.customer.credit() == before - 1
    assert shop.charges(task_id) == [("charge", -1)]
    assert shop.customer.history()["history"][0]["target_id"] == task_id


@with_clips
def test_a_webhook_tells_instead_of_polls(shop: Shop, receiver: Receiver) -> None:
    body = {"url": f"{receiver.url}/told", "api": "youcam"}
    endpoint = shop.customer.http.post("/v1/webhooks/endpoints", json=body).json()
    good = shop.begin(CLIP, FACE, seconds=3)
    bad = shop.begin(CLIP, CLIP, seconds=3)
    told = {}
    for letter in receiver.until_told(2):
        verified = Webhook(endpoint["secret"]).verify(letter.body, dict(letter.headers))
        told[verified["data"]["task_id"]] = verified["data"]["task_status"]
        created = verified["created_at"]
        assert letter.id == f"msg_{verified['data']['task_id']}:{created}"
        assert json.dumps(verified, separators=(",", ":")).encode() == letter.body
    assert told == {good: "success", bad: "error"}
    assert shop.customer.status(good)["task_status"] == "success"  # the first poll of all
    assert shop.customer.status(bad)["error"] == "error_decode_image"
    shop.customer.http.delete(f"/v1/webhooks/endpoints/{endpoint['id']}").raise_for_status()


def test_files_come_from_urls(
    shop: Shop, receiver: Receiver, film: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    receiver.files |= {"/film.mp4": film.read_bytes(), "/face.png": photo.read_bytes()}
    task_id = shop.begin(f"{receiver.url}/film.mp4", f"{receiver.url}/face.png")
    result = shop.download(task_id, tmp_path / "result.mp4")
    is_film_of(result, film)
    looks_like(result, film, photo, parts)


def test_a_result_is_no_larger_than_the_vendors(shop: Shop, photo: Path, tmp_path: Path) -> None:
    large = write_film(tmp_path / "large.mp4", person("P005", 5, side_px=1440))
    result = shop.download(shop.begin(large, photo), tmp_path / "result.mp4")
    with av.open(str(result)) as made:
        video = made.streams.video[0]
        assert (video.width, video.height, video.codec.name) == (1280, 1280, "h264")


@pytest.mark.parametrize(("seconds", "frames"), [(1, 25), (2, 62), (3, 62)])
def test_a_film_is_cut_to_its_duration_unless_it_is_hardly_longer(
    shop: Shop, photo: Path, folder: Path, tmp_path: Path, seconds: int, frames: int
) -> None:
    """The film lasts 2.48 s."""
    film = folder / "longer.mp4"
    if not film.exists():
        write_film(film, person("P005", 62))
    task_id = shop.begin(film, photo, seconds)
    assert len(video_times(shop.download(task_id, tmp_path / "result.mp4"))) == frames
    assert shop.charges(task_id) == [("charge", -1)]


def test_one_face_of_a_picture_is_swapped(
    shop: Shop, duo: Path, photo: Path, parts: Parts, tmp_path: Path
) -> None:
    source, reference = shop.send(duo), shop.send(photo)
    found = shop.customer.begin(FACES, {"src_file_id": source})
    faces = shop.ended(found, FACES)["results"]["faces"]
    (x0, _, x1, _), (x2, _, x3, _) = [face["bbox"] for face in faces]
    assert x0 < x1 < 480 < x2 < x3
    mapping = [{"index": -1, "position": -1}, {"index": 0, "position": 1}]
    body = {"src_file_id": source, "ref_file_ids": [reference], "face_mapping": mapping}
    task_id = shop.customer.begin(IMAGE, body)
    result = shop.download(task_id, tmp_path / "result.png", IMAGE)
    looks_like(result, duo, photo, parts, face=1)
    looks_unchanged(result, duo, parts, face=0)
    assert shop.charges(task_id) == [("charge", -1)]


# Failures of tasks


def test_a_film_without_a_face(shop: Shop, photo: Path, material: Material, folder: Path) -> None:
    import cv2

    still = np.ascontiguousarray(cv2.imread(str(material.landscape))[..., ::-1])
    film = write_film(folder / "landscape.mp4", [still] * 10)
    task_id = shop.begin(film, photo)
    assert shop.error(task_id) == "error_no_face"
    assert shop.charges(task_id) == []


def test_a_photo_without_a_face(shop: Shop, film: Path, material: Material) -> None:
    assert shop.error(shop.begin(film, material.landscape)) == "error_no_face"


def test_a_photo_with_two_faces(shop: Shop, film: Path, duo: Path) -> None:
    assert shop.error(shop.begin(film, duo)) == "error_multiple_people"


def test_a_film_with_two_people(shop: Shop, photo: Path, folder: Path) -> None:
    film = write_film(folder / "two.mp4", beside(person("P005", 12), person("P010", 12)))
    task_id = shop.begin(film, photo)
    assert shop.error(task_id) == "error_multiple_people"
    assert shop.charges(task_id) == []


def test_a_film_that_is_too_long(shop: Shop, photo: Path, folder: Path) -> None:
    small = [frame[:64, :64] for frame in person("P005", 31)]
    seconds = [12_800 * number for number in range(31)] + [12_800 * 31]
    film = write_film(folder / "long.mp4", [*small, small[0]], pts=seconds)
    assert shop.error(shop.begin(film, photo, seconds=30)) == "error_unsupported_video"


def test_a_film_with_too_many_frames_a_second(shop: Shop, photo: Path, folder: Path) -> None:
    times = [256 * number for number in range(25)]
    film = write_film(folder / "fast.mp4", person("P005", 25), pts=times)
    assert shop.error(shop.begin(film, photo)) == "error_unsupported_video"


def test_a_film_that_is_too_large(shop: Shop, receiver: Receiver, photo: Path) -> None:
    """This server takes 8 MiB in all; declared, such a file is refused at once."""
    receiver.files["/large.mp4"] = bytes(9 << 20)
    task_id = shop.begin(f"{receiver.url}/large.mp4", photo)
    assert shop.error(task_id) == "exceed_max_filesize"
    file = {"content_type": "video/mp4", "file_name": "a.mp4", "file_size": 100 * (1 << 20) + 1}
    answer = shop.customer.http.post(f"{V2}/file", json={"files": [file]})
    assert failure_of(answer) == INVALID


def test_a_file_that_is_no_film(shop: Shop, photo: Path, folder: Path) -> None:
    noise = folder / "noise.mp4"
    noise.write_bytes(np.random.default_rng(1).bytes(5000))
    assert shop.error(shop.begin(noise, photo)) == "error_decode_video"
    still = folder / "still.mp4"
    still.write_bytes(photo.read_bytes())
    assert shop.error(shop.begin(still, photo)) == "error_unsupported_video"


def test_a_codec_that_is_not_taken(shop: Shop, photo: Path, folder: Path) -> None:
    path = folder / "hevc.mp4"
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream("libx265", rate=Fraction(25))
        video.width = video.height = SIDE_PX
        video.options = {"x265-params": "log-level=none"}
        for pixels in person("P005", 10):
            target.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels))))
        target.mux(video.encode(None))
    assert shop.error(shop.begin(path, photo)) == "error_unsupported_video"


def test_a_reference_that_is_no_photo_or_too_wide(shop: Shop, film: Path, folder: Path) -> None:
    assert shop.error(shop.begin(film, film)) == "error_decode_image"
    wide = np.zeros((16, 4100, 3), np.uint8)
    photo = write_photo(folder / "wide.png", wide)
    assert shop.error(shop.begin(film, photo)) == "error_exceed_max_image_size"


@pytest.mark.parametrize(
    ("film_path", "face_path", "code"),
    [("nowhere", "face", "error_download_video"), ("film", "nowhere", "error_download_image")],
)
def test_a_url_that_gives_nothing(
    shop: Shop,
    receiver: Receiver,
    film: Path,
    photo: Path,
    film_path: str,
    face_path: str,
    code: str,
) -> None:
    receiver.files |= {"/film": film.read_bytes(), "/face": photo.read_bytes()}
    task_id = shop.begin(f"{receiver.url}/{film_path}", f"{receiver.url}/{face_path}")
    assert shop.error(task_id) == code


def test_a_picture_without_faces(shop: Shop, material: Material) -> None:
    task_id = shop.customer.begin(FACES, {"src_file_id": shop.send(material.landscape)})
    assert shop.error(task_id, FACES) == "error_no_face"


def test_a_position_that_is_not_there(shop: Shop, duo: Path, photo: Path) -> None:
    mapping = [{"index": 0, "position": 5}]
    body = {
        "src_file_id": shop.send(duo),
        "ref_file_ids": [shop.send(photo)],
        "face_mapping": mapping,
    }
    assert shop.error(shop.customer.begin(IMAGE, body), IMAGE) == "invalid_parameter"


# Failures of requests


def refused(shop: Shop, film: str, photo: Path) -> tuple[int, str]:
    body = {"src_file_id": film, "ref_file_id": shop.send(photo), "dst_duration": 5}
    return failure_of(shop.customer.http.post(f"{V2}/task/{VIDEO}", json=body))


def test_a_file_of_another_type_or_size_or_not_sent(shop: Shop, film: Path, photo: Path) -> None:
    file = {"content_type": "text/html", "file_name": "a.html", "file_size": 7}
    answer = shop.customer.http.post(f"{V2}/file", json={"files": [file]})
    assert failure_of(answer) == INVALID
    data = film.read_bytes()
    declared = shop.customer.declare(data)
    (request,) = declared["requests"]
    for body, kind in ((data, "image/png"), (data[:-1], "video/mp4"), (data + b"x", "video/mp4")):
        sent = httpx2.put(request["url"], content=body, headers={"Content-Type": kind})
        assert sent.status_code == 403
    assert refused(shop, declared["file_id"], photo) == INVALID


def test_a_file_that_has_expired(shop: Shop, film: Path, photo: Path) -> None:
    file_id = shop.send(film)
    (row,) = shop.back.rows(uploads, uploads.c.id == file_id)
    assert row["expires_ms"] == row["created_ms"] + 30 * DAY_MS
    shop.change(uploads, uploads.c.id == file_id, expires_ms=row["created_ms"])
    assert refused(shop, file_id, photo) == INVALID


def test_a_task_that_is_unknown_expired_or_deleted(shop: Shop, film: Path, photo: Path) -> None:
    assert failure_of(shop.customer.poll("A" * 64)) == UNKNOWN
    expired, deleted = (shop.begin(film, photo) for _ in range(2))
    assert failure_of(shop.customer.delete(deleted)) == (400, "OperationInvalid")
    url = shop.ended(deleted)["results"]["url"]
    assert shop.customer.delete(deleted).json() == {"status": 200}
    assert failure_of(shop.customer.poll(deleted)) == UNKNOWN
    assert httpx2.get(url).status_code == 404
    shop.ended(expired)
    shop.change(jobs, jobs.c.alias == expired, expires_ms=1)
    assert failure_of(shop.customer.poll(expired)) == UNKNOWN


def test_a_client_out_of_units_and_one_that_was_revoked(
    shop: Shop, film: Path, photo: Path
) -> None:
    visitor = new_visitor(shop.server, shop.back.settings, "poor", quota_units=1)
    poor = Shop(shop.server, shop.back, visitor.client, Customer(visitor.http))
    try:
        body = {"src_file_id": poor.send(film), "ref_file_id": poor.send(photo)}
        answer = poor.customer.http.post(f"{V2}/task/{VIDEO}", json=body | {"dst_duration": 30})
        assert failure_of(answer) == (400, "CreditInsufficiency")
        task_id = poor.customer.begin(VIDEO, body | {"dst_duration": 5})
        assert poor.ended(task_id)["task_status"] == "success"
        assert poor.customer.credit() == 0
        revoke_client(shop.back.built.office, visitor.client.client_id)
        assert failure_of(poor.customer.poll(task_id)) == (401, "InactiveApiKey")
    finally:
        visitor.close()


# Crashes


@pytest.mark.parametrize("victim", ["worker", "everything"])
def test_who_is_killed_in_the_middle_finishes_the_task_and_charges_once(
    tmp_path: Path, photo: Path, victim: str
) -> None:
    """The client only polls on."""
    film = write_film(tmp_path / "film.mp4", person("P005", 150), with_tone=True)
    with open_shop(tmp_path / "data", units=10) as shop:
        task_id = shop.begin(film, photo, seconds=6)
        (job,) = shop.back.rows(jobs, jobs.c.alias == task_id)
        shop.back.until_task(job["id"], "chunk/1")
        if victim == "worker":
            shop.server.kill_worker("cpu-0")
        else:
            shop.server.kill_all()
            shop.server.start()
        result = shop.download(task_id, tmp_path / "result.mp4")
        is_film_of(result, film)
        assert shop.charges(task_id) == [("charge", -2)]
        assert shop.customer.credit() == 8
        assert len(shop.customer.history()["history"]) == 1
