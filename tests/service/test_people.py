"""Which faces of several frames are the same person's."""

from __future__ import annotations

from typing import Any

import numpy as np

from lendface.service.people import group_faces


def someone(who: int, drift: float = 0.0) -> dict[str, Any]:
    """A face of person ``who``, off by some angle towards nobody else."""
    embedding = np.zeros(16)
    embedding[who], embedding[15] = np.cos(drift), np.sin(drift)
    return {"who": who, "embedding": embedding.tolist()}


def told(frames: list[list[dict[str, Any]]]) -> list[list[tuple[int, int]]]:
    return [
        [(seen.frame, seen.face["who"]) for seen in person.sightings]
        for person in group_faces(frames)
    ]


def test_people_are_told_in_the_order_in_which_they_come() -> None:
    frames = [[someone(1)], [someone(2), someone(1, 0.3)], [], [someone(2, 0.3)]]
    assert told(frames) == [[(0, 1), (1, 1)], [(1, 2), (3, 2)]]


def test_nobody_is_twice_in_one_frame() -> None:
    twins = [someone(1), someone(1, 0.1)]
    assert len(group_faces([twins])) == 2
    people = group_faces([twins, [someone(1, 0.1), someone(1)]])
    assert [[seen.frame for seen in person.sightings] for person in people] == [[0, 1], [0, 1]]


def test_the_most_alike_find_each_other_first() -> None:
    frames = [[someone(1)], [someone(1, 0.9), someone(1, 0.1)]]
    [known, new] = group_faces(frames)
    assert [seen.face["embedding"][1] for seen in known.sightings] == [1.0, np.cos(0.1)]
    assert len(new.sightings) == 1


def test_strangers_stay_strangers() -> None:
    assert len(group_faces([[someone(number)] for number in range(5)])) == 5


def test_no_faces_are_no_people() -> None:
    assert group_faces([]) == group_faces([[], []]) == []
