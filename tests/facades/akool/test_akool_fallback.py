"""A target picture that shows no face: whoever is seen most is meant, as the page says."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from starlette.testclient import TestClient

from facades.akool.bodies import PLUS, V3_IMAGE, V3_VIDEO, image, mapping, plus, ref, video
from lendface.pipeline.parts import Parts
from lendface.service.office import Office
from material import Material
from people import write_photo
from service.crafts import work_off, worker

Body = Callable[[str, str, str], dict[str, Any]]


def data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def v3_image(new: str, old: str, target: str) -> dict[str, Any]:
    return image(sourceImage=[ref(new)], targetImage=[ref(old)], modifyImage=target)


def v3_video(new: str, old: str, target: str) -> dict[str, Any]:
    return video(sourceImage=[ref(new)], targetImage=[ref(old)], modifyVideo=target)


def mapped(new: str, old: str, target: str) -> dict[str, Any]:
    pairs = [mapping({"face_url": old}, {"face_url": new})]
    return plus(target_url=target, single_face_mode=False, face_mapping=pairs)


@pytest.mark.parametrize(
    ("route", "body", "is_film"),
    [(V3_IMAGE, v3_image, False), (V3_VIDEO, v3_video, True), (PLUS, mapped, True)],
)
def test_a_target_picture_without_a_face_means_who_is_seen_most(
    me: TestClient, office: Office, parts: Parts, material: Material, tmp_path: Path,
    route: str, body: Body, is_film: bool,
) -> None:  # fmt: skip
    wall = write_photo(tmp_path / "wall.png", np.full((200, 200, 3), 120, np.uint8))
    new, old = data_uri(material.other_person, "image/jpeg"), data_uri(wall, "image/png")
    film, photo = data_uri(material.film, "video/mp4"), data_uri(material.photo, "image/png")
    answer = me.post(route, json=body(new, old, film if is_film else photo)).json()
    assert answer["code"] == 1000, answer
    with worker(office, tmp_path, parts, None) as work:
        job = work_off(work, answer["data"]["_id"])
    assert (job["error_code"], job["facts"].get("plan")) == (None, {"1": 0})
    [told] = [w for w in job["facts"]["warnings"] if "most present" in w]
    assert told.endswith("; the most present person was taken")


@pytest.mark.parametrize(("kind", "said"), [("heic", "heic"), ("avif", "avif"), ("heic", "jpeg")])
def test_a_phones_photo_comes_within_a_request(
    me: TestClient, office: Office, parts: Parts, material: Material, tmp_path: Path,
    kind: str, said: str,
) -> None:  # fmt: skip
    """As HEIC and as AVIF, and under a wrong type."""
    pillow_heif.register_heif_opener()
    phone = tmp_path / f"me.{kind}"
    Image.open(material.other_person).save(phone, quality=95)
    old = data_uri(material.photo, "image/png")
    answer = me.post(V3_IMAGE, json=v3_image(data_uri(phone, f"image/{said}"), old, old)).json()
    assert answer["code"] == 1000, answer
    with worker(office, tmp_path, parts, None) as work:
        job = work_off(work, answer["data"]["_id"])
    assert (job["error_code"], job["facts"].get("plan")) == (None, {"1": 0})
