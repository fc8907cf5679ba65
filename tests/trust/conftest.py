"""Small files of every kind that a swap writes, and a certificate to sign them with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from lendface.engine.types import Pixels
from lendface.trust.certificates import Credentials, find_machine_root, machine_credentials
from lendface.trust.claims import Claim, used_models
from lendface.trust.provenance import Provenance
from people import write_film, write_photo

NOW = datetime.now(UTC)
NOISE = np.random.default_rng(3).integers(0, 255, (96, 128, 3), dtype=np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 3)
INSIDE = ("mp4", "m4v", "mov", "jpg", "png", "webp")
BESIDE = ("mkv", "webm")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def credentials(data: Path) -> Credentials:
    return machine_credentials(data, NOW)


@pytest.fixture(scope="session")
def root(data: Path, credentials: Credentials) -> str:
    """What vouches for ``credentials``, PEM."""
    found = find_machine_root(data)
    assert found is not None
    return found


@pytest.fixture(scope="session")
def provenance(credentials: Credentials) -> Provenance:
    return Provenance(credentials)


@pytest.fixture(scope="session")
def claim() -> Claim:
    return Claim(
        made_ms=1_790_000_000_000,
        target_sha256="ab" * 32,
        target_type="video/mp4",
        models=used_models(),
        parameters={"strength": 0.5, "skin_tone": "mix", "keep_mouth": False},
        people=2,
        consent="consent-7",
    )


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one ``out.<ending>`` of each kind; nobody may change them."""
    folder = tmp_path_factory.mktemp("originals")
    frames = [np.roll(SMOOTH, 4 * step, axis=1) for step in range(6)]
    for ending in ("mp4", "m4v", "mov", "mkv"):
        write_film(folder / f"out.{ending}", frames, with_tone=ending != "m4v")
    write_vp9(folder / "out.webm", frames)
    for ending in ("jpg", "png", "webp"):
        write_photo(folder / f"out.{ending}", SMOOTH)
    return folder


def write_vp9(path: Path, frames: list[Pixels]) -> None:
    with av.open(str(path), "w") as target:
        video: Any = target.add_stream("libvpx-vp9", rate=25)
        video.height, video.width = frames[0].shape[:2]
        for pixels in frames:
            target.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        target.mux(video.encode(None))
