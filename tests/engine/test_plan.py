"""Who gets whose face."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.plan import find_at, find_person, plan_everyone, plan_most_present
from lendface.engine.rows import MemoryLog
from lendface.engine.tracks import Tracks
from lendface.engine.types import Face, Floats, SourceFace, Track


def unit(seed: int) -> Floats:
    vector = np.random.default_rng(seed).normal(size=128)
    return np.float32(vector / np.linalg.norm(vector))


def person(number: int, looks: Floats) -> Track:
    return Track(number, looks, np.zeros((468, 3), np.float32), 9, 100, 100, 0, 1, ((0, 9),), 0)


@pytest.fixture
def tracks() -> Tracks:
    return Tracks(tuple(person(k, unit(k)) for k in (1, 2, 3)), 9, {}, MemoryLog())


@pytest.fixture
def source() -> SourceFace:
    return SourceFace((), unit(50))


def test_the_default_is_the_first_person_alone(tracks: Tracks, source: SourceFace) -> None:
    plan = plan_most_present(tracks, source)
    assert plan.source_for(1) is source
    assert plan.source_for(2) is plan.source_for(3) is None


def test_everyone_is_everyone(tracks: Tracks, source: SourceFace) -> None:
    plan = plan_everyone(tracks, source)
    assert all(plan.source_for(number) is source for number in (1, 2, 3))


def test_nobody_in_a_film_gets_nothing(source: SourceFace) -> None:
    empty = Tracks((), 9, {}, MemoryLog())
    assert plan_most_present(empty, source).source_by_track == {}
    assert plan_everyone(empty, source).source_by_track == {}
    assert find_person(empty, unit(1)) is None


def test_a_reference_finds_whom_it_resembles_or_nobody(tracks: Tracks) -> None:
    alike = unit(2) + 0.6 * unit(77)
    found = find_person(tracks, np.float32(alike / np.linalg.norm(alike)))
    assert found is not None
    assert found.id == 2
    assert find_person(tracks, unit(60)) is None


def test_a_person_is_got_by_number_and_else_refused(tracks: Tracks) -> None:
    assert tracks.get_person(3).id == 3
    with pytest.raises(KeyError):
        tracks.get_person(4)


class Staged(Tracks):
    """A film whose faces are boxes, by frame and person."""

    def faces_at(self, index: int) -> tuple[Face, ...]:
        mesh, light = np.zeros((478, 3), np.float32), np.ones((8, 8, 3), np.float32)
        return tuple(
            Face(who, np.float32(box), mesh, 1.0, 1.0, light)
            for who, box in BOXES.get(index, {}).items()
        )


BOXES = {
    4: {1: (0, 0, 50, 50), 2: (40, 0, 90, 50)},
    7: {3: (10, 10, 40, 40)},
    9: {3: (200, 200, 240, 240)},
}


@pytest.mark.parametrize(
    ("at", "who"), [((25, 25), 1), ((43, 25), 1), ((47, 25), 2), ((220, 220), 3), ((150, 9), None)]
)
def test_a_point_means_who_is_the_first_to_be_seen_there(
    tracks: Tracks, at: tuple[int, int], who: int | None
) -> None:
    film = Staged(tracks.people, 10, dict.fromkeys((9, 7, 4), ()), MemoryLog())
    found = find_at(film, at)
    assert (found and found.id) == who
