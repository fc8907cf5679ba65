"""A job's pairs in the words of the pipeline."""

from __future__ import annotations

from pathlib import Path

from lendface.pipeline.swaps import LooksLike, MostPresent, SeenAt, Who
from lendface.service.requests import PairRef, PhotoRef, SwapJob, WhoRef
from lendface.service.swapping import pairs_of


def who_of(who: WhoRef) -> Who:
    job = SwapJob("film", (PairRef((PhotoRef("me"),), who),))
    [pair] = pairs_of(job, Path)
    return pair.who


def test_a_photo_of_somebody_is_compared() -> None:
    who = WhoRef("looks_like", photo=PhotoRef("you", face_at=(3, 4)), or_most_present=True)
    assert who_of(who) == LooksLike(Path("you"), None, (3, 4), or_most_present=True)


def test_a_point_of_the_target_itself_is_a_place_and_no_photo() -> None:
    """The target may be a film, which cannot be read as a photo."""
    who = WhoRef("looks_like", photo=PhotoRef("film", face_at=(3, 4)))
    assert who_of(who) == SeenAt((3, 4))


def test_who_is_seen_most_is_the_default() -> None:
    assert who_of(WhoRef()) == MostPresent()
