"""Files and bodies made to do harm: refused before they are read whole, and no memory is lost."""

from __future__ import annotations

import io
import socket
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import httpx2
import pytest

from make_media import make_video
from pipeline.test_limits import (
    giant_film,
    jpeg_claiming,
    patched,
    png_claiming,
    reference_files,
)
from system.backstage import Backstage
from system.memory import MIB, watched
from system.receivers import Receiver
from system.servers import DONE_S, until
from system.visitors import Visitor

pytestmark = pytest.mark.services

GROWTH_MIB = 200  # of a process, its models and all
INSPECTOR_MIB = 1300

BIG, LONG, QUICK = "media_too_many_pixels", "media_too_long", "media_frame_rate"
BROKEN, MANY, KIND = "unreadable_media", "media_too_many_frames", "media_wrong_kind"
NOBODY = "no_face_in_target"


def bombs(folder: Path, url: str) -> dict[str, tuple[bytes, set[str]]]:
    """By name: the file, and the codes of which one is right."""
    film = make_video(folder / "film.mp4", 25).read_bytes()
    count = 120_000_000
    index = patched(film, b"stsz", 8, (1, count), ">II")
    index = patched(index, b"stsc", 12, (1, count, 1), ">III")
    index = patched(index, b"stts", 8, (1, count, 1), ">III")
    references = reference_files(folder / "film.mp4", url)
    return {
        "archive.mp4": (archive(), {BROKEN}),
        "giant.png": (png_claiming(100_000, 100_000), {BIG}),
        "giant.jpg": (jpeg_claiming(65_000, 65_000), {BIG}),
        "giant.mp4": (giant_film(folder / "giant.mp4").read_bytes(), {BIG}),
        "liar.mp4": (
            patched(giant_film(folder / "liar.mp4").read_bytes(), b"avc1", 28, (64, 48), ">HH"),
            {BIG},
        ),
        "index.mp4": (index, {BROKEN, MANY}),
        "quick.mp4": (
            make_video(
                folder / "quick.mp4", pts=list(range(500)), time_base=Fraction(1, 90_000)
            ).read_bytes(),
            {QUICK},
        ),
        "slow.mp4": (
            make_video(folder / "slow.mp4", pts=[0, 512, 512 * 25 * 36_000]).read_bytes(),
            {LONG},
        ),
        # The reader believes its packets and not the header: a second without a face.
        "ten_hours.mp4": (patched(film, b"mvhd", 20, (36_000_000,), ">I"), {LONG, NOBODY}),
        "still.mp4": (patched(film, b"stts", 8, (1, 25, 0), ">III"), {BROKEN, QUICK, NOBODY}),
        "list.mp4": (references["hls"], {BROKEN}),
        "concat.mp4": (references["concat"], {BROKEN}),
        "dash.mp4": (references["dash"], {BROKEN}),
        "drawing.mp4": (references["svg"], {BROKEN}),
    }


def archive() -> bytes:
    """A gigabyte of nothing in a megabyte."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("film.mp4", bytes(1 << 30))
    return packed.getvalue()


def test_files_that_lie_fail_their_jobs_and_nothing_else(
    visitor: Visitor, back: Backstage, receiver: Receiver, picture: Path, photo: Path, films: Path
) -> None:
    folder = films / "bombs"
    folder.mkdir()
    made = bombs(folder, receiver.url)
    source = visitor.upload(photo)
    visitor.succeeded(visitor.swap(picture, source)["id"])
    before = back.server.processes()
    with watched(back.server) as peaks:
        jobs = {
            name: visitor.swap(visitor.upload_bytes(name, data), source)["id"]
            for name, (data, _) in made.items()
        }
        photos = {
            name: visitor.swap(picture, visitor.upload_bytes(name, made[name][0]))["id"]
            for name in ("giant.png", "giant.jpg", "archive.mp4", "list.mp4")
        }
        codes = {name: visitor.failed(job) for name, job in jobs.items()}
        of_photos = {name: visitor.failed(job) for name, job in photos.items()}
    assert {name: code for name, code in codes.items() if code not in made[name][1]} == {}
    assert of_photos == {
        "giant.png": BIG,
        "giant.jpg": BIG,
        "archive.mp4": KIND,
        "list.mp4": KIND,
    }
    assert back.server.processes() == before  # nobody had to be started again
    growth = peaks.growth()
    inspector = growth.pop("children")
    assert max(growth.values()) < GROWTH_MIB, growth
    assert inspector < INSPECTOR_MIB
    assert receiver.asked == []
    assert visitor.used_units() == 1
    visitor.succeeded(visitor.swap(picture, source)["id"])


ENDLESS_MIB = 400


def endless(sent: list[int]) -> Iterator[bytes]:
    for _ in range(ENDLESS_MIB):
        sent[0] += 1
        yield bytes(MIB)


def test_a_body_without_end_is_cut_off(visitor: Visitor, back: Backstage) -> None:
    """No length is said when it is sent."""
    made = visitor.declare("small.mp4", 1024)
    link, sent = made["upload"], [0]
    with watched(back.server) as peaks, suppress(httpx2.TransportError):
        headers = {"Content-Type": link["headers"]["Content-Type"]}
        answer = httpx2.put(link["url"], content=endless(sent), headers=headers, timeout=DONE_S)
        assert answer.json()["code"] in ("signature_invalid", "upload_mismatch")
    assert sent[0] < ENDLESS_MIB / 2
    assert peaks.growth()["serve"] < GROWTH_MIB
    until(lambda: sum(path.stat().st_size for path in back.temporary()) <= 1024)
    assert visitor.get(f"/v1/uploads/{made['id']}")["state"] == "waiting"


def test_what_follows_a_kilobyte_that_was_said_is_not_taken(
    visitor: Visitor, back: Backstage
) -> None:
    made = visitor.declare("small.mp4", 1024)
    url = httpx2.URL(made["upload"]["url"])
    lines = [f"PUT {url.raw_path.decode()} HTTP/1.1", f"Host: {url.host}:{url.port}"]
    lines += [f"{name}: {value}" for name, value in made["upload"]["headers"].items()]
    sent = [0]
    with (
        watched(back.server) as peaks,
        socket.create_connection((url.host, url.port), DONE_S) as line,
        suppress(OSError),
    ):
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        for piece in endless(sent):
            line.sendall(piece)
    assert sent[0] < ENDLESS_MIB / 2
    assert peaks.growth()["serve"] < GROWTH_MIB
    assert visitor.get(f"/v1/uploads/{made['id']}")["size"] == 1024


def test_a_body_that_says_more_than_was_agreed_is_not_read(
    visitor: Visitor, back: Backstage
) -> None:
    link = visitor.declare("small.mp4", 1024)["upload"]
    answer = httpx2.put(
        link["url"],
        content=bytes(2048),
        headers=link["headers"] | {"Content-Length": "2048"},
        timeout=DONE_S,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")


def test_a_request_larger_than_any_is_refused(visitor: Visitor, back: Backstage) -> None:
    sent = [0]
    with watched(back.server) as peaks, suppress(httpx2.TransportError):
        answer = visitor.http.post(
            "/v1/swaps", content=endless(sent), headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert sent[0] < ENDLESS_MIB / 2
    assert peaks.growth()["serve"] < GROWTH_MIB
