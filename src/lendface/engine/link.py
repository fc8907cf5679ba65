"""Which tracklets show the same person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .tracker import Tracklet
from .types import Floats

SAME_PERSON = 0.40  # cosine of mean embeddings; SFace's own threshold for two photos is 0.363
STRANGERS, CLEAR = 0.33, 0.5  # cosine of two views that are worth so much
SAME_PLACE_FRAMES = 15  # a face that comes back this soon, at the same place, is the same


@dataclass(slots=True, eq=False)
class Person:
    """Tracklets of one person, which never share a frame."""

    tracklets: list[Tracklet] = field(default_factory=list)

    @property
    def face_count(self) -> int:
        return sum(t.last_frame - t.first_frame + 1 for t in self.tracklets)

    @property
    def embedding(self) -> Floats | None:
        """Unit length mean over the best views of all tracklets; None if nobody ever looked."""
        views = [view for t in self.tracklets for view in t.views]
        if not views:
            return None
        mean = sum(view.worth * view.embedding for view in views)
        return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)

    @property
    def clarity(self) -> float:
        """How clearly the best look at this person showed a face at all."""
        return max(tracklet.clarity for tracklet in self.tracklets)

    def has_room_for(self, tracklet: Tracklet) -> bool:
        return all(
            tracklet.last_frame < own.first_frame or own.last_frame < tracklet.first_frame
            for own in self.tracklets
        )


def link(tracklets: Sequence[Tracklet], ends: dict[int, tuple[Floats, Floats]]) -> list[Person]:
    """People, the most present first.

    ``ends`` holds for each tracklet id the boxes (4,) of its first and its last face. A short
    break at the same place is bridged first, then whoever looks alike is joined, the longest
    tracklets first, so that a poor view joins a good one and not the other way round.
    """
    people: list[Person] = []
    for chain in sorted(_chains(tracklets, ends), key=lambda p: -p.face_count):
        match = _find_alike(people, chain)
        if match is None:
            people.append(chain)
        else:
            match.tracklets.extend(chain.tracklets)
    return sorted(people, key=lambda p: -p.face_count)


def _chains(tracklets: Sequence[Tracklet], ends: dict[int, tuple[Floats, Floats]]) -> list[Person]:
    chains: list[Person] = []
    for tracklet in sorted(tracklets, key=lambda t: t.first_frame):
        for chain in chains:
            last = chain.tracklets[-1]
            gap = tracklet.first_frame - last.last_frame
            is_soon = 0 < gap <= SAME_PLACE_FRAMES and not last.ends_shot
            if (
                is_soon
                and not tracklet.starts_shot
                and _share_place(ends[last.id][1], ends[tracklet.id][0])
                and not _are_strangers(last, tracklet)
            ):
                chain.tracklets.append(tracklet)
                break
        else:
            chains.append(Person([tracklet]))
    return chains


def _find_alike(people: Sequence[Person], chain: Person) -> Person | None:
    own = chain.embedding
    if own is None:
        return None
    best, likeness = None, SAME_PERSON
    for person in people:
        other = person.embedding
        if other is None or not all(person.has_room_for(t) for t in chain.tracklets):
            continue
        if float(own @ other) > likeness:
            best, likeness = person, float(own @ other)
    return best


def _share_place(a: Floats, b: Floats) -> bool:
    step = np.linalg.norm((a[:2] + a[2:] - b[:2] - b[2:]) / 2)
    size = max(a[3] - a[1], b[3] - b[1])
    return bool(step < size) and 0.6 < (a[3] - a[1]) / max(b[3] - b[1], 1e-6) < 1.67


def _are_strangers(a: Tracklet, b: Tracklet) -> bool:
    """Two clear looks that differ are enough; poor ones must differ more."""
    one, other = a.embedding, b.embedding
    if one is None or other is None:
        return False
    is_clear = all(max(view.worth for view in t.views) > CLEAR for t in (a, b))
    return float(one @ other) < (STRANGERS if is_clear else SAME_PERSON / 2)
