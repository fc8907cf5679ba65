"""A view of what a swap would change: the mesh, and how much of each pixel is new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic

import cv2
import numpy as np

from .mesh.topology import POINTS, Topology
from .roles import LookT, Swapper
from .types import Box, Face, Patch, Picture, SourceFace, Track

TINT = np.float32([235, 40, 120])  # of what is new
LINES = (90, 220, 255)
SHOWN = 0.55  # of the tint where all is new


@dataclass(frozen=True, eq=False)
class MaskPreview(Generic[LookT]):
    """Plays the role of a Swapper, and shows the mask of another one instead of its face."""

    swapper: Swapper[LookT]
    topology: Topology

    def prepare(self, source: SourceFace, person: Track) -> LookT:
        return self.swapper.prepare(source, person)

    def swap(self, picture: Picture, face: Face, look: LookT) -> Patch | None:
        """The target's face with the mesh as lines and the mask as a tint."""
        patch = self.swapper.swap(picture, face, look)
        points = face.landmarks_xyz[:POINTS, :2]
        low, high = np.floor(points.min(0)) - 2, np.ceil(points.max(0)) + 3
        box = Box(*low.astype(int).tolist(), *high.astype(int).tolist()).clipped(picture.size_wh)
        if patch is not None:
            box = _around(box, patch.box)
        if box.is_empty:
            return None
        shown = picture.region(box)
        if patch is not None:
            x, y = patch.box.x0 - box.x0, patch.box.y0 - box.y0
            part = shown[y : y + patch.box.height, x : x + patch.box.width]
            part += SHOWN * patch.alpha[..., None] * (TINT - part)
        lines = np.ascontiguousarray(np.clip(shown, 0, 255).astype(np.uint8))
        corners = np.rint(points - [box.x0, box.y0]).astype(np.int32)[self.topology.triangles]
        cv2.polylines(lines, list(corners), True, LINES, 1, cv2.LINE_AA)
        pixels = 0.7 * shown + 0.3 * lines.astype(np.float32)
        return Patch(box, pixels, np.ones(pixels.shape[:2], np.float32))


def _around(a: Box, b: Box) -> Box:
    return Box(min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))
