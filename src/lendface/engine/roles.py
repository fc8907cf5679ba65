"""The roles that models play for the engine; each is small enough that a test writes its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from .types import (
    Detection,
    Face,
    Floats,
    Hand,
    Mesh,
    Patch,
    Picture,
    SourceFace,
    Track,
)

LookT = TypeVar("LookT")


class Detector(Protocol):
    """Finds faces in a whole picture."""

    def detect(self, picture: Picture) -> list[Detection]:
        """Every face, the most certain first, in pixels of the picture."""
        ...


class FilmDetector(Detector, Protocol):
    """One that can also look quickly at a film whose faces are mostly known."""

    def glance(self, picture: Picture, followed: Sequence[Floats]) -> list[Detection]:
        """Upright faces, for a small part of what ``detect`` costs where it finds nobody.

        ``followed`` are boxes (4,) of faces that are known; they are told as they are found,
        without a closer look.
        """
        ...


class Landmarker(Protocol):
    """Finds the dense landmarks of one face."""

    size_px: int  # side of the square crop it takes

    def landmarks(self, picture: Picture, crop_to_frame: Floats) -> Mesh:
        """``crop_to_frame`` (2, 3) places the crop: 1.5 x the face, eyes level."""
        ...


class ExpressionReader(Protocol):
    """Says what a face does."""

    def weights(self, landmarks_xyz: Floats) -> Floats:
        """(k,) 0..1: how strong each expression is, from landmarks (478, 3) in pixels."""
        ...


class Recognizer(Protocol):
    """Says who a face is."""

    least_clarity: float  # of ``describe``; whoever never shows more is no face

    def embed(self, picture: Picture, points_xy: Floats) -> Floats:
        """(128,) unit length from five points (5, 2); same person above a cosine of about 0.34."""
        ...

    def describe(self, picture: Picture, points_xy: Floats) -> tuple[Floats, float]:
        """The embedding, and how clearly it is one: its length before it was made 1.

        Below ``least_clarity`` it is hardly a face, whatever a detector thinks.
        """
        ...


class HandFinder(Protocol):
    """Finds the hands in a part of a picture."""

    size_px: int  # side of the square that ``find`` looks at

    def find(
        self, picture: Picture, crop_to_frame: Floats, min_score: float | None = None
    ) -> list[Hand]:
        """All hands in the square that ``crop_to_frame`` places, by a fresh detection.

        ``min_score`` 0..1 asks for others than the finder would call hands.
        """
        ...

    def follow(self, picture: Picture, hands: Sequence[Hand]) -> list[Hand]:
        """The same hands a frame later, without a detection; lost ones are left out."""
        ...


class Swapper(Protocol[LookT]):
    """Puts a source's identity on a target face; pose, expression and light stay the target's.

    A *look* is what a swapper works out once for a source on a person of the film.
    """

    def prepare(self, source: SourceFace, person: Track) -> LookT: ...

    def swap(self, picture: Picture, face: Face, look: LookT) -> Patch | None:
        """The patch for one face; None where there is nothing to paste."""
        ...
