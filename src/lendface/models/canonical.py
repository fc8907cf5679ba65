"""MediaPipe's canonical face, the mesh that all landmarks belong to."""

from __future__ import annotations

import io
from functools import cache

import numpy as np

from lendface.engine.mesh.topology import Topology

from .catalog import get_spec, load_bytes


@cache
def load_topology() -> Topology:
    """The canonical mesh from the package. Raises ModelMissingError or ModelCorruptError."""
    with np.load(io.BytesIO(load_bytes(get_spec("canonical_face_mesh")))) as arrays:
        return Topology.from_canonical(arrays["vertices"], arrays["uv"], arrays["triangles"])
