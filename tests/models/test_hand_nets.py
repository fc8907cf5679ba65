"""Hands: found in a square, read as 21 points, followed without a detection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from lendface.engine.geometry import Roi, crop_of, face_roi
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Floats, Hand
from lendface.models import Hands, ModelKit

CLIPS = Path(__file__).parents[2].parent / "shared" / "media" / "clips"
SIGNER = CLIPS / "s10_sign_hand_at_mouth.mp4"
OVER_MOUTH = CLIPS / "s05_hand_over_mouth.mp4"
needs = pytest.mark.skipif(not CLIPS.is_dir(), reason="the shared clips are not here")


def whole(picture: ArrayPicture) -> Floats:
    """The square round the whole picture, as ``find`` takes it."""
    width, height = picture.size_wh
    return crop_of(Roi((width - 1) / 2, (height - 1) / 2, max(width, height), 0), Hands.size_px)


def left_first(hands: list[Hand]) -> list[Hand]:
    return sorted(hands, key=lambda hand: float(hand.points_xy[:, 0].mean()))


@pytest.fixture(scope="module")
def posture(person: Callable[..., ArrayPicture]) -> ArrayPicture:
    """A standing person with both arms hanging."""
    return person("P003", "studio_posture")


def test_both_hands_of_a_standing_person_are_found(kit: ModelKit, posture: ArrayPicture) -> None:
    hands = left_first(kit.hand_finder.find(posture, whole(posture)))
    width, height = posture.size_wh
    assert len(hands) == 2
    for hand in hands:
        x, y = hand.points_xy.mean(axis=0) / (width, height)
        assert (hand.points_xy.shape, hand.points_xy.dtype) == ((21, 2), np.float32)
        assert 0.9 < hand.score <= 1
        assert 0.2 < x < 0.8
        assert 0.4 < y < 0.7
    assert hands[0].points_xy[:, 0].max() < hands[1].points_xy[:, 0].min()


def test_fingers_hang_below_the_wrist(kit: ModelKit, posture: ArrayPicture) -> None:
    for hand in kit.hand_finder.find(posture, whole(posture)):
        assert hand.points_xy[[8, 12, 16, 20], 1].min() > hand.points_xy[0, 1]


def test_followed_hands_stay_where_they_are(kit: ModelKit, posture: ArrayPicture) -> None:
    found = left_first(kit.hand_finder.find(posture, whole(posture)))
    followed = left_first(kit.hand_finder.follow(posture, found))
    assert len(followed) == 2
    for before, after in zip(found, followed, strict=True):
        size_px = np.ptp(before.points_xy, axis=0).max()
        step = np.linalg.norm(after.points_xy - before.points_xy, axis=1)
        assert step.mean() < 0.08 * size_px


def test_a_turned_picture_gives_turned_hands(kit: ModelKit, posture: ArrayPicture) -> None:
    found = left_first(kit.hand_finder.find(posture, whole(posture)))
    over = ArrayPicture(np.ascontiguousarray(posture.pixels[::-1, ::-1]))
    again = left_first(kit.hand_finder.find(over, whole(over)))
    last = np.array(posture.size_wh, np.float32) - 1
    for before, after in zip(found, reversed(again), strict=True):
        size_px = np.ptp(before.points_xy, axis=0).max()
        step = np.linalg.norm(last - after.points_xy - before.points_xy, axis=1)
        assert step.mean() < 0.08 * size_px


def test_lost_hands_are_left_out(kit: ModelKit, posture: ArrayPicture) -> None:
    found = kit.hand_finder.find(posture, whole(posture))
    empty = ArrayPicture(np.full_like(posture.pixels, 128))
    assert kit.hand_finder.follow(empty, found) == []
    assert kit.hand_finder.find(empty, whole(empty)) == []
    assert kit.hand_finder.follow(posture, []) == []


def test_one_hand_given_twice_is_followed_once(kit: ModelKit, posture: ArrayPicture) -> None:
    hand = kit.hand_finder.find(posture, whole(posture))[0]
    assert len(kit.hand_finder.follow(posture, [hand, hand])) == 1


def frames_of(clip: Path, every: int) -> Iterator[ArrayPicture]:
    with av.open(str(clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                yield ArrayPicture(frame.to_ndarray(format="rgb24"))


def hands_near_face(kit: ModelKit, picture: ArrayPicture, faces: float) -> list[Hand]:
    face = kit.detector.detect(picture)[0]
    roi = face_roi(face.box_xyxy, face.points_xy)
    place = roi._replace(side=roi.side / 1.5 * faces, angle=0)
    return kit.hand_finder.find(picture, crop_of(place, Hands.size_px))


@needs
@pytest.mark.clips
def test_the_hand_at_a_signers_mouth_is_found(kit: ModelKit) -> None:
    pictures = list(frames_of(SIGNER, 15))[1:3]
    assert [len(hands_near_face(kit, picture, 3)) for picture in pictures] == [1, 1]


@needs
@pytest.mark.clips
def test_most_hands_over_a_mouth_are_found_though_they_are_cut(kit: ModelKit) -> None:
    pictures = list(frames_of(OVER_MOUTH, 20))[3:]
    found = sum(bool(hands_near_face(kit, picture, 4)) for picture in pictures)
    assert found >= len(pictures) // 2
