"""A film in, people out; the nets are the real ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest

from lendface.engine import tracker
from lendface.engine.picture import ArrayPicture
from lendface.engine.scan import FADE_FRAMES, Mark, bearable, bearable_between, faded
from lendface.engine.tracks import Tracks
from lendface.engine.types import Floats, Frame, Hand, Pixels
from lendface.pipeline.parts import Parts
from people import beside, read_person, swaying

SMALL = 240
GREY = np.full((SMALL, SMALL, 3), 90, np.uint8)


def scan(parts: Parts, pixels: Sequence[Pixels]) -> Tracks:
    frames = (Frame(k, Fraction(k, 25), ArrayPicture(each)) for k, each in enumerate(pixels))
    return parts.scanner.scan(frames)


def shot(who: str, count: int) -> list[Pixels]:
    return swaying(read_person(who, side_px=SMALL), count, reach_px=4)


def seen_in(tracks: Tracks, track_id: int) -> list[int]:
    return [
        index
        for index in range(tracks.frame_count)
        if any(face.track_id == track_id for face in tracks.faces_at(index))
    ]


def test_a_face_is_in_every_frame_where_it_is(parts: Parts) -> None:
    frames = shot("P003", 20)
    tracks = scan(parts, frames)
    (person,) = tracks.people
    assert (tracks.frame_count, person.face_count, person.spans) == (20, 20, ((0, 20),))
    assert seen_in(tracks, 1) == list(range(20))
    assert 80 < person.size_px < 110
    assert (person.usable_share, person.turned_share) == (1, 0)
    nose = [tracks.faces_at(k)[0].landmarks_xyz[4, 0] for k in range(20)]
    assert 4 < np.ptp(nose) < 14  # it sways by 4 px either way, and turns


def test_a_scan_says_the_same_every_time(parts: Parts) -> None:
    frames = shot("P005", 12)
    one, other = scan(parts, frames), scan(parts, frames)
    for index in range(12):
        (a,), (b,) = one.faces_at(index), other.faces_at(index)
        np.testing.assert_array_equal(a.landmarks_xyz, b.landmarks_xyz)
        np.testing.assert_array_equal(a.light, b.light)


def test_one_person_before_and_after_a_cut_is_one_and_the_other_is_another(parts: Parts) -> None:
    frames = shot("P003", 15) + shot("P005", 12) + shot("P003", 15)[::-1]
    tracks = scan(parts, frames)
    first, second = tracks.people
    assert first.spans == ((0, 15), (27, 42))
    assert second.spans == ((15, 27),)
    strengths = [tracks.faces_at(k)[0].strength for k in (0, 14, 15, 26, 27, 41)]
    assert strengths == [1] * 6  # a cut is no reason to fade


def test_two_people_side_by_side_are_two(parts: Parts) -> None:
    tracks = scan(parts, beside(shot("P003", 15), shot("P010", 15)))
    assert [person.face_count for person in tracks.people] == [15, 15]
    for index in range(15):
        sides = {f.track_id: f.landmarks_xyz[4, 0] > SMALL for f in tracks.faces_at(index)}
        assert len(set(sides.values())) == 2
        assert sides == {f.track_id: f.landmarks_xyz[4, 0] > SMALL for f in tracks.faces_at(0)}


def test_twins_in_one_picture_are_two(parts: Parts) -> None:
    tracks = scan(parts, beside(shot("P003", 12), shot("P003", 12)))
    assert [person.face_count for person in tracks.people] == [12, 12]


def test_two_lost_frames_within_a_shot_are_bridged(parts: Parts) -> None:
    """The face is covered for two frames; the picture around it stays the same."""
    frames = shot("P003", 24)
    for index in (12, 13):
        frames[index] = cv2.rectangle(frames[index].copy(), (60, 30), (180, 200), (95, 90, 85), -1)
    tracks = scan(parts, frames)
    (person,) = tracks.people
    assert seen_in(tracks, 1) == list(range(24))
    assert person.face_count == 24
    around = [tracks.faces_at(k)[0].landmarks_xyz[4, 0] for k in (11, 12, 13, 14)]
    steps = np.diff(around)
    assert np.ptp(steps) < 1.5  # straight from one side of the gap to the other


def test_nobody_is_seen_where_nobody_is(parts: Parts) -> None:
    tracks = scan(parts, [GREY] * 5 + shot("P003", 10) + [GREY] * 5)
    assert seen_in(tracks, 1) == list(range(5, 15))
    assert scan(parts, [GREY] * 4).people == ()


def test_no_frames_are_no_people(parts: Parts) -> None:
    tracks = scan(parts, [])
    assert (tracks.frame_count, tracks.people, tracks.faces_at(0)) == (0, (), ())


def test_a_person_is_as_fair_as_the_film_shows_them(parts: Parts) -> None:
    shown = read_person("P010")
    dimmed = (0.5 * shown).astype(np.uint8)
    bright, dim = (scan(parts, [pixels]).people[0].level for pixels in (shown, dimmed))
    assert bright is not None
    assert dim is not None
    assert ((bright - dim > 0.5) & (bright - dim < 0.75)).all()


def test_a_picture_is_a_film_of_one_frame(parts: Parts) -> None:
    (person,) = scan(parts, [read_person("P010")]).people
    assert (person.face_count, person.usable_share, person.best_index) == (1, 1, 0)


@pytest.mark.slow
def test_blocks_of_a_long_shot_join_without_a_step(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = np.random.default_rng(0)
    frames = [
        np.uint8(np.clip(pixels + noisy.normal(0, 6, pixels.shape), 0, 255))
        for pixels in shot("P003", 80)
    ]
    monkeypatch.setattr(tracker, "BLOCK", 1000)
    whole = points_of(scan(parts, frames))
    monkeypatch.setattr(tracker, "BLOCK", 20)
    blocks = points_of(scan(parts, frames))
    assert whole.shape == blocks.shape == (80, 478, 2)
    off = np.linalg.norm(blocks - whole, axis=2)
    raw_step = np.abs(np.diff(whole, n=2, axis=0)).mean()
    assert off.max() < 0.5
    assert off.mean() < 0.25 * raw_step + 0.02


def points_of(tracks: Tracks) -> Floats:
    faces = [tracks.faces_at(index)[0] for index in range(tracks.frame_count)]
    return np.stack([face.landmarks_xyz[:, :2] for face in faces])


# What a face can bear


def test_a_good_face_bears_all_and_a_bad_one_nothing() -> None:
    def bears(height: float = 100, yaw: float = 0, score: float = 0.99) -> float:
        return bearable(Mark(0, 0, height, yaw, score))

    assert bears() == 1
    assert bears(height=20) == bears(yaw=75) == bears(yaw=-75) == bears(score=0.3) == 0
    assert 0 < bears(height=27) < 1
    assert 0 < bears(yaw=-60) < 1
    assert bears(yaw=40) == bears(yaw=-40) == 1


def test_a_face_lost_beside_a_hand_is_not_painted_where_the_hand_hides_it() -> None:
    free, beside = Mark(0, 0, 100, 0, 0.99), Mark(4, 1, 100, 0, 0.99, has_hands=True)
    assert bearable_between(free, beside, 0.5) == bearable_between(beside, free, 0.5) == 0
    assert bearable_between(beside, beside, 0) == 1  # seen there, and the hand is known
    assert bearable_between(free, free, 0.5) == 1


def hand_at(x: float, score: float = 0.9) -> Hand:
    random = np.random.default_rng(4)
    return Hand((random.normal(0, 9, (21, 2)) + np.float32([x, 50])).astype(np.float32), score)


def test_a_hand_that_is_lost_for_some_frames_is_between_its_sights() -> None:
    lost = [(hand_at(50),), (), (), (hand_at(62),), (hand_at(66),)]
    found = tracker.bridged(lost)
    middles = [float(hands[0].points_xy[:, 0].mean()) for hands in found]
    np.testing.assert_allclose(np.diff(middles), 4, atol=1e-3)
    assert [len(hands) for hands in found] == [1, 1, 1, 1, 1]


def test_a_hand_that_is_lost_for_long_or_found_far_away_is_another() -> None:
    late = [(hand_at(50),), *[()] * (tracker.HANDS_GAP + 1), (hand_at(50),)]
    assert tracker.bridged(late) == late
    far = [(hand_at(50),), (), (hand_at(250),)]
    assert tracker.bridged(far) == far


def test_a_good_run_is_whole_unless_it_fades_at_its_ends() -> None:
    good = np.ones(20, np.float32)
    np.testing.assert_array_equal(faded(good, False, False), good)
    fading = faded(good, True, True)
    ramp = np.arange(1, FADE_FRAMES + 1) / (FADE_FRAMES + 1)
    np.testing.assert_allclose(fading[:FADE_FRAMES], ramp, atol=1e-6)
    np.testing.assert_allclose(fading[-FADE_FRAMES:], ramp[::-1], atol=1e-6)
    assert (fading[FADE_FRAMES:-FADE_FRAMES] == 1).all()


def test_a_bad_frame_is_faded_into_and_out_of() -> None:
    bears = np.ones(41, np.float32)
    bears[20] = 0
    strengths = faded(bears, False, False)
    assert strengths[20] == 0
    assert (strengths[:10] == 1).all()
    assert (strengths[31:] == 1).all()
    assert (np.diff(strengths[10:21]) <= 0).all()
    assert (np.diff(strengths[20:31]) >= 0).all()
    assert np.abs(np.diff(strengths)).max() < 0.35  # no flash
    assert (strengths <= bears).all()


def test_strength_never_exceeds_what_a_face_bears() -> None:
    bears = np.random.default_rng(1).uniform(0, 1, 60).astype(np.float32)
    for ends in ((False, False), (True, False), (True, True)):
        assert (faded(bears, *ends) <= bears + 1e-6).all()


def test_a_run_of_one_frame_is_no_error() -> None:
    assert faded(np.ones(1, np.float32), False, False).tolist() == [1]
    assert 0 < faded(np.ones(1, np.float32), True, True)[0] < 1


def crossing(front: str, behind: str, count: int, step_px: int) -> list[Pixels]:
    """``front`` walks to the right and passes before ``behind``, who walks to the left."""
    width, side = 640, 200
    people = [np.ascontiguousarray(read_person(who, side_px=side)) for who in (front, behind)]
    ys, xs = np.mgrid[:side, :side]
    inside = ((xs - side / 2) / (0.36 * side)) ** 2 + ((ys - side / 2) / (0.48 * side)) ** 2 < 1
    frames = []
    for index in range(count):
        frame = np.full((240, width, 3), 120, np.uint8)
        places = (20 + step_px * index, width - side - 20 - step_px * index)
        for pixels, x in reversed(list(zip(people, places, strict=True))):
            frame[20 : 20 + side, x : x + side][inside] = pixels[inside]
        frames.append(frame)
    return frames


@pytest.mark.slow
@pytest.mark.parametrize("step_px", [4, 9])
def test_people_who_cross_keep_their_own_tracks(parts: Parts, step_px: int) -> None:
    count = 400 // step_px
    tracks = scan(parts, crossing("P003", "P010", count, step_px))
    owner_by_track: dict[int, set[str]] = {}
    for index in range(count):
        middle_by_person = {"front": 120 + step_px * index, "behind": 520 - step_px * index}
        if abs(middle_by_person["front"] - middle_by_person["behind"]) < 90:
            continue  # one hides the other: whose face that is, is a matter of definition
        for face in tracks.faces_at(index):
            x = float(face.box_xyxy[[0, 2]].mean())
            who = min(middle_by_person, key=lambda name: abs(middle_by_person[name] - x))
            owner_by_track.setdefault(face.track_id, set()).add(who)
    assert owner_by_track == {1: {"front"}, 2: {"behind"}} or owner_by_track == {
        1: {"behind"},
        2: {"front"},
    }


# How often it is looked


def counted(parts: Parts) -> tuple[Parts, dict[str, int]]:
    """The same parts, and how often each net was asked."""
    calls: dict[str, int] = defaultdict(int)

    class Counting:
        def __init__(self, part: Any) -> None:
            self._part = part

        def __getattr__(self, name: str) -> Any:
            value = getattr(self._part, name)
            if not callable(value):
                return value

            def call(*values: Any) -> Any:
                calls[name] += 1
                return value(*values)

            return call

    old = parts.scanner
    nets = ("detector", "landmarker", "recognizer", "hand_finder")
    scanner = replace(old, **{name: Counting(getattr(old, name)) for name in nets})
    return replace(parts, scanner=scanner), calls


def test_a_film_without_faces_is_hardly_looked_at(parts: Parts) -> None:
    counting, calls = counted(parts)
    assert scan(counting, [GREY] * 60).people == ()
    assert calls["detect"] <= 4
    assert calls["detect"] + calls["glance"] <= 11
    assert calls["landmarks"] == calls["describe"] == calls["find"] == 0


def test_a_steady_face_is_followed_by_its_mesh_alone(parts: Parts) -> None:
    counting, calls = counted(parts)
    frames = swaying(read_person("P003", side_px=SMALL), 60, reach_px=4)
    assert scan(counting, frames).people[0].face_count == 60
    assert calls["landmarks"] <= 61
    assert calls["detect"] + calls["glance"] <= 11
    assert calls["find"] <= 13
    assert calls["describe"] <= 6


def test_a_turned_face_that_comes_into_view_is_found_before_long(parts: Parts) -> None:
    """Turned faces are looked for less often; the next ones in a film that showed one are not."""
    turned = [np.rot90(pixels, 2).copy() for pixels in shot("P003", 30)]
    first = scan(parts, [GREY] * 8 + turned)
    assert len(seen_in(first, 1)) >= 30 - tracker.THOROUGH_EVERY
    later = scan(parts, turned[:12] + [GREY] * 11 + turned)
    assert seen_in(later, 1) == [*range(12), *range(23, 53)]
