"""Synthetic people (openpeople, MIT) as pictures; what the nets make of each is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
import pytest

from lendface.engine.picture import ArrayPicture
from lendface.models import ModelKit, load_kit

LONG_SIDE_PX = 900


@cache
def read_person(person: str, photo: str) -> ArrayPicture:
    """For example ``("P003", "studio_portrait")``, made 900 px high."""
    path = files("openpeople") / "data" / "curated" / person / "assets" / f"{photo}.jpg"
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    large = ArrayPicture(np.ascontiguousarray(bgr[..., ::-1]))
    return ArrayPicture(large.reduced(LONG_SIDE_PX))


@pytest.fixture(scope="session")
def person() -> Callable[[str, str], ArrayPicture]:
    return read_person


@pytest.fixture(scope="session")
def kit() -> ModelKit:
    return load_kit()
