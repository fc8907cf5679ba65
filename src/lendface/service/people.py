"""Which of the faces that a detection found in several frames are the same person's.

It is told in the worker, while the embeddings are there: what is kept of a detection are numbers of
people, and no embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..engine.plan import SAME_PERSON
from ..engine.types import Floats


@dataclass(eq=False)
class Person:
    """Somebody who was seen, at most once in each frame."""

    number: int
    total: Floats  # (n,) sum of the embeddings

    def likeness(self, embedding: Floats) -> float:
        """Cosine of a face to the mean of what was seen of this person."""
        return float(self.total @ embedding) / (float(np.linalg.norm(self.total)) or 1.0)


def number_people(frames: Sequence[Sequence[Floats]]) -> list[list[int]]:
    """For each face of each frame, by its embedding (n,) of unit length, the number of its person.

    People count from 0, in the order in which they are first seen. In each frame those who are most
    alike find each other first; nobody is there twice.
    """
    people: list[Person] = []
    return [list(_numbered(people, faces)) for faces in frames]


def _numbered(people: list[Person], faces: Sequence[Floats]) -> Iterator[int]:
    """The numbers of one frame's faces; ``people`` learn from it, and new ones come to them."""
    alike = sorted(
        (
            (person.likeness(face), person.number, place)
            for person in people
            for place, face in enumerate(faces)
        ),
        reverse=True,
    )
    known: dict[int, Person] = {}  # by the face's place
    taken: set[int] = set()
    for cosine, number, place in alike:
        if cosine >= SAME_PERSON and number not in taken and place not in known:
            taken.add(number)
            known[place] = people[number]
    for place, face in enumerate(faces):
        person = known.get(place)
        if person is None:
            person = Person(len(people), np.zeros_like(face))
            people.append(person)
        person.total = person.total + face
        yield person.number
