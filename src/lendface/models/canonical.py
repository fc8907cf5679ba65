"""MediaPipe's canonical face, the mesh of all landmarks, and how expressions move it."""

from __future__ import annotations

import io
from functools import cache

import numpy as np

from lendface.engine.mesh.expression import ExpressionBasis
from lendface.engine.mesh.topology import Topology

from .blendshapes import NAMES
from .catalog import get_spec, load_bytes


@cache
def load_topology() -> Topology:
    """The canonical mesh from the package. Raises ModelMissingError or ModelCorruptError."""
    with np.load(io.BytesIO(load_bytes(get_spec("canonical_face_mesh")))) as arrays:
        return Topology.from_canonical(arrays["vertices"], arrays["uv"], arrays["triangles"])


@cache
def load_expression_basis() -> ExpressionBasis:
    """What each weight of ``Blendshapes`` does to the mesh.

    Raises ModelMissingError or ModelCorruptError.
    """
    with np.load(io.BytesIO(load_bytes(get_spec("expression_basis")))) as arrays:
        return ExpressionBasis.from_arrays(
            arrays["basis"], arrays["neutral_weights"], arrays["names"].tolist(), NAMES
        )
