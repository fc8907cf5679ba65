"""Who a face is, told from descriptors that are made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lendface.engine.types import Floats
from lendface.quality.identity import (
    SAME_PERSON_DISTANCE,
    Gallery,
    distance,
    is_wrong,
    mean_embedding,
    same_person_distance,
    transfer,
    who_is_it,
)


def person(index: int) -> Floats:
    """A unit vector at a right angle to everybody else's."""
    return np.eye(8, dtype=np.float32)[index]


def between(a: Floats, b: Floats, share: float) -> Floats:
    return mean_embedding([a * (1 - share), b * share])


ANNA, BERT, CARL = person(0), person(1), person(2)


def test_an_untouched_face_has_no_transfer() -> None:
    assert transfer([ANNA], BERT, BERT) == 0


def test_a_face_as_far_off_as_another_photo_of_the_source_is_a_whole_transfer() -> None:
    likely = np.float32(1 - SAME_PERSON_DISTANCE**2 / 2)  # the cosine at that distance
    output = likely * ANNA + np.sqrt(1 - likely**2) * CARL
    assert transfer([ANNA], BERT, output) == pytest.approx(1, abs=1e-4)


def test_the_sources_own_photos_say_how_much_one_person_varies() -> None:
    photos = [ANNA, between(ANNA, CARL, 0.3)]
    assert same_person_distance(photos) == pytest.approx(distance(photos[:1], photos[1]))
    assert same_person_distance([ANNA]) == SAME_PERSON_DISTANCE


def test_look_alikes_leave_nothing_to_transfer() -> None:
    twin = between(ANNA, BERT, 0.2)
    assert transfer([ANNA], twin, ANNA) is None


def test_a_gallery_finds_whom_a_face_looks_like_most() -> None:
    gallery = Gallery({"anna": ANNA, "bert": BERT}, source="anna")
    assert gallery.finds_source(between(ANNA, BERT, 0.4))
    assert not gallery.finds_source(between(ANNA, BERT, 0.6))


def test_a_frame_that_speaks_clearly_is_believed_against_its_track() -> None:
    people = {1: ANNA, 2: BERT}
    assert who_is_it(ANNA, people, 1) == 1
    assert who_is_it(BERT, people, 1) == 2
    assert who_is_it(between(ANNA, BERT, 0.52), people, 1) == 1  # not clearly
    assert who_is_it(CARL, people, 1) == 1  # like nobody


def test_a_bystander_who_becomes_the_source_is_wrong() -> None:
    assert is_wrong(target=BERT, output=ANNA, own_source=None, other_sources=[ANNA])
    assert not is_wrong(target=BERT, output=BERT, own_source=None, other_sources=[ANNA])


def test_a_bystander_who_is_nobody_any_more_is_wrong() -> None:
    assert is_wrong(target=BERT, output=CARL, own_source=None, other_sources=[ANNA])


def test_a_planned_face_may_stay_or_become_its_source_but_no_other() -> None:
    for output in (BERT, ANNA, between(BERT, ANNA, 0.5)):
        assert not is_wrong(BERT, output, own_source=ANNA, other_sources=[CARL])
    assert is_wrong(BERT, CARL, own_source=ANNA, other_sources=[CARL])
