"""Requests as Akool's clients send them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

V3_IMAGE = "/api/open/v3/faceswap/highquality/specifyimage"
V3_VIDEO = "/api/open/v3/faceswap/highquality/specifyvideo"
PRO = "/api/open/v4/faceswap/faceswapByImage"
PLUS = "/api/open/v4/faceswap/faceswapPlusByImage"

NEW, OLD, MEDIA = (
    "https://a.example/new.jpg",
    "https://a.example/old.jpg",
    "https://a.example/media",
)
OPTS = "262,175:363,175:313,215:272,255"  # the mouth's middle is 312.5,255
MIDDLE = [312.625, 205]
PIXEL = base64.b64encode(b"\x89PNG a picture").decode()


def ref(path: str, opts: Any = None) -> dict[str, Any]:
    return {"path": path} | ({} if opts is None else {"opts": opts})


def image(**changes: Any) -> dict[str, Any]:
    return {
        "targetImage": [ref(OLD, OPTS)],
        "sourceImage": [ref(NEW, OPTS)],
        "face_enhance": 0,
        "modifyImage": f"{MEDIA}.jpg",
        "webhookUrl": "",
    } | changes


def video(**changes: Any) -> dict[str, Any]:
    body = image(modifyVideo=f"{MEDIA}.mp4") | changes
    del body["modifyImage"]
    return body


def pro(**changes: Any) -> dict[str, Any]:
    return {
        "targetImage": [ref(f"{MEDIA}.jpg", OPTS)],
        "sourceImage": [ref(NEW, OPTS)],
        "model_name": "akool_faceswap_image_hq",
        "face_enhance": False,
        "single_face_mode": False,
        "webhookUrl": "",
    } | changes


def mapping(target: Mapping[str, Any], source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"source_face_info": source or {"face_url": NEW}, "target_face_info": dict(target)}


def plus(**changes: Any) -> dict[str, Any]:
    return {
        "source_url": NEW,
        "target_url": f"{MEDIA}.mp4",
        "single_face_mode": True,
        "model_style": "realistic",
        "face_enhance": False,
    } | changes
