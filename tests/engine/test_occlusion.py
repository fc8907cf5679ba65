"""Hands and hair in front of a face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lendface.engine.mesh.occlusion import hair_cover, hands_cover
from lendface.engine.types import Floats, Hand

WH = (240, 240)
EYE_PX = 60.0
ORIGIN = np.float32([300, 100])
FINGER_ROOTS = [(-22, -10), (-16, -50), (0, -54), (14, -50), (26, -42)]


def open_hand(middle: tuple[float, float]) -> Hand:
    """Wrist below, five straight fingers above; the palm is 42 pixels wide."""
    points = [(0.0, 20.0)]
    for x, y in FINGER_ROOTS:
        points += [(x * (1 + 0.12 * k), y - (9 if x == -22 else 15) * k) for k in range(4)]
    return Hand(np.float32(points) + np.float32(middle), 0.9)


@pytest.fixture
def hand() -> Hand:
    return open_hand((120, 150))


def skin_with(hand: Hand, grow_px: int) -> tuple[Floats, Floats]:
    """A dark picture in which a bright hand is shown, and where it is."""
    shown = np.zeros(WH[::-1], np.uint8)
    points = np.rint(hand.points_xy).astype(np.int32)
    cv2.fillConvexPoly(shown, cv2.convexHull(points[[0, 1, 5, 9, 13, 17]]), 1)
    for start in range(1, 21, 4):
        cv2.polylines(shown, [points[start : start + 4]], False, 1, 2 * grow_px)
    target = np.where(shown[..., None] > 0, np.float32([215, 170, 150]), np.float32([60, 50, 45]))
    return cv2.GaussianBlur(np.float32(target), (0, 0), 0.8), shown > 0


def in_frame(hand: Hand) -> Hand:
    return Hand(hand.points_xy + ORIGIN, hand.score)


def test_without_hands_nothing_is_covered() -> None:
    target = np.full((*WH[::-1], 3), 120, np.float32)
    cover = hands_cover((), target, ORIGIN, EYE_PX)
    assert (cover.shape, cover.dtype) == (WH[::-1], np.float32)
    assert (cover == 0).all()


def test_a_hand_elsewhere_covers_nothing(hand: Hand) -> None:
    target = np.full((*WH[::-1], 3), 120, np.float32)
    assert (hands_cover((hand,), target, np.float32([9000, 9000]), EYE_PX) == 0).all()


def test_the_whole_skeleton_is_covered_even_on_skin_of_one_colour(hand: Hand) -> None:
    target = np.full((*WH[::-1], 3), 150, np.float32)
    cover = hands_cover((in_frame(hand),), target, ORIGIN, EYE_PX)
    points = np.rint(hand.points_xy).astype(int)
    assert cover[points[:, 1], points[:, 0]].min() > 0.9
    assert cover[:20].max() == 0
    assert cover[:, :30].max() == 0


def test_the_cover_ends_where_the_hand_in_the_picture_ends(hand: Hand) -> None:
    target, shown = skin_with(hand, grow_px=6)
    cover = hands_cover((in_frame(hand),), target, ORIGIN, EYE_PX) > 0.5
    fingers = np.zeros(WH[::-1], bool)
    fingers[20:95] = True  # the strokes drawn there are wider than these thin fingers
    flat = np.full_like(target, 120)
    drawn = hands_cover((in_frame(hand),), flat, ORIGIN, EYE_PX) > 0.5
    missed = (shown & ~cover & fingers).sum() / (shown & fingers).sum()
    spilled, spilled_before = (
        (mask & ~shown & fingers).sum() / (shown & fingers).sum() for mask in (cover, drawn)
    )
    assert missed < 0.05
    assert spilled < 0.75 * spilled_before


def test_two_hands_cover_what_each_of_them_covers(hand: Hand) -> None:
    other = Hand(hand.points_xy + np.float32([70, 0]), 0.8)
    target = np.full((*WH[::-1], 3), 150, np.float32)
    both = hands_cover((in_frame(hand), in_frame(other)), target, ORIGIN, EYE_PX)
    for one in (hand, other):
        alone = hands_cover((in_frame(one),), target, ORIGIN, EYE_PX)
        assert (both >= alone - 0.35).all()
        assert (both[alone > 0.95] > 0.9).all()


def hair(brightness: float, uv: tuple[float, float]) -> Floats:
    places = np.full((40, 40, 2), uv, np.float32)
    return hair_cover(np.full((40, 40), brightness, np.float32), places, EYE_PX)


def test_a_dark_fringe_covers_the_forehead_and_temples_only() -> None:
    forehead, temple, cheek, chin = (0.5, 0.12), (0.95, 0.38), (0.35, 0.6), (0.5, 0.9)
    assert hair(-1.2, forehead).min() > 0.9
    assert hair(-1.2, temple).min() > 0.9
    assert hair(-1.2, cheek).max() == 0  # a shadow or a beard
    assert hair(-1.2, chin).max() == 0
    assert hair(0, forehead).max() == 0  # skin
