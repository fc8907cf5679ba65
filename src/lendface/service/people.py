"""Which of the faces that a detection found in several frames are the same person's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.plan import SAME_PERSON
from ..engine.types import Floats

Face = Mapping[str, Any]  # with "embedding", of unit length


@dataclass(frozen=True)
class Sighting:
    frame: int  # its place among the frames that were looked at
    face: Face


@dataclass(eq=False)
class Person:
    """Sightings in the order of the frames, at most one in each."""

    sightings: list[Sighting] = field(default_factory=list)
    total: Floats = field(default_factory=lambda: np.float32([0]))  # of the embeddings

    def add(self, frame: int, face: Face) -> None:
        self.sightings.append(Sighting(frame, face))
        self.total = self.total + np.float32(face["embedding"])

    def likeness(self, embedding: Floats) -> float:
        """Cosine of a face to the mean of what was seen of this person."""
        return float(self.total @ embedding) / (float(np.linalg.norm(self.total)) or 1.0)


def group_faces(frames: Sequence[Sequence[Face]]) -> list[Person]:
    """The people of some frames, in the order in which they are first seen.

    In each frame those who are most alike find each other first; nobody is there twice.
    """
    people: list[Person] = []
    for number, faces in enumerate(frames):
        left = dict(enumerate(faces))
        embeddings = [np.float32(face["embedding"]) for face in faces]
        free = list(people)
        alike = sorted(
            (
                (person.likeness(embedding), place, at)
                for place, person in enumerate(free)
                for at, embedding in enumerate(embeddings)
            ),
            reverse=True,
        )
        taken: set[int] = set()
        for cosine, place, at in alike:
            if cosine >= SAME_PERSON and place not in taken and at in left:
                taken.add(place)
                free[place].add(number, left.pop(at))
        for face in left.values():
            person = Person()
            person.add(number, face)
            people.append(person)
    return people
