"""Shapes without what the muscles do."""

from __future__ import annotations

import numpy as np
import pytest

from faces import posed, rotation
from lendface.engine.mesh.expression import ExpressionBasis, NeutralShapes
from lendface.engine.mesh.shape import median_shape
from lendface.engine.mesh.topology import POINTS, Topology
from lendface.engine.types import Floats

SMILE, BROW = 0, 1
NAMES = ("mouthSmileLeft", "browDownLeft")
AT_EASE = np.float32([0.05, 0.10])  # what the reader says of a calm face


class Told:
    """Reads the weights that the test has written where no landmark of the mesh is."""

    def weights(self, landmarks_xyz: Floats) -> Floats:
        return landmarks_xyz[POINTS, :2] / 1000


@pytest.fixture(scope="module")
def basis() -> ExpressionBasis:
    shapes = np.zeros((2, POINTS, 3), np.float32)
    shapes[SMILE, [61, 291]] = [[-0.6, -0.4, 0.1], [0.6, -0.4, 0.1]]
    shapes[BROW, [55, 285]] = [[0.1, 0.5, 0], [-0.1, 0.5, 0]]
    return ExpressionBasis.from_arrays(shapes, AT_EASE, NAMES, NAMES)


def acting(topology: Topology, basis: ExpressionBasis, smile: float, yaw: float = 0) -> Floats:
    """A face with the canonical shape that smiles, and says so."""
    scale, turn = 10.0, rotation(yaw)
    face = posed(topology, turn, scale)
    face[:POINTS] += scale * (smile - AT_EASE[SMILE]) * basis.shapes[SMILE] @ turn.T
    face[POINTS, :2] = 1000 * np.float32([smile, AT_EASE[BROW]])
    return face


@pytest.mark.parametrize("smiles", [[0.8], [0.8, 0.7, 0.9], [0.0, 0.9, 0.4]])
def test_a_smile_that_stays_is_no_shape(
    topology: Topology, basis: ExpressionBasis, smiles: list[float]
) -> None:
    faces = [acting(topology, basis, smile, 10 * number) for number, smile in enumerate(smiles)]
    found = NeutralShapes(topology, Told(), basis).of(faces)
    np.testing.assert_allclose(found, topology.vertices, atol=1e-3)


def test_calm_faces_tell_more_than_those_that_act(
    topology: Topology, basis: ExpressionBasis
) -> None:
    """What the basis knows nothing of moves the shape by its share of calm."""
    calm, acts = acting(topology, basis, 0.05), acting(topology, basis, 0.9)
    acts[152, 1] += 20  # 2 cm
    found = NeutralShapes(topology, Told(), basis).of([calm, acts])
    share = (1 / (0.85**2 + 0.02)) / (1 / 0.02 + 1 / (0.85**2 + 0.02))
    assert found[152, 1] - topology.vertices[152, 1] == pytest.approx(2 * share, abs=1e-3)


def test_half_of_a_brow_counts_as_the_person(topology: Topology, basis: ExpressionBasis) -> None:
    face = posed(topology)
    face[:POINTS] += 10.0 * 0.6 * basis.shapes[BROW]
    face[POINTS, :2] = 1000 * (AT_EASE + np.float32([0, 0.6]))
    found = NeutralShapes(topology, Told(), basis).of([face])
    left = found - topology.vertices
    assert 0.5 <= left[55, 1] / (0.6 * 0.5) + 0.5 <= 1.0
    np.testing.assert_allclose(left[[61, 291]], 0, atol=1e-3)


def test_without_a_reader_it_is_the_median(topology: Topology) -> None:
    faces = [posed(topology, rotation(yaw)) for yaw in (-10, 0, 10)]
    np.testing.assert_array_equal(NeutralShapes(topology).of(faces), median_shape(topology, faces))
