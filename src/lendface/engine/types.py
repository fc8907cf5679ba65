"""What flows through the engine. Pixel coordinates have their origin top-left, x to the right.

A point ``(0, 0)`` is the *centre* of the first pixel, as OpenCV has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]
Array = NDArray[Any]


class Box(NamedTuple):
    """Whole pixels; the right and the lower edge are exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        return self.y1 - self.y0

    def clipped(self, size_wh: tuple[int, int]) -> Box:
        """The part inside a picture of ``size_wh``; may be empty, never negative."""
        x0, y0 = (min(max(v, 0), m) for v, m in zip(self[:2], size_wh, strict=True))
        x1, y1 = (min(max(v, 0), m) for v, m in zip(self[2:], size_wh, strict=True))
        return Box(x0, y0, max(x0, x1), max(y0, y1))

    @property
    def is_empty(self) -> bool:
        return self.x1 <= self.x0 or self.y1 <= self.y0


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """New pixels for one box of a picture, and how much of them shows."""

    box: Box
    pixels: Floats  # (h, w, 3) RGB 0..255
    alpha: Floats  # (h, w) 0..1; where it is 0 the picture stays as it was, bit for bit


class Picture(Protocol):
    """One upright image with square pixels, whatever the file's own planes look like.

    RGB is the picture's own, gamma-coded, 0..255; media turns wider ranges (10 bit, HDR) into it
    and back. Only what is asked for is converted.
    """

    @property
    def size_wh(self) -> tuple[int, int]: ...

    def reduced(self, long_side_px: int) -> Pixels:
        """All of it, RGB, shrunk so that the longer side is at most this; never enlarged."""
        ...

    def reduced_gray(self, long_side_px: int) -> Pixels:
        """(h, w): the brightness of ``reduced``, for less."""
        ...

    def warped(self, crop_to_frame: Floats, size_px: int) -> Pixels:
        """A square RGB crop: pixel ``p`` of it shows ``crop_to_frame @ (p, 1)``; black outside.

        A strong reduction averages pixels instead of skipping them.
        """
        ...

    def warped_gray(self, crop_to_frame: Floats, size_px: int) -> Pixels:
        """(size_px, size_px): the brightness of ``warped``, for less."""
        ...

    def region(self, box: Box) -> Floats:
        """(h, w, 3) RGB 0..255 of a box that lies inside the picture, at full precision."""
        ...

    def pasted(self, patches: Sequence[Patch]) -> Picture:
        """A picture with the patches blended in, in order; this one stays as it was."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a film and when it is shown."""

    index: int  # 0-based, in order of presentation, counted from the first frame of the file
    time: Fraction  # seconds, exact
    picture: Picture


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face as the detector sees it."""

    box_xyxy: Floats  # (4,)
    points_xy: Floats  # (5, 2) image-left eye, image-right eye, nose, left and right mouth corner
    score: float  # 0..1


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Dense landmarks of one face."""

    landmarks_xyz: Floats  # (478, 3) pixels; z grows away from the camera; 468..477 are irises
    score: float  # 0..1, that a face is there


@dataclass(frozen=True, slots=True, eq=False)
class Hand:
    """One hand near a face."""

    points_xy: Floats  # (21, 2) MediaPipe order: wrist, thumb 1-4, index 5-8, ... little 17-20
    score: float  # 0..1


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """One photo of a source, with its face found."""

    picture: Picture  # of a large photo what is around the face
    mesh: Mesh
    embedding: Floats  # (128,) unit length
    overview: Picture | None = None  # all of a photo of which ``picture`` is a part, small
    hands: tuple[Hand, ...] = ()  # before the face


@dataclass(frozen=True, slots=True, eq=False)
class SourceFace:
    """One person who lends an identity: one or several photos, the best first."""

    portraits: tuple[Portrait, ...]
    embedding: Floats  # (128,) unit length, mean over the photos
    shape: Floats | None = None  # (468, 3) centimetres, without expression; None: by the photos


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one frame, as the whole film knows it: smoothed, linked, judged."""

    track_id: int
    box_xyxy: Floats  # (4,)
    landmarks_xyz: Floats  # (478, 3)
    score: float  # 0..1
    strength: float  # 0..1: how much of a swap this face can bear; 0 leaves it alone
    light: Floats  # (16, 16, 3) log colours over the texture square
    hands: tuple[Hand, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """How a person looks on most frames, by texel; half floats, as they are kept."""

    middle: Array  # (64, 64, 3) log colours without the light
    spread: Array  # (64, 64) log, median distance from the middle; 8 where nobody saw it
    looks: int


@dataclass(frozen=True, slots=True, eq=False)
class Glasses:
    """Glasses of one person, in centimetres on the plate before the eyes (``mesh/glasses.py``)."""

    lenses: Floats  # (2, 32, 2) outlines, the image-left one first
    bridge: Floats  # (8, 2) over the nose, from left to right
    opaque: float  # 0..1: how much the lenses hide what is behind them
    sure: float  # 0..1


@dataclass(frozen=True, slots=True, eq=False)
class Beard:
    """How far a beard grows beyond a face's outline, in n views (``mesh/beard.py``)."""

    views: Array  # (n, 3) yaw and pitch in degrees, mouth opening in eye distances; half floats
    reaches: Array  # (n, 41) eye distances out from the jaw, ear to ear; half floats
    ended: Array  # (n,) 0..1, along how much of it the end of the beard is seen; half floats
    depth: float  # log luma, how much darker than the cheeks chin and jaw are


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person of the film."""

    id: int  # 1 is who is seen most, by frames and size
    embedding: Floats  # (128,) unit length, mean over frontal, sharp frames
    shape: Floats  # (468, 3) centimetres, without expression
    face_count: int
    size_px: float  # median face height
    largest_px: float  # face height where it is highest
    turned_share: float  # 0..1 of its faces turned too far to be swapped well
    usable_share: float  # 0..1 mean strength over its faces
    spans: tuple[tuple[int, int], ...]  # frame ranges, the end exclusive
    best_index: int  # the frame that shows the person best
    appearance: Appearance | None = None  # None where too few frames show the person calmly
    glasses: Glasses | None = None
    forehead: Floats = field(default_factory=lambda: np.zeros(11, np.float32))
    # (11,) eye distances from temple to temple: how far bare skin goes on above the mesh
    beard: Beard | None = None  # None where nobody has seen one, too
    level: Floats | None = None  # (3,) log colour of the skin in the middle of the face
