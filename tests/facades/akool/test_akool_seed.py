"""What Akool's clients do all day, with real servers, real workers and real people.

Faces are detected in portraits and in a film of two people; new faces are asked for; a webhook
arrives and is decrypted; the result is fetched and looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from facades.akool.receiver import Receiver, decrypt, is_genuine
from lendface.engine.types import Box, Pixels
from lendface.media import open_video
from lendface.pipeline.parts import Parts
from lendface.service.clients import NewClient
from people import SHARED_MEDIA, beside, write_film
from system.backstage import backstage
from system.proofs import is_film_of, is_signed, looks_like, looks_unchanged, saved
from system.servers import Server, serving, until
from system.visitors import new_visitor

CLIPS, PORTRAITS = SHARED_MEDIA / "clips", SHARED_MEDIA / "portraits"
LEFT, RIGHT = CLIPS / "s02_talk_dark_moustache.mp4", CLIPS / "s03_talk_woman_longhair.mp4"
FOR_LEFT, FOR_RIGHT = "p06_syn_m65_glasses_easian.jpg", "p01_syn_f35_brown.jpg"
FRAMES = 40
DETECT = "/interface/detect-api/detect_faces"
SUBMIT = "/api/open/v3/faceswap/highquality/specifyvideo"
LIST = "/api/open/v3/faceswap/result/listbyids"
WAIT_S = 300.0

pytestmark = [
    pytest.mark.services,
    pytest.mark.clips,
    pytest.mark.slow,
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared test clips are not here"),
]

Json = dict[str, Any]


def frames_of(clip: Path) -> list[Pixels]:
    with open_video(clip) as reader:
        pictures = [frame.picture for _, frame in zip(range(FRAMES), reader.frames(), strict=False)]
        return [
            np.rint(picture.region(Box(0, 0, *picture.size_wh))).astype(np.uint8)
            for picture in pictures
        ]


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the portraits and a film: two people who talk, uneven times, sound."""
    folder = tmp_path_factory.mktemp("media")
    for portrait in (FOR_LEFT, FOR_RIGHT):
        (folder / portrait).write_bytes((PORTRAITS / portrait).read_bytes())
    times = np.cumsum([512 + 128 * (number % 3) for number in range(FRAMES)]).tolist()
    frames = beside(frames_of(LEFT), frames_of(RIGHT))
    write_film(folder / "two.mp4", frames, pts=[0, *times[:-1]], with_tone=True)
    return folder


@contextmanager
def hosting(folder: Path) -> Iterator[str]:
    """The folder as a web site."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Studio:
    """A customer of ours, with a web site for its media and a receiver for its webhooks."""

    server: Server
    client: NewClient
    site: str
    receiver: Receiver
    http: httpx2.Client

    def detect(self, name: str, **more: Any) -> Json:
        body = {"url": f"{self.site}/{name}", "return_face_url": True} | more
        answer = self.http.post(DETECT, json=body).json()
        assert answer["error_msg"] == "SUCCESS", (answer, self.server.story())
        return answer["faces_obj"]

    def crop(self, name: str) -> Json:
        """A portrait's face as clients pair it: the crop and the points within it."""
        faces = self.detect(name)["0"]
        assert len(faces["region"]) == 1
        return {"path": faces["face_urls"][0], "opts": faces["crop_landmarks"][0]}

    def people(self) -> list[Json]:
        """Crops of the two people of the film, from left to right."""
        frames = self.detect("two.mp4", num_frames=5)
        faces = next(frame for frame in frames.values() if len(frame["region"]) == 2)
        pairs = zip(faces["face_urls"], faces["crop_landmarks"], strict=True)
        return [{"path": url, "opts": opts} for url, opts in pairs]

    def submit(self, news: list[Json], olds: list[Json]) -> Json:
        body = {
            "sourceImage": news,
            "targetImage": olds,
            "face_enhance": 1,
            "modifyVideo": f"{self.site}/two.mp4",
            "webhookUrl": self.receiver.url,
        }
        answer = self.http.post(SUBMIT, json=body).raise_for_status().json()
        assert answer["code"] == 1000, answer
        return answer["data"]

    def finished(self, data: Json, path: Path) -> Path:
        """The result, when it is told to be there."""

        def look() -> Json | None:
            answer = self.http.get(LIST, params={"_ids": data["_id"]}).json()
            [item] = answer["data"]["result"]
            assert item["faceswap_status"] != 4, item
            return item if item["faceswap_status"] == 3 else None

        item = until(look, WAIT_S, self.server.story)
        assert item["url"] == data["url"]
        head = httpx2.head(item["url"]).raise_for_status()
        result = saved(httpx2.get(item["url"]).raise_for_status().content, path)
        assert int(head.headers["content-length"]) == result.stat().st_size
        is_signed(result, self.server.folder)
        return result

    def told(self, job_id: str) -> list[Json]:
        """What the receiver read, up to the end of a job."""

        def mine(calls: list[Any]) -> list[Json]:
            read = []
            for call in calls:
                assert is_genuine(self.client.client_id, call.body)
                read.append(decrypt(self.client.client_id, self.client.key, call.body))
            return [message for message in read if message["_id"] == job_id]

        calls = self.receiver.wait_for(
            lambda calls: any(message["status"] == 3 for message in mine(calls)), WAIT_S
        )
        return mine(calls)


@pytest.fixture(scope="module")
def studio(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with hosting(media) as site, Receiver() as receiver:
        # Nothing else of this machine: the server cannot even fetch from itself.
        allowed = f"{site},{receiver.url.removesuffix('/hook')}".replace("http://", "")
        folder = tmp_path_factory.mktemp("server") / "data"
        with serving(folder, fetch_allow=allowed) as server, backstage(server) as back:
            client = new_visitor(server, back.settings, "studio").client
            with httpx2.Client(
                base_url=server.url, headers={"x-api-key": client.key}, timeout=WAIT_S
            ) as http:
                yield Studio(server, client, site, receiver, http)


def test_two_people_wear_the_faces_that_are_meant_for_them(
    studio: Studio, media: Path, parts: Parts, tmp_path: Path
) -> None:
    left, right = studio.people()
    news = [studio.crop(FOR_RIGHT), studio.crop(FOR_LEFT)]
    data = studio.submit(news, [right, left])
    result = studio.finished(data, tmp_path / "result.mp4")
    film = media / "two.mp4"
    is_film_of(result, film)
    looks_like(result, film, media / FOR_LEFT, parts, face=0)
    looks_like(result, film, media / FOR_RIGHT, parts, face=1)
    started, ended = studio.told(data["_id"])
    assert started == {"_id": data["_id"], "status": 2, "type": "faceswap", "url": ""}
    assert (ended["status"], ended["url"], ended["deduction_credit"]) == (3, data["url"], 1)


def test_one_of_two_people_stays_as_they_are(
    studio: Studio, media: Path, parts: Parts, tmp_path: Path
) -> None:
    _, right = studio.people()
    points = studio.detect(FOR_RIGHT)["0"]["landmarks_str"]  # a list of one, as it came
    new = {"path": f"{studio.site}/{FOR_RIGHT}", "opts": points}
    result = studio.finished(studio.submit([new], [right]), tmp_path / "result.mp4")
    film = media / "two.mp4"
    is_film_of(result, film)
    looks_like(result, film, media / FOR_RIGHT, parts, face=1)
    looks_unchanged(result, film, parts, face=0)


def test_a_face_may_be_named_by_the_film_itself(
    studio: Studio, media: Path, parts: Parts, tmp_path: Path
) -> None:
    frames = studio.detect("two.mp4", num_frames=5, return_face_url=False)
    points = next(f for f in frames.values() if len(f["region"]) == 2)["landmarks"][1]
    opts = ":".join(f"{x},{y}" for x, y in points)  # six pairs
    old = {"path": f"{studio.site}/two.mp4", "opts": opts}
    data = studio.submit([studio.crop(FOR_RIGHT)], [old])
    result = studio.finished(data, tmp_path / "result.mp4")
    film = media / "two.mp4"
    looks_like(result, film, media / FOR_RIGHT, parts, face=1)
    looks_unchanged(result, film, parts, face=0)
