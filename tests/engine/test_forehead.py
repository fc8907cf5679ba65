"""How far bare skin goes on above the mesh: drawn heads whose hair begins at a known height."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.forehead import (
    MARGIN,
    MOST,
    UPPER_OUTLINE,
    forehead_heights,
    raised,
    read_strip,
)
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import OVAL, Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Array, Floats, Frame, Pixels, SourceFace
from lendface.pipeline.parts import Parts
from people import read_person

SIDE_PX = 400
SCALE_PX = 14.0  # pixels a centimetre
SKIN, HAIR = (200, 160, 140), (60, 45, 40)
SHORT = 0.18  # eye distances below a hard edge, whose blur looks like strands


def face_at(topology: Topology, turn_deg: float = 0.0, down_px: float = 40.0) -> Floats:
    """The mesh's own face from the front, tilted by ``turn_deg`` in the picture."""
    turn = np.float32(cv2.getRotationMatrix2D((0, 0), turn_deg, 1))[:, :2]
    points = SCALE_PX * topology.vertices.copy()
    points[:, :2] = points[:, :2] @ turn.T
    return points + np.float32([SIDE_PX / 2, SIDE_PX / 2 + down_px, 0])


def head(topology: Topology, points: Floats, bare: float) -> Pixels:
    """Skin everywhere, but for hair from ``bare`` eye distances above the upper outline."""
    noise = np.random.default_rng(1).normal(0, 2, (SIDE_PX, SIDE_PX, 1))
    pixels = np.full((SIDE_PX, SIDE_PX, 3), SKIN, np.float32) + noise
    hairline = raised(topology, points, pose_of(topology, points), np.full(11, bare, np.float32))
    up = hairline[10, :2] - points[10, :2] if bare else points[10, :2] - points[152, :2]
    up = up / np.linalg.norm(up) * SIDE_PX
    line = hairline[list(UPPER_OUTLINE), :2]
    area = np.concatenate([line, line[::-1] + up])
    cv2.fillPoly(pixels, [np.rint(area).astype(np.int32)], HAIR)
    return np.uint8(np.clip(pixels, 0, 255))


def heights_of(topology: Topology, points: Floats, pixels: Pixels) -> Floats:
    return forehead_heights([read_strip(ArrayPicture(pixels), points, topology)])


@pytest.mark.parametrize("turn_deg", [0.0, 25.0])
@pytest.mark.parametrize("bare", [0.20, 0.30])
def test_the_outline_goes_up_to_where_hair_begins(
    topology: Topology, bare: float, turn_deg: float
) -> None:
    points = face_at(topology, turn_deg)
    heights = heights_of(topology, points, head(topology, points, bare))
    assert (heights <= np.minimum(bare - MARGIN, MOST) + 0.01).all()
    assert (heights >= np.minimum(bare - SHORT, MOST))[3:8].all()


def test_hair_that_begins_at_the_mesh_moves_nothing(topology: Topology) -> None:
    points = face_at(topology)
    assert not heights_of(topology, points, head(topology, points, 0.0)).any()


def test_a_bald_head_goes_up_by_the_most_and_no_more(topology: Topology) -> None:
    points = face_at(topology)
    heights = heights_of(topology, points, head(topology, points, 2.0))
    np.testing.assert_allclose(heights, MOST, atol=1e-6)


def test_the_end_of_the_picture_is_an_end_of_the_skin(topology: Topology) -> None:
    points = face_at(topology)
    eye_px = eye_distance_px(points)
    points[:, 1] -= points[list(OVAL), 1].min() - 0.15 * eye_px
    heights = heights_of(topology, points, head(topology, points, 2.0))
    assert heights.any()
    assert (raised(topology, points, pose_of(topology, points), heights)[:, 1] >= 0).all()


def test_what_most_looks_show_counts(topology: Topology) -> None:
    points = face_at(topology)
    strips = [
        read_strip(ArrayPicture(head(topology, points, bare)), points, topology)
        for bare in (0.0, 0.3, 0.3)
    ]
    assert (forehead_heights(strips) == forehead_heights(strips[1:])).all()
    assert forehead_heights(strips).any()
    assert not forehead_heights([]).any()


@pytest.mark.parametrize("turn_deg", [0.0, 90.0])
def test_only_the_upper_outline_moves_and_along_the_head(
    topology: Topology, turn_deg: float
) -> None:
    points = face_at(topology, turn_deg)
    moved = raised(topology, points, pose_of(topology, points), MOST)
    way = moved - points
    assert set(np.flatnonzero(np.abs(way).sum(1) > 1e-3)) == set(UPPER_OUTLINE)
    up = points[10, :2] - points[152, :2]
    length = np.linalg.norm(way[list(UPPER_OUTLINE), :2], axis=1)
    np.testing.assert_allclose(length, MOST * eye_distance_px(points), rtol=0.05)
    np.testing.assert_allclose(way[10, :2] / length[5], up / np.linalg.norm(up), atol=0.02)


def alpha_above(parts: Parts, source: SourceFace, pixels: Pixels, hat: Array | None) -> float:
    """How much of a narrow part of the forehead above the mesh a swap paints."""
    picture = pixels if hat is None else np.where(hat, np.uint8([20, 60, 20]), pixels)
    tracks = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(picture))])
    person, face = tracks.people[0], tracks.faces_at(0)[0]
    patch = parts.swapper.swap(ArrayPicture(picture), face, parts.swapper.prepare(source, person))
    assert patch is not None
    top, eye_px = face.landmarks_xyz[10], eye_distance_px(face.landmarks_xyz)
    row = round(float(top[1] - 0.02 * eye_px)) - patch.box.y0
    column = round(float(top[0])) - patch.box.x0
    return 0.0 if row < 0 else float(patch.alpha[row, column])


def test_a_bare_forehead_is_painted_above_the_mesh_and_a_hat_is_not(
    parts: Parts, sources: dict[str, SourceFace]
) -> None:
    pixels = read_person("P010")
    tracks = parts.scanner.scan([Frame(0, Fraction(0), ArrayPicture(pixels))])
    face = tracks.faces_at(0)[0]
    hat = np.zeros((*pixels.shape[:2], 1), bool)
    hat[: round(float(face.landmarks_xyz[10, 1]) + 2)] = True
    assert alpha_above(parts, sources["P003"], pixels, None) > 0.3
    assert alpha_above(parts, sources["P003"], pixels, hat) == 0
