"""The reference rows of a table: what a swap looks like that does nothing, or hardly anything.

They play the role of a Swapper, so that they go through the same scan, plan and pictures as the
product, and are pasted in memory: no encoder has touched them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np

from lendface.engine.geometry import eye_distance_px
from lendface.engine.mesh.pixelwise import smoothstep
from lendface.engine.mesh.sheet import Sheet, lay
from lendface.engine.mesh.topology import POINTS, Topology
from lendface.engine.plan import SwapPlan
from lendface.engine.render import render
from lendface.engine.roles import Swapper
from lendface.engine.tracks import Tracks
from lendface.engine.types import (
    Array,
    Box,
    Face,
    Floats,
    Frame,
    Patch,
    Picture,
    Portrait,
    SourceFace,
    Track,
)

ReferenceName = Literal["no_swap", "hard_paste", "mean_colour"]
REFERENCE_NAMES: tuple[ReferenceName, ...] = ("no_swap", "hard_paste", "mean_colour")
WIDE_FEATHER = 0.20  # eye distances
PORTRAIT_SHRINK = 1.25  # source pixels per target pixel from which a portrait is made smaller first


@dataclass(frozen=True, eq=False)
class NoSwap:
    """Leaves every face as it is: the zero of every figure."""

    def prepare(self, source: SourceFace, person: Track) -> None:
        return None

    def swap(self, picture: Picture, face: Face, look: None) -> Patch | None:
        return None


@dataclass(frozen=True, eq=False)
class HardPaste:
    """The source's portrait drawn over the target's mesh, up to its outline, in its own colours.

    Each triangle of the mesh is moved by its own affine map; eyes, mouth and light are the
    photo's, and the edge is one pixel wide.
    """

    topology: Topology

    def prepare(self, source: SourceFace, person: Track) -> Portrait:
        return source.portraits[0]

    def swap(self, picture: Picture, face: Face, look: Portrait) -> Patch | None:
        pasted = _paste(self.topology, picture, face, look)
        if pasted is None:
            return None
        return Patch(pasted.box, pasted.pixels, pasted.sheet.is_face.astype(np.float32))


@dataclass(frozen=True, eq=False)
class MeanColour:
    """The same paste with the target's mean colour and a feather, 0.20 eye distances wide.

    It is what most small programs do (as M. Kowalski's FaceSwap, 2016): the mean of each channel
    over the face becomes the target's, and the edge fades inwards.
    """

    topology: Topology
    feather: float = WIDE_FEATHER

    def prepare(self, source: SourceFace, person: Track) -> Portrait:
        return source.portraits[0]

    def swap(self, picture: Picture, face: Face, look: Portrait) -> Patch | None:
        pasted = _paste(self.topology, picture, face, look)
        if pasted is None:
            return None
        inside = pasted.sheet.is_face
        target = picture.region(pasted.box)
        shift = target[inside].mean(0) - pasted.pixels[inside].mean(0)
        depth = _depth(inside) / max(eye_distance_px(face.landmarks_xyz), 1.0)
        alpha = smoothstep(depth, 0, self.feather)
        return Patch(pasted.box, np.clip(pasted.pixels + shift, 0, 255), alpha.astype(np.float32))


_SWAPPERS: Mapping[ReferenceName, Callable[[Topology], Swapper]] = MappingProxyType(
    {"no_swap": lambda topology: NoSwap(), "hard_paste": HardPaste, "mean_colour": MeanColour}
)


def get_reference(name: ReferenceName, topology: Topology) -> Swapper:
    """The swapper of a reference row. Raises KeyError where there is none of this name."""
    return _SWAPPERS[name](topology)


def reference_frames(
    name: ReferenceName,
    frames: Iterable[Frame],
    tracks: Tracks,
    plan: SwapPlan,
    topology: Topology,
) -> Iterator[Frame]:
    """The frames of a reference row, in order, in memory and not encoded."""
    return render(frames, tracks, plan, get_reference(name, topology))


@dataclass(frozen=True, slots=True, eq=False)
class _Pasted:
    """A portrait over a part of a picture."""

    box: Box
    pixels: Floats  # (h, w, 3) RGB 0..255
    sheet: Sheet = field(repr=False)


def _paste(topology: Topology, picture: Picture, face: Face, look: Portrait) -> _Pasted | None:
    """None where nothing of the face lies in the picture, or a swap would leave it alone."""
    points = face.landmarks_xyz[:POINTS]
    box = _box_around(points, picture.size_wh)
    if face.strength <= 0 or box.is_empty:
        return None
    photo, source_xy = _shrunk(look, points)
    sheet = lay(topology, source_xy, points - np.float32([box.x0, box.y0, 0]), box)
    if not sheet.is_face.any():
        return None
    places = np.ascontiguousarray(sheet.target_xy)  # here: places of the portrait
    pixels = cv2.remap(photo, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _Pasted(box, pixels.astype(np.float32), sheet)


def _shrunk(look: Portrait, points: Floats) -> tuple[Array, Floats]:
    """The portrait at about the size of the target's face, so that it does not alias."""
    source_xy = look.mesh.landmarks_xyz[:POINTS, :2]
    photo = look.picture.region(Box(0, 0, *look.picture.size_wh))
    scale = eye_distance_px(points) / max(eye_distance_px(look.mesh.landmarks_xyz), 1.0)
    if scale * PORTRAIT_SHRINK >= 1:
        return photo, source_xy
    size = tuple(max(1, round(side * scale)) for side in look.picture.size_wh)
    ratio = np.float32(size) / np.float32(look.picture.size_wh)
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    return small, (source_xy + np.float32(0.5)) * ratio - np.float32(0.5)


def _depth(inside: Array) -> Floats:
    """(h, w) how far a pixel lies inside, in pixels; the patch has a margin around the face."""
    return cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)


def _box_around(points: Floats, size_wh: tuple[int, int]) -> Box:
    low, high = np.floor(points[:, :2].min(0)) - 2, np.ceil(points[:, :2].max(0)) + 3
    return Box(*low.astype(int).tolist(), *high.astype(int).tolist()).clipped(size_wh)
