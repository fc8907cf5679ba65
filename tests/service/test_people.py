"""Which faces of several frames are the same person's."""

from __future__ import annotations

import numpy as np

from lendface.engine.types import Floats
from lendface.service.people import number_people


def someone(who: int, drift: float = 0.0) -> Floats:
    """A face of person ``who``, off by some angle towards nobody else."""
    embedding = np.zeros(16, np.float32)
    embedding[who], embedding[15] = np.cos(drift), np.sin(drift)
    return embedding


def test_people_are_numbered_in_the_order_in_which_they_come() -> None:
    frames = [[someone(1)], [someone(2), someone(1, 0.3)], [], [someone(2, 0.3)]]
    assert number_people(frames) == [[0], [1, 0], [], [1]]


def test_nobody_is_twice_in_one_frame() -> None:
    twins = [someone(1), someone(1, 0.1)]
    assert number_people([twins]) == [[0, 1]]
    assert number_people([twins, [someone(1, 0.1), someone(1)]]) == [[0, 1], [1, 0]]


def test_the_most_alike_find_each_other_first() -> None:
    assert number_people([[someone(1)], [someone(1, 0.9), someone(1, 0.1)]]) == [[0], [1, 0]]


def test_a_person_is_known_by_the_mean_of_what_was_seen() -> None:
    """Each next face is as near to all before it as to the last alone it would not be."""
    turning = [someone(1, drift) for drift in (-0.8, 0.0, 0.8, -0.8)]
    assert number_people([[face] for face in turning]) == [[0], [0], [0], [0]]


def test_strangers_stay_strangers() -> None:
    assert number_people([[someone(number)] for number in range(5)]) == [[n] for n in range(5)]


def test_no_faces_are_no_people() -> None:
    assert number_people([]) == []
    assert number_people([[], []]) == [[], []]
