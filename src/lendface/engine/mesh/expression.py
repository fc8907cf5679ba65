"""A face's shape without what its muscles do, from photos or frames that all may show expression.

A median over frames takes away what comes and goes, but not what stays: who smiles through a whole
film, or on the one photo there is, would smile by nature. A net reads how strong each expression
is, and a linear basis tells how far that moves each point of the mesh; that is taken off each face.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..roles import ExpressionReader
from ..types import Array, Floats
from .pixelwise import smoothstep
from .shape import median_shape, posed_straight
from .topology import Topology

# Expressions that move many points, so that a face that shows one tells less of the neutral shape.
LARGE = ("mouthSmile", "jawOpen", "mouthFunnel", "mouthPucker", "mouthUpperUp", "mouthLowerDown")
LARGE += ("mouthStretch", "mouthFrown", "eyeBlink", "browInnerUp")
CALM = 0.02  # added to the squared sum of those, so that a calm face does not count endlessly
# Above the eye line, in heights of eye line to chin: half of what a brow's weights say is how the
# person is built, so only half is taken off there.
FOREHEAD, FOREHEAD_GAIN = (0.04, 0.235), 0.5


@dataclass(frozen=True, eq=False)
class ExpressionBasis:
    """How far each expression moves each point of the mesh.

    ``shapes`` (k, 468, 3) centimetres for a weight of 1, ``neutral_weights`` (k,) what the reader
    says of calm faces, ``columns`` (k,) which of the reader's weights are meant, ``large`` (k,)
    whether an expression moves many points.
    """

    shapes: Floats
    neutral_weights: Floats
    columns: Array
    large: Array

    @classmethod
    def from_arrays(
        cls, shapes: Floats, neutral_weights: Floats, names: Sequence[str], known: Sequence[str]
    ) -> ExpressionBasis:
        """``names`` (k,) of the shapes; ``known``: the names of the reader's weights, in order."""
        return cls(
            shapes.astype(np.float32),
            neutral_weights.astype(np.float32),
            np.array([known.index(name) for name in names]),
            np.array([name.startswith(LARGE) for name in names]),
        )


@dataclass(frozen=True, eq=False)
class NeutralShapes:
    """Finds neutral shapes; without ``reader`` and ``basis`` by the median over the faces alone."""

    topology: Topology
    reader: ExpressionReader | None = None
    basis: ExpressionBasis | None = None

    def of(self, faces: Iterable[Floats]) -> Floats:
        """(468, 3) centimetres, posed straight, from landmarks (478, 3) of one person."""
        landmarks = list(faces)
        if self.reader is None or self.basis is None:
            return median_shape(self.topology, landmarks)
        read = np.stack([self.reader.weights(face) for face in landmarks])
        shown = read[:, self.basis.columns] - self.basis.neutral_weights
        moved = np.einsum("nk,kpc->npc", shown, self.basis.shapes)
        neutral = posed_straight(self.topology, landmarks) - self._gain[:, None] * moved
        calm = 1 / ((shown[:, self.basis.large] ** 2).sum(1) + CALM)
        return np.einsum("n,npc->pc", calm / calm.sum(), neutral).astype(np.float32)

    @cached_property
    def _gain(self) -> Floats:
        """(468,) how much of what the basis says is taken off each point."""
        up = -self.topology.heights
        return 1 - (1 - FOREHEAD_GAIN) * smoothstep(up, *FOREHEAD)
