"""The basis that ships, on people it was not learnt from."""

from __future__ import annotations

from importlib.resources import files

import cv2
import numpy as np
import pytest

import lendface.app
from lendface.engine.enrol import Photo
from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.shape import median_shape
from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats
from lendface.models import load_expression_basis
from lendface.models.blendshapes import NAMES

CELLS_X, CELLS_Y, CELL_WH = (54, 638, 1222, 1808), (66, 504, 936, 1372), (540, 344)
NEUTRAL, HAPPY, SURPRISED, SMUG = 0, 1, 4, 8
CORNERS, LIPS = [61, 291], [0, 17, 13, 14, 37, 267, 84, 314]


def landmarks_of(person: str, cell: int) -> Floats:
    """(478, 3) of one emotion of the person's sheet."""
    path = files("openpeople") / "data" / "curated" / person / "assets" / "emotions_sheet.jpg"
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    x, y = CELLS_X[cell % 4], CELLS_Y[cell // 4]
    rgb = np.ascontiguousarray(bgr[y : y + CELL_WH[1], x : x + CELL_WH[0], ::-1])
    photo = Photo("sheet", ArrayPicture(rgb))
    return lendface.app.build().enroller.portrait(photo).mesh.landmarks_xyz


def apart(a: Floats, b: Floats, points: list[int]) -> float:
    """Mean distance across the view, in eye distances."""
    ways = np.linalg.norm((a - b)[points, :2], axis=1)
    return float(ways.mean()) / eye_distance_px(a)


@pytest.mark.parametrize(
    ("cell", "points"),
    [(HAPPY, CORNERS), (HAPPY, LIPS), (SURPRISED, CORNERS), (SURPRISED, LIPS), (SMUG, CORNERS)],
)
@pytest.mark.parametrize("person", ["P004", "P006"])
def test_an_expression_leaves_the_neutral_shape(
    topology: Topology, person: str, cell: int, points: list[int]
) -> None:
    """Over all emotions of five people .085 of an eye distance at the corners become .031; of
    these, which are the strongest, no more than half may be left."""
    own = median_shape(topology, [landmarks_of(person, NEUTRAL)])
    acting = landmarks_of(person, cell)
    shapes = lendface.app.build().enroller.shapes
    assert shapes is not None
    before = apart(own, median_shape(topology, [acting]), points)
    assert apart(own, shapes.of([acting]), points) < 0.5 * before


@pytest.mark.parametrize("person", ["P002", "P004", "P006"])
def test_a_calm_face_keeps_its_shape(topology: Topology, person: str) -> None:
    calm = landmarks_of(person, NEUTRAL)
    shapes = lendface.app.build().enroller.shapes
    assert shapes is not None
    assert apart(median_shape(topology, [calm]), shapes.of([calm]), CORNERS + LIPS) < 0.02


def test_the_basis_is_alike_on_both_sides(topology: Topology) -> None:
    """Learnt with mirrored photos, too."""
    basis = load_expression_basis()
    names = [NAMES[column] for column in basis.columns]
    left, right = (basis.shapes[names.index(f"mouthSmile{side}")] for side in ("Left", "Right"))
    mirrored = right[61] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(left[291], mirrored, atol=0.15)
