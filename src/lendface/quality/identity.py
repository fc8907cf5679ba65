"""Who a face is: source, target, somebody of a gallery, or somebody else altogether."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lendface.engine.types import Floats
from lendface.models import SAME_PERSON_COSINE

# Distance of unit descriptors (HSE-FaceRes) of two photos of one person: the mean over the six
# people of the shared portraits that have a second photo (0.40 to 0.65). Strangers there: 1.09,
# at least 0.81.
SAME_PERSON_DISTANCE = 0.55
LEAST_WAY = 0.10  # of distance from target to source, beyond that of one person; else look-alikes
CLEARLY = 0.15  # of cosine by which a frame must speak for another person than the track does


def cosine(a: Floats, b: Floats) -> float:
    """Of two embeddings of unit length, -1..1."""
    return float(a @ b)


def distance(photos: Sequence[Floats], face: Floats) -> float:
    """Mean distance, 0..2, of a face's descriptor from those of a person's photos."""
    return float(np.mean([np.linalg.norm(photo - face) for photo in photos]))


def same_person_distance(photos: Sequence[Floats]) -> float:
    """The mean distance between one person's photos; of a single one ``SAME_PERSON_DISTANCE``."""
    apart = [distance([a], b) for a, b in combinations(photos, 2)]
    return float(np.mean(apart)) if apart else SAME_PERSON_DISTANCE


def transfer(source: Sequence[Floats], target: Floats, output: Floats) -> float | None:
    """Identity transfer T = (d(s, t) - d(s, o)) / (d(s, t) - d(same person)).

    The arguments are descriptors (1024,) of the source's photos, and of the target's and the
    output's face of one frame. They are those of HSE-FaceRes (A. Savchenko, "Efficient facial
    representations for age, gender and identity recognition in organizing photo albums using
    multi-output ConvNet", 2019), which no swap uses; d is the distance of unit vectors, a mean
    over the source's photos. d(same person) is what lies between those photos; where only one is
    given, the constant ``SAME_PERSON_DISTANCE`` stands for it.

    0: the face is as far from the source as it was; 1: as near as another photo of the source;
    more than 1 is possible, because a swap may copy what another photo does not share (light,
    grain). None where target and source look alike to begin with.
    """
    before = distance(source, target)
    way = before - same_person_distance(source)
    return (before - distance(source, output)) / way if way >= LEAST_WAY else None


@dataclass(frozen=True, eq=False)
class Gallery:
    """People among whom the source should be found again; ``source`` is its name in it."""

    people: Mapping[str, Floats]  # name -> embedding (128,) unit length
    source: str

    def best(self, embedding: Floats) -> str:
        """The name of who looks most like a face."""
        return max(self.people, key=lambda name: cosine(embedding, self.people[name]))

    def finds_source(self, embedding: Floats) -> bool:
        return self.best(embedding) == self.source


def mean_embedding(embeddings: Sequence[Floats]) -> Floats:
    """One person from several photos: (n,) unit length, as it is when a source is enrolled."""
    mean = np.mean(np.stack(embeddings), axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


def who_is_it(embedding: Floats, people: Mapping[int, Floats], track_id: int) -> int:
    """The person of the film whom a target's face shows.

    That is whom the track says, unless this very frame speaks clearly for another person: so a
    tracker that mixes two people up does not hide its own mistake.
    """
    likeness = {number: cosine(embedding, known) for number, known in people.items()}
    best = max(likeness, key=lambda number: likeness[number])
    is_clear = likeness[best] >= max(SAME_PERSON_COSINE, likeness.get(track_id, -1.0) + CLEARLY)
    return best if is_clear else track_id


def is_wrong(
    target: Floats, output: Floats, own_source: Floats | None, other_sources: Sequence[Floats]
) -> bool:
    """Whether a face shows somebody whom it should not show; all are embeddings (128,).

    ``own_source`` is whose face it was to get, None for a face that was to stay. It is wrong when
    it looks more like somebody else's source than like its own source and its own face; and a
    face that was to stay also when it is its own person no longer.
    """
    kept = cosine(output, target)
    foreign = max((cosine(output, source) for source in other_sources), default=-1.0)
    if own_source is None:
        return foreign > kept or kept < SAME_PERSON_COSINE
    return foreign > max(kept, cosine(output, own_source))
