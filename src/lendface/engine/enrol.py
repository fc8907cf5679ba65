"""From photos of a person to a source face."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lendface.errors import (
    NoSourceFaceError,
    NoSuchSourceFaceError,
    SeveralSourceFacesError,
    SourcePeopleDifferError,
)

from .faults import Faults, find_faults
from .geometry import crop_of, face_roi, five_points, next_face_roi
from .mesh.expression import NeutralShapes
from .mesh.topology import POINTS, Topology
from .picture import ArrayPicture
from .roles import Detector, HandFinder, Landmarker, Recognizer
from .tracker import HANDS_REACH, HANDS_SURE, hands_around, hands_before
from .types import Box, Detection, Floats, Hand, Mesh, Picture, Portrait, SourceFace

LEAST_SCORE = 0.5
BYSTANDER = 0.35  # of the largest face's height; smaller ones do not count as a choice
SAME_PERSON = 0.30  # cosine of two photos of one source
SMALL_PX = 120  # face height below which a source lacks detail
LOOKS = 3  # times the landmarker runs, each time from its own last result
KEPT_PIXELS = 12_500_000  # of a photo: a larger one is cut to the face and, if need be, shrunk
AROUND = 1.5  # face sizes on each side that a cut photo keeps: more than any net looks at
OVERVIEW_PX = 512  # longer side: what is judged of a whole photo is judged on no more


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
    topology: Topology | None = None  # None: nothing is said of what a photo does not show
    hand_finder: HandFinder | None = None
    shapes: NeutralShapes | None = None  # None: a source has the shape that its photos show

    def enrol(self, photos: Iterable[Photo], kept_pixels: int = KEPT_PIXELS) -> Enrolment:
        """One person from one or several photos.

        Of each photo no more than ``kept_pixels`` are kept, so that photos may be read one after
        the other and never lie in memory together.
        Raises NoSourceFaceError, SeveralSourceFacesError where a photo leaves it open which face
        is meant, NoSuchSourceFaceError and SourcePeopleDifferError.
        """
        names, portraits, warnings = [], [], []
        for photo in photos:
            portrait = self.portrait(photo)
            portrait = replace(portrait, hands=self._hands_before(photo.picture, portrait.mesh))
            warnings += self._warnings_about(photo.name, portrait)
            names.append(photo.name)
            portraits.append(cut_to_face(portrait, kept_pixels))
            del photo, portrait  # before the next one is read
        for name, portrait in zip(names, portraits, strict=True):
            if float(portrait.embedding @ portraits[0].embedding) < SAME_PERSON:
                raise SourcePeopleDifferError(name, names[0])
        mean = np.sum([portrait.embedding for portrait in portraits], axis=0)
        embedding = (mean / np.linalg.norm(mean)).astype(np.float32)
        best_first = sorted(portraits, key=lambda p: -face_height_px(p.mesh))
        shape = self._shape_of(best_first)
        return Enrolment(SourceFace(tuple(best_first), embedding, shape), tuple(warnings))

    def portrait(self, photo: Photo) -> Portrait:
        """The one face of a photo, or the one that is asked for.

        Raises NoSourceFaceError, SeveralSourceFacesError or NoSuchSourceFaceError.
        """
        mesh = self._choose(photo, self.find_meshes(photo.picture, photo.face_at_xy is not None))
        embedding = self.recognizer.embed(photo.picture, five_points(mesh.landmarks_xyz))
        return Portrait(photo.picture, mesh, embedding)

    def _shape_of(self, portraits: Sequence[Portrait]) -> Floats | None:
        if self.shapes is None:
            return None
        return self.shapes.of(portrait.mesh.landmarks_xyz for portrait in portraits)

    def _warnings_about(self, name: str, portrait: Portrait) -> list[str]:
        height = face_height_px(portrait.mesh)
        faults = Faults() if self.topology is None else find_faults(self.topology, portrait)
        if height >= SMALL_PX:
            return faults.told(name)
        small = (
            f"the face in {name} is only {height:.0f} px high; the result will lack detail "
            f"(use a photo with a face of {SMALL_PX} px or more)"
        )
        return [small, *replace(faults, is_blurred=False).told(name)]

    def _hands_before(self, picture: Picture, mesh: Mesh) -> tuple[Hand, ...]:
        if self.hand_finder is None:
            return ()
        finder = self.hand_finder
        around = [hands_around(finder, picture, mesh, reach, HANDS_SURE) for reach in HANDS_REACH]
        return hands_before(mesh, [hand for found in around for hand in found])

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


def cut_to_face(portrait: Portrait, most_pixels: int) -> Portrait:
    """The same with no more than ``most_pixels`` of the photo.

    Nothing changes where it has no more. Else what is far from the face goes, and if that is not
    enough what remains is shrunk.
    """
    picture, mesh = portrait.picture, portrait.mesh
    width, height = picture.size_wh
    if width * height <= most_pixels:
        return portrait
    box = _room_of(mesh, picture.size_wh)
    scale = min(1.0, math.sqrt(most_pixels / (box.width * box.height)))
    pixels = np.uint8(np.rint(picture.region(box)))
    if scale < 1:
        size = tuple(max(1, math.floor(side * scale)) for side in (box.width, box.height))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    ratio = np.float32([pixels.shape[1] / box.width, pixels.shape[0] / box.height])
    landmarks = mesh.landmarks_xyz - np.float32([box.x0, box.y0, 0])
    landmarks[:, :2] = (landmarks[:, :2] + 0.5) * ratio - 0.5  # centres of pixels
    landmarks[:, 2] *= ratio.mean()
    moved = [(h.points_xy - np.float32(box[:2]) + 0.5) * ratio - 0.5 for h in portrait.hands]
    return Portrait(
        ArrayPicture(pixels),
        Mesh(landmarks, mesh.score),
        portrait.embedding,
        ArrayPicture(picture.reduced(OVERVIEW_PX)),
        tuple(Hand(at, hand.score) for at, hand in zip(moved, portrait.hands, strict=True)),
    )


def _room_of(mesh: Mesh, size_wh: tuple[int, int]) -> Box:
    points = mesh.landmarks_xyz[:POINTS, :2]
    low, high = points.min(0), points.max(0)
    room = AROUND * float((high - low).max())
    corners = *np.floor(low - room).astype(int), *np.ceil(high + room).astype(int)
    return Box(*(int(corner) for corner in corners)).clipped(size_wh)


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
