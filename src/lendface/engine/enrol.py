"""From photos of a person to a source face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lendface.errors import (
    NoSourceFaceError,
    NoSuchSourceFaceError,
    SeveralSourceFacesError,
    SourcePeopleDifferError,
)

from .geometry import crop_of, face_roi, five_points, next_face_roi
from .mesh.topology import POINTS
from .roles import Detector, Landmarker, Recognizer
from .types import Detection, Floats, Mesh, Picture, Portrait, SourceFace

LEAST_SCORE = 0.5
BYSTANDER = 0.35  # of the largest face's height; smaller ones do not count as a choice
SAME_PERSON = 0.30  # cosine of two photos of one source
SMALL_PX = 120  # face height below which a source lacks detail
LOOKS = 3  # times the landmarker runs, each time from its own last result


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture with the name its user knows it by."""

    name: str
    picture: Picture
    face_number: int | None = None  # which face, 1-based from left to right
    face_at_xy: tuple[float, float] | None = None  # or the one at or nearest to this pixel


@dataclass(frozen=True, eq=False)
class Enrolment:
    """A source face, and what its user should know about the photos."""

    source: SourceFace
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Enroller:
    """Finds the source's face in photos."""

    detector: Detector
    landmarker: Landmarker
    recognizer: Recognizer

    def enrol(self, photos: Sequence[Photo]) -> Enrolment:
        """One person from one or several photos.

        Raises NoSourceFaceError, SeveralSourceFacesError where a photo leaves it open which face
        is meant, NoSuchSourceFaceError and SourcePeopleDifferError.
        """
        portraits = [self.portrait(photo) for photo in photos]
        for photo, portrait in zip(photos, portraits, strict=True):
            if float(portrait.embedding @ portraits[0].embedding) < SAME_PERSON:
                raise SourcePeopleDifferError(photo.name, photos[0].name)
        warnings = tuple(
            f"the face in {photo.name} is only {height:.0f} px high; the result will lack detail "
            f"(use a photo with a face of {SMALL_PX} px or more)"
            for photo, portrait in zip(photos, portraits, strict=True)
            if (height := face_height_px(portrait.mesh)) < SMALL_PX
        )
        mean = np.sum([portrait.embedding for portrait in portraits], axis=0)
        embedding = (mean / np.linalg.norm(mean)).astype(np.float32)
        best_first = sorted(portraits, key=lambda p: -face_height_px(p.mesh))
        return Enrolment(SourceFace(tuple(best_first), embedding), warnings)

    def portrait(self, photo: Photo) -> Portrait:
        """The one face of a photo, or the one that is asked for.

        Raises NoSourceFaceError, SeveralSourceFacesError or NoSuchSourceFaceError.
        """
        mesh = self._choose(photo, self.find_meshes(photo.picture, photo.face_at_xy is not None))
        embedding = self.recognizer.embed(photo.picture, five_points(mesh.landmarks_xyz))
        return Portrait(photo.picture, mesh, embedding)

    def find_meshes(self, picture: Picture, with_bystanders: bool = False) -> list[Mesh]:
        """All faces worth naming, from left to right; also those far smaller than the largest."""
        looked = [self._look(picture, face) for face in self.detector.detect(picture)]
        meshes = [mesh for mesh in looked if mesh.score >= LEAST_SCORE]
        tallest = max((face_height_px(mesh) for mesh in meshes), default=0)
        least = 0 if with_bystanders else BYSTANDER * tallest
        named = [mesh for mesh in meshes if face_height_px(mesh) >= least]
        return sorted(named, key=lambda mesh: float(mesh.landmarks_xyz[:POINTS, 0].mean()))

    def _choose(self, photo: Photo, meshes: list[Mesh]) -> Mesh:
        if not meshes:
            raise NoSourceFaceError(photo.name)
        if photo.face_at_xy is not None:
            return nearest(meshes, photo.face_at_xy)
        if photo.face_number is not None:
            if not 1 <= photo.face_number <= len(meshes):
                raise NoSuchSourceFaceError(photo.name, photo.face_number, len(meshes))
            return meshes[photo.face_number - 1]
        if len(meshes) > 1:
            raise SeveralSourceFacesError(photo.name, len(meshes))
        return meshes[0]

    def _look(self, picture: Picture, face: Detection) -> Mesh:
        roi = face_roi(face.box_xyxy, face.points_xy)
        mesh = self.landmarker.landmarks(picture, crop_of(roi, self.landmarker.size_px))
        for _ in range(LOOKS - 1):
            roi = next_face_roi(mesh.landmarks_xyz)
            mesh = self.landmarker.landmarks(picture, crop_of(roi, self.landmarker.size_px))
        return mesh


def nearest(meshes: Sequence[Mesh], at_xy: tuple[float, float]) -> Mesh:
    """The face whose box holds the point or is nearest to it; of several the most central one."""
    point = np.float32(at_xy)

    def distance(mesh: Mesh) -> tuple[float, float]:
        points = mesh.landmarks_xyz[:POINTS, :2]
        low, high = points.min(0), points.max(0)
        outside = np.maximum(np.maximum(low - point, point - high), 0)
        return float(np.linalg.norm(outside)), float(np.linalg.norm((low + high) / 2 - point))

    return min(meshes, key=distance)


def face_height_px(mesh: Mesh) -> float:
    """Brow to chin and hair line, upright or tilted: the longest way across the outline."""
    points: Floats = mesh.landmarks_xyz[:POINTS, :2]
    return float(np.linalg.norm(points[10] - points[152]))
