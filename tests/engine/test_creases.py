"""What a face does shows in the skin that is painted over it."""

from __future__ import annotations

from copy import copy

import cv2
import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine.mesh.acts import Acts, acts_of
from lendface.engine.mesh.creases import CreaseZones, crease_zones, with_creases
from lendface.engine.mesh.folds import CHEEK_LINES
from lendface.engine.mesh.light import to_log
from lendface.engine.mesh.pixelwise import luma_of
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.sheet import Sheet, lay
from lendface.engine.mesh.skin import Glance
from lendface.engine.mesh.texture import Texture
from lendface.engine.mesh.topology import Topology
from lendface.engine.types import Box, Floats

SIDE_PX, SCALE = 300, 15.0
PLAIN = 150.0
LAUGH = Acts(smile=(1.0, 1.0))


def acted(topology: Topology, yaw: float, moves_cm: dict[int, tuple[float, float]]) -> Acts:
    face, turn = posed(topology, rotation(yaw), SCALE), rotation(yaw)
    for point, (right, down) in moves_cm.items():
        face[point] += SCALE * np.float32([right, down, 0]) @ turn.T
    return acts_of(pose_of(topology, face), face, topology.vertices)


@pytest.mark.parametrize("yaw", [-20, 0, 20])
def test_acts_are_told_apart_by_side_in_any_pose(topology: Topology, yaw: float) -> None:
    assert max(acted(topology, yaw, {}).each) < 0.01
    half = acted(topology, yaw, {61: (-0.6, -0.5), 129: (0, -0.2), 50: (0, -0.3)})
    assert half.smile[0] > 0.9
    assert half.smile[1] < 0.01
    assert half.squint[0] > 0.3
    assert half.squint[1] < 0.01
    lowered = acted(topology, yaw, {55: (0.1, 0.15), 285: (-0.1, 0.15)})
    assert lowered.frown > 0.9
    assert max(lowered.smile) < 0.01


class Scene:
    """A face in the middle of a patch, seen from the front, and plain skin to be painted on it."""

    def __init__(self, topology: Topology, step: int = 2) -> None:
        points = topology.vertices[:, :2] * SCALE
        self.points = (points - points.mean(0) + SIDE_PX / 2).astype(np.float32)
        moved = np.concatenate([self.points, SCALE * topology.vertices[:, 2:]], 1)
        self.sheet: Sheet = lay(topology, self.points, moved, Box(0, 0, SIDE_PX, SIDE_PX))
        mask = self.sheet.is_face.astype(np.uint8)
        self.eye_px = float(np.linalg.norm(self.points[33] - self.points[263])) * 0.7
        self.depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5) / np.float32(self.eye_px)
        self.step = step

    def lined(self, width_px: int, depth: float = 0.3) -> Floats:
        """(h, w) log: the target with a dark line beside the image-left corner of its mouth."""
        luma = np.zeros((SIDE_PX, SIDE_PX), np.float32)
        at = np.rint(self.points[list(CHEEK_LINES[0])]).astype(np.int32)
        cv2.polylines(luma, [at], False, -depth, width_px, cv2.LINE_AA)
        return cv2.GaussianBlur(luma, (0, 0), 1.0)

    def painted(
        self, luma: Floats, zones: CreaseZones, acts: Acts, own: Floats | None = None
    ) -> Floats:
        """(h, w) log: how the luma of the skin has changed."""
        height, width = luma[:: self.step, :: self.step].shape
        few = np.zeros((height, width, 3), np.float32)
        glance = Glance(
            self.step, self.sheet.uv[:: self.step, :: self.step].copy(), few, few,
            np.ascontiguousarray(luma[:: self.step, :: self.step]), few, few[0, 0], few[0, 0],
            0.1, 5.0,
        )  # fmt: skip
        skin = np.full((SIDE_PX, SIDE_PX, 3), PLAIN, np.float32)
        if own is not None:
            skin *= np.exp(own)[..., None]
        before = luma_of(to_log(skin))
        after = with_creases(skin, zones, acts, glance, self.sheet, self.depth, self.eye_px)
        return luma_of(to_log(after)) - before


@pytest.fixture(scope="module")
def zones(topology: Topology) -> CreaseZones:
    return zones_with(topology, np.zeros((64, 64), np.float32))


def zones_with(topology: Topology, marks: Floats) -> CreaseZones:
    skin = np.zeros((64, 64, 3), np.float32)
    texture = Texture((np.dstack([skin, marks]),), np.zeros(3, np.float32))
    return crease_zones(topology, texture.packed())


@pytest.fixture(scope="module", params=[1, 2])
def scene(topology: Topology, request: pytest.FixtureRequest) -> Scene:
    return Scene(topology, request.param)


def test_a_fold_shows_where_the_target_smiles_and_nowhere_else(
    scene: Scene, zones: CreaseZones
) -> None:
    luma = scene.lined(3)
    line = luma < -0.1
    change = scene.painted(luma, zones, LAUGH)
    assert change[line].mean() < 0.4 * luma[line].mean()
    assert change.min() > luma.min()  # no darker than the target's
    away = cv2.dilate(line.astype(np.uint8), np.ones((25, 25))) == 0
    assert np.abs(change[away]).max() < 1e-3
    for acts in (Acts(), Acts(smile=(0.0, 1.0)), Acts(frown=1.0)):
        assert np.abs(scene.painted(luma, zones, acts)).max() < 0.02


def test_skin_that_has_the_fold_gets_no_second_one(scene: Scene, zones: CreaseZones) -> None:
    luma = scene.lined(3)
    assert scene.painted(luma, zones, LAUGH, own=luma).min() > -0.03


def test_a_beard_of_either_is_no_fold(topology: Topology, scene: Scene, zones: CreaseZones) -> None:
    luma = scene.lined(3)
    bearded = zones_with(topology, np.full((64, 64), 0.5, np.float32))
    assert np.abs(scene.painted(luma, bearded, LAUGH)).max() < 1e-3
    beard = np.where(scene.sheet.uv[..., 1] > 0.55, np.float32(-0.5), np.float32(0))
    change = scene.painted(beard + luma, zones, LAUGH)
    assert change[(luma < -0.1) & (scene.sheet.uv[..., 1] > 0.65)].mean() > -0.02


def test_a_small_face_is_left_alone(scene: Scene, zones: CreaseZones) -> None:
    scene = copy(scene)
    scene.eye_px = 15.0
    assert np.abs(scene.painted(scene.lined(3), zones, LAUGH)).max() == 0
