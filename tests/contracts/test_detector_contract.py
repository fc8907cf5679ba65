"""What every detector must do on a picture with one upright face."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import cv2
import numpy as np
import pytest

from lendface.engine.picture import ArrayPicture
from lendface.engine.roles import Detector
from lendface.models import BlazeFace, TurnTolerantDetector, YuNet

KINDS: dict[str, Callable[[], Detector]] = {
    "YuNet": YuNet.load,
    "BlazeFace": BlazeFace.load,
    "TurnTolerantDetector": lambda: TurnTolerantDetector(YuNet.load(), BlazeFace.load()),
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def detector(request: pytest.FixtureRequest) -> Detector:
    return request.param()


@pytest.fixture(scope="module")
def portrait() -> ArrayPicture:
    path = files("openpeople") / "data" / "curated" / "P003" / "assets" / "studio_portrait.jpg"
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return ArrayPicture(cv2.resize(bgr, (600, 600), interpolation=cv2.INTER_AREA)[..., ::-1].copy())


def test_one_face_is_found_once(detector: Detector, portrait: ArrayPicture) -> None:
    (face,) = detector.detect(portrait)
    x0, y0, x1, y1 = face.box_xyxy
    assert 0.8 < face.score <= 1
    assert (face.box_xyxy.shape, face.box_xyxy.dtype) == ((4,), np.float32)
    assert (face.points_xy.shape, face.points_xy.dtype) == ((5, 2), np.float32)
    assert 150 < x1 - x0 < 350
    assert 150 < y1 - y0 < 400
    assert ((face.points_xy > (x0, y0)) & (face.points_xy < (x1, y1))).all()


def test_the_five_points_are_in_their_order(detector: Detector, portrait: ArrayPicture) -> None:
    (face,) = detector.detect(portrait)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.points_xy
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < nose[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_plain_picture_has_no_face(detector: Detector) -> None:
    grey = ArrayPicture(np.full((360, 640, 3), 128, np.uint8))
    assert detector.detect(grey) == []


def test_a_larger_picture_gives_larger_numbers(detector: Detector, portrait: ArrayPicture) -> None:
    twice = ArrayPicture(cv2.resize(portrait.pixels, None, fx=2, fy=2))
    (small,), (large,) = detector.detect(portrait), detector.detect(twice)
    eyes_px = np.linalg.norm(small.points_xy[1] - small.points_xy[0])
    np.testing.assert_allclose(large.points_xy, small.points_xy * 2, atol=0.25 * eyes_px)


def test_every_shape_of_picture_is_taken(detector: Detector, portrait: ArrayPicture) -> None:
    (before,) = detector.detect(portrait)
    for right, below in ((1, 0), (0, 333), (700, 31)):
        wider = ArrayPicture(
            cv2.copyMakeBorder(portrait.pixels, 0, below, 0, right, cv2.BORDER_CONSTANT)
        )
        (face,) = detector.detect(wider)
        np.testing.assert_allclose(face.points_xy, before.points_xy, atol=20)


def test_a_tiny_picture_is_no_error(detector: Detector) -> None:
    assert detector.detect(ArrayPicture(np.zeros((1, 1, 3), np.uint8))) == []


def test_two_faces_come_best_first(detector: Detector, portrait: ArrayPicture) -> None:
    dim = cv2.GaussianBlur(portrait.pixels, (0, 0), 6)
    faces = detector.detect(ArrayPicture(np.hstack([dim, portrait.pixels])))
    assert len(faces) == 2
    assert faces[0].score >= faces[1].score
    assert sorted(face.box_xyxy[0] > 600 for face in faces) == [False, True]
