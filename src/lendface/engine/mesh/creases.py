"""The creases that a target's expression draws, shown on the skin that is painted over it.

A smile without the fold beside the mouth, or eyes that squint without lines, look put on. Where the
target acts, the painted skin is made as dark as the target's own crease is there, and no darker:
only a crease is taken, so the source's skin and its likeness stay.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .. import kernels
from ..types import Floats
from .acts import Acts
from .folds import fold_zones
from .pixelwise import blurred, smoothstep
from .sheet import Sheet
from .skin import Glance
from .texture import PackedTexture
from .topology import Topology

SIDE = 64
# Sigmas in eye distances that part lines from furrows; finer is grain, broader is shape.
BANDS = (0.008, 0.035, 0.14)
SHARE = 0.8  # of the target's crease
UNEVEN = 0.006  # log; no crease
DEEPEST = 0.4  # log
FROM_PX = (20.0, 40.0)  # eye distance; a smaller face has no creases that could be told
RIM = (0.05, 0.2)  # eye distances from the outline
FACES_US = (0.2, 0.5)  # cosine to the camera
BEARD = (0.13, 0.28)  # log below plain skin, where it is as broad as no furrow is
MARKED = (0.1, 0.35)  # of a texture's marks: brow, beard or lip
LEAST = 0.02  # of an act
FINEST_PX = 0.5  # steps
RAMPS = np.float32([*RIM, *FACES_US])
MANNER = np.float32([SHARE, UNEVEN, DEEPEST, *BEARD])


@dataclass(frozen=True, eq=False)
class CreaseZones:
    """Where creases of a target may be shown on a source's skin, over the texture square."""

    zones: Floats  # (7, SIDE, SIDE) 0..1 by act
    skin: Floats  # (SIDE, SIDE) 0..1: no brow, eye or lip

    def where(self, acts: Acts) -> Floats | None:
        """(SIDE, SIDE, 2) 0..1: how much creases are shown, and what is skin at all; None where
        the face does nothing."""
        shares = np.float32(acts.each)
        if shares.max() < LEAST:
            return None
        return np.dstack([(shares[:, None, None] * self.zones).max(0), self.skin])


def crease_zones(topology: Topology, texture: PackedTexture) -> CreaseZones:
    """All but where the source has a beard, which would be made a dark patch."""
    mip = next(mip for mip in texture.mips if mip.shape[0] <= SIDE)
    marks = np.ascontiguousarray(mip[..., 3], np.float32) / 8192
    plain = 1 - smoothstep(cv2.resize(marks, (SIDE, SIDE)), *MARKED)
    zones, skin = fold_zones(topology, SIDE)
    return CreaseZones((zones * plain).astype(np.float32), skin)


def with_creases(
    skin: Floats, zones: CreaseZones, acts: Acts, glance: Glance, sheet: Sheet, depth: Floats,
    eye_px: float,
) -> Floats:  # fmt: skip
    """``skin`` (h, w, 3) RGB, changed in place, no lighter than the target's creases where it acts.

    ``depth`` (h, w) eye distances from the rim.
    """
    share = zones.where(acts)
    fit = float(smoothstep(eye_px, *FROM_PX))
    if share is None or fit <= 0:
        return skin
    share[..., 0] *= fit
    seen, where = np.empty((*glance.luma.shape, 3), np.float32), np.empty_like(glance.luma)
    kernels.creases.compare(
        skin, glance.luma, sheet.uv, sheet.is_face, depth, sheet.facing, share, glance.step, RAMPS,
        seen, where,
    )  # fmt: skip
    sigma_px = np.float32(BANDS) * eye_px / glance.step
    fine, middle, broad = (blurred(seen, max(float(sigma), FINEST_PX)) for sigma in sigma_px)
    kernels.creases.deepen(fine, middle, broad, where, glance.step, MANNER, skin)
    return skin
