"""A job's pairs in the words of the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from lendface.errors import OutputFormatError
from lendface.pipeline.limits import TargetFacts
from lendface.pipeline.swaps import LooksLike, MostPresent, SeenAt, Who
from lendface.service.requests import OutputRef, PairRef, PhotoRef, SwapJob, WhoRef
from lendface.service.swapping import pairs_of, suffix_of


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


def target(kind: Literal["image", "video"], container: str) -> TargetFacts:
    return TargetFacts(kind, container, "h264", 64, 48, 1000, 1.0, 25, 25.0, ending=".mkv")


def test_a_result_is_of_the_targets_kind_or_refused_before_any_work() -> None:
    film, picture = target("video", "matroska,webm"), target("image", "jpeg")
    assert [suffix_of(OutputRef(), of) for of in (film, picture)] == [".mkv", ".jpg"]
    assert suffix_of(OutputRef("webm"), film) == ".webm"
    assert suffix_of(OutputRef("webp"), picture) == ".webp"
    with pytest.raises(OutputFormatError, match="a film, which is written as mp4"):
        suffix_of(OutputRef("webp"), film)
    with pytest.raises(OutputFormatError, match="a picture, which is written as jpg"):
        suffix_of(OutputRef("mp4"), picture)
