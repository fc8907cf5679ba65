"""What the nets see of one face in one picture; the same eyes look at target and output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lendface.engine.geometry import (
    crop_of,
    eye_distance_px,
    five_points,
    next_face_roi,
)
from lendface.engine.mesh.shape import pose_of
from lendface.engine.mesh.topology import Topology
from lendface.engine.pose import Pose
from lendface.engine.roles import Landmarker, Recognizer
from lendface.engine.types import Floats, Picture
from lendface.models import Blendshapes, FaceMesh, Faceres, RuntimeOptions, load_topology
from lendface.pipeline.parts import Parts

LEAST_SCORE = 0.5  # of the mesh; below it there is no face to read
LOOKS = 2  # times the mesh runs, the second from where the first found the face


@dataclass(frozen=True, eq=False)
class FaceReading:
    """One face of one picture, as it stands there: nothing is smoothed."""

    landmarks_xyz: Floats  # (478, 3) pixels
    score: float  # 0..1
    embedding: Floats  # (128,) unit length, SFace
    descriptor: Floats  # (1024,) unit length, HSE-FaceRes
    blendshapes: Floats  # (52,) 0..1, in the order of models.blendshapes.NAMES
    topology: Topology

    @cached_property
    def pose(self) -> Pose:
        return pose_of(self.topology, self.landmarks_xyz)

    @property
    def eye_px(self) -> float:
        return eye_distance_px(self.landmarks_xyz)


@dataclass(frozen=True, eq=False)
class FaceReader:
    """Landmarks, two descriptors and blendshapes of a face whose place is known about."""

    landmarker: Landmarker
    recognizer: Recognizer
    descriptor: Faceres
    expressions: Blendshapes
    topology: Topology

    @classmethod
    def of(cls, parts: Parts, runtime: RuntimeOptions | None = None) -> FaceReader:
        """The product's recognizer with nets of its own; they are loaded here."""
        return cls(
            landmarker=FaceMesh.load(runtime),
            recognizer=parts.recognizer,
            descriptor=Faceres.load(runtime),
            expressions=Blendshapes.load(runtime),
            topology=load_topology(),
        )

    def read(self, picture: Picture, near_xyz: Floats) -> FaceReading | None:
        """The face at about ``near_xyz`` (478, 3) pixels; None where the mesh finds none."""
        landmarks = near_xyz
        score = 0.0
        for _ in range(LOOKS):
            place = crop_of(next_face_roi(landmarks), self.landmarker.size_px)
            mesh = self.landmarker.landmarks(picture, place)
            landmarks, score = mesh.landmarks_xyz, mesh.score
            if score < LEAST_SCORE:
                return None
        return FaceReading(
            landmarks_xyz=landmarks,
            score=score,
            embedding=self.recognizer.embed(picture, five_points(landmarks)),
            descriptor=self.descriptor.describe(picture, landmarks),
            blendshapes=self.expressions.weights(landmarks),
            topology=self.topology,
        )
