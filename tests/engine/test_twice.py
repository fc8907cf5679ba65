"""One person seen by two eyes gets one face twice; two people do not."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import lendface
from lendface.engine.picture import ArrayPicture
from lendface.engine.plan import SwapPlan
from lendface.engine.tracks import Tracks
from lendface.engine.twice import seen_twice, with_who_is_seen_twice
from lendface.engine.types import Frame, Pixels, SourceFace
from lendface.pipeline.parts import Parts
from lendface.pipeline.swaps import CastNumber, Pair, SwapRequest, swap_files
from people import beside, read_person, swaying, write_film, write_photo

SMALL = 200


def shot(who: str, count: int = 12) -> list[Pixels]:
    return swaying(read_person(who, side_px=SMALL), count, reach_px=4)


def scan(parts: Parts, pixels: Sequence[Pixels]) -> Tracks:
    frames = (Frame(k, Fraction(k, 25), ArrayPicture(each)) for k, each in enumerate(pixels))
    return parts.scanner.scan(frames)


def stereo(who: str, is_above: bool = False) -> list[Pixels]:
    """The right eye sees all of it three pixels farther to the left."""
    left = shot(who)
    right = [np.roll(pixels, -3, axis=1) for pixels in left]
    if is_above:
        return [np.vstack(pair) for pair in zip(left, right, strict=True)]
    return beside(left, right)


@pytest.mark.parametrize("is_above", [False, True])
def test_both_eyes_of_one_person_get_the_source(
    parts: Parts, sources: dict[str, SourceFace], is_above: bool
) -> None:
    tracks = scan(parts, stereo("P003", is_above))
    assert len(tracks.people) == 2
    assert seen_twice(tracks, 1) == [2]
    assert seen_twice(tracks, 2) == [1]
    source, other = sources["P005"], sources["P010"]
    assert with_who_is_seen_twice(SwapPlan({2: source}), tracks).source_by_track == {
        2: source,
        1: source,
    }
    own = {1: source, 2: other}
    assert with_who_is_seen_twice(SwapPlan(own), tracks).source_by_track == own


def test_two_people_are_not_one_seen_twice(parts: Parts) -> None:
    assert seen_twice(scan(parts, beside(shot("P003"), shot("P010"))), 1) == []


def test_one_person_in_two_films_side_by_side_is_not_in_step(parts: Parts) -> None:
    """As a twin, or the same actor in a split picture: alike, but each with moves of their own."""
    ahead = swaying(read_person("P003", side_px=SMALL), 24)
    assert seen_twice(scan(parts, beside(ahead[:12], ahead[12:])), 1) == []


def test_a_swap_of_a_stereo_film_says_so(parts: Parts, tmp_path: Path) -> None:
    film = write_film(tmp_path / "vr.mp4", stereo("P003"))
    photo = write_photo(tmp_path / "me.png", read_person("P005"))
    pair = Pair((photo,), CastNumber(2))
    report = swap_files(SwapRequest((pair,), film, tmp_path / "out.mp4"), parts)
    assert sorted(person.face for person in report.people) == [1, 2]
    assert all(person.swapped == 12 for person in report.people)
    (told,) = report.warnings
    assert told.startswith("faces 1 and 2 are one person seen twice")


def test_arrays_are_swapped_for_both_eyes_too(parts: Parts) -> None:
    pixels = stereo("P003")[0]
    swapped = lendface.swap(read_person("P005"), pixels, parts=parts)
    assert isinstance(swapped, np.ndarray)
    changed = (swapped != pixels).any(-1)
    assert changed[:, :SMALL].mean() > 0.05
    assert changed[:, SMALL:].mean() > 0.05
