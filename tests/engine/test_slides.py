"""People who come one after the other: slideshows, dissolves and fades."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import pytest

from lendface.engine.picture import ArrayPicture
from lendface.engine.scan import Clock
from lendface.engine.tracks import Tracks
from lendface.engine.types import Frame, Pixels
from lendface.pipeline.parts import Parts
from people import read_person, swaying

SMALL = 240


def scan(parts: Parts, pixels: Sequence[Pixels], step_s: Fraction = Fraction(1, 25)) -> Tracks:
    frames = (Frame(k, k * step_s, ArrayPicture(each)) for k, each in enumerate(pixels))
    return parts.scanner.scan(frames)


def shot(who: str, count: int) -> list[Pixels]:
    return swaying(read_person(who, side_px=SMALL), count, reach_px=4)


def dissolved(first: Sequence[Pixels], second: Sequence[Pixels], frames: int) -> list[Pixels]:
    """The last ``frames`` of the first film turn into the first ones of the second."""
    shares = np.arange(1, frames + 1) / (frames + 1)
    pairs = zip(first[-frames:], second[:frames], shares, strict=True)
    mixed = [cv2.addWeighted(a, 1 - share, b, share, 0) for a, b, share in pairs]
    return [*first[:-frames], *mixed, *second[frames:]]


def who_at(tracks: Tracks) -> list[tuple[int, ...]]:
    return [tuple(f.track_id for f in tracks.faces_at(k)) for k in range(tracks.frame_count)]


@pytest.mark.parametrize(("step_s", "each"), [(Fraction(1), 1), (Fraction(2), 1), (Fraction(1), 3)])
def test_in_a_slideshow_seconds_count_and_not_frames(
    parts: Parts, step_s: Fraction, each: int
) -> None:
    """The pictures have one background, so that nothing but the face tells one from the next."""
    slides = [
        read_person(who, side_px=SMALL) for who in ("P003", "P005", "P010") for _ in range(each)
    ]
    tracks = scan(parts, slides, step_s)
    assert [person.face_count for person in tracks.people] == [each] * 3
    shown = who_at(tracks)
    assert len({shown[0], shown[each], shown[2 * each]}) == 3
    strengths = [face.strength for k in range(3 * each) for face in tracks.faces_at(k)]
    assert strengths == [1] * (3 * each)  # a slide does not fade in over those before it


def test_a_face_of_few_frames_in_a_quick_film_is_still_nobody(parts: Parts) -> None:
    grey = np.full((SMALL, SMALL, 3), 90, np.uint8)
    assert scan(parts, [grey] * 6 + shot("P003", 3) + [grey] * 6).people == ()


def test_a_doubtful_face_in_a_slideshow_is_nobody(parts: Parts) -> None:
    """So blurred that the networks still find it, but hardly anybody would."""
    grey = np.full((SMALL, SMALL, 3), 90, np.uint8)
    blurred = cv2.GaussianBlur(read_person("P003", side_px=SMALL), (0, 0), 9)
    assert scan(parts, [grey, grey, blurred, grey, grey, grey, grey], Fraction(1)).people == ()


@pytest.mark.parametrize("length", [8, 16])
def test_a_dissolve_at_one_place_shows_two_people(parts: Parts, length: int) -> None:
    tracks = scan(parts, dissolved(shot("P003", 26), shot("P005", 28 + length), length))
    assert len(tracks.people) == 2
    shown = who_at(tracks)
    assert {len(each) for each in shown} == {1}
    change = next(k for k, each in enumerate(shown) if each != shown[0])
    assert 26 - length < change < 26  # inside of the dissolve
    assert len(set(shown[change:])) == 1
    assert {face.strength for k in range(len(shown)) for face in tracks.faces_at(k)} == {1}


def test_a_fade_over_black_shows_two_people(parts: Parts) -> None:
    black = [np.zeros((SMALL, SMALL, 3), np.uint8)] * 8
    film = dissolved(dissolved(shot("P003", 24), black, 6), shot("P005", 30), 6)[: 24 + 26]
    tracks = scan(parts, film)
    assert len(tracks.people) == 2
    shown = who_at(tracks)
    assert shown[5] != shown[-5]
    assert shown[5] not in shown[28:]


def test_one_person_in_two_pictures_stays_one(parts: Parts) -> None:
    """A dissolve from a photo to another one of the same person."""
    selfie = read_person("P003", "amateur_selfie", SMALL)
    tracks = scan(parts, dissolved(shot("P003", 24), swaying(selfie, 34, reach_px=4), 8))
    assert len(tracks.people) == 1


def test_a_clock_tells_how_long_frames_are_shown() -> None:
    clock = Clock([0.0, 0.5, 0.54, 3.54])
    assert clock.shown_s([0, 2]) == pytest.approx(3.5)
    assert clock.shown_s([3]) == pytest.approx(3.0)  # as long as the one before
    assert Clock([0.0]).shown_s([0]) == 0


@pytest.mark.parametrize(("fps", "frames"), [(60, 4), (25, 4), (12, 4), (5, 2), (1, 0)])
def test_a_swap_fades_over_fewer_frames_where_each_is_shown_long(fps: int, frames: int) -> None:
    assert Clock([k / fps for k in range(20)]).fade_frames == frames
