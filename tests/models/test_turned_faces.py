"""Faces are found whichever way the head or the camera is turned."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from lendface.engine.geometry import (
    Roi,
    angle_between,
    crop_of,
    face_roi,
    five_points,
    invert,
    move_points,
    next_face_roi,
)
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Mesh
from lendface.models import ModelKit

MOST_ERROR = 0.035  # of the eye distance, mean over all points


def read_mesh(kit: ModelKit, picture: ArrayPicture) -> Mesh:
    """As tracking does it: from the detection, then once more from the mesh itself."""
    face = kit.detector.detect(picture)[0]
    first = kit.landmarker.landmarks(picture, crop_of(face_roi(face.box_xyxy, face.points_xy), 256))
    return kit.landmarker.landmarks(picture, crop_of(next_face_roi(first.landmarks_xyz), 256))


def turned(picture: ArrayPicture, degrees: float) -> tuple[ArrayPicture, Floats]:
    """The picture turned on a square canvas that holds all of it, and ``picture_to_canvas``."""
    width, height = picture.size_wh
    side = math.ceil(math.hypot(width, height))
    roi = Roi((width - 1) / 2, (height - 1) / 2, side, math.radians(degrees))
    canvas_to_picture = crop_of(roi, side)
    pixels = cv2.warpAffine(
        picture.pixels,
        canvas_to_picture,
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return ArrayPicture(pixels), invert(canvas_to_picture)


@pytest.mark.parametrize("degrees", range(0, 360, 30))
@pytest.mark.parametrize("photo", ["studio_portrait", "amateur_posture"])
def test_a_turned_face_is_found_and_its_mesh_turns_along(
    kit: ModelKit, person: Callable[..., ArrayPicture], photo: str, degrees: int
) -> None:
    upright = person("P007", photo)
    before = read_mesh(kit, upright).landmarks_xyz
    canvas, picture_to_canvas = turned(upright, degrees)
    after = read_mesh(kit, canvas)
    eyes = five_points(before)[:2]
    error = np.linalg.norm(
        after.landmarks_xyz[:, :2] - move_points(before[:, :2], picture_to_canvas), axis=1
    )
    assert after.score > 0.9
    assert error.mean() / np.linalg.norm(eyes[1] - eyes[0]) < MOST_ERROR


def test_a_large_face_upside_down_is_not_taken_for_an_upright_one(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    canvas, _ = turned(person("P003", "studio_portrait"), 180)
    (face,) = kit.detector.detect(canvas)
    assert abs(angle_between(face.points_xy[0], face.points_xy[1])) > math.radians(170)


def test_a_face_that_fills_the_picture_is_found(
    kit: ModelKit, person: Callable[..., ArrayPicture]
) -> None:
    picture = person("P003", "studio_portrait")
    x0, y0, x1, y1 = kit.detector.detect(picture)[0].box_xyxy.astype(int)
    close = cv2.resize(picture.pixels[y0:y1, x0:x1], None, fx=3, fy=3)
    (face,) = kit.detector.detect(ArrayPicture(close))
    assert face.score > 0.85


def test_every_face_of_a_sheet_is_found(kit: ModelKit, person: Callable[..., ArrayPicture]) -> None:
    assert len(kit.detector.detect(person("P001", "emotions_sheet"))) == 16
