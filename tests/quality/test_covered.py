"""Hands before a face, and whether they were painted over."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface.engine.types import Hand
from lendface.errors import BadOptionError, FileMissingError
from lendface.quality.covered import (
    before_face,
    covered_change,
    drawn_mask,
    hands_mask,
    read_drawn_masks,
)

DRAWN = Path(__file__).with_name("drawn_hands.json")
ORIGIN = np.float32([100, 50])
SHAPE = (120, 160)
SQUARE = np.float32([[120, 70], [159, 70], [159, 109], [120, 109]])  # 40 x 40 pixels of the frame
# An open hand, upright, its wrist at the bottom: five fingers of three joints above a palm.
KNUCKLES = [(x, 60) for x in (20, 35, 50, 65)]
POINTS = [(45, 110), (20, 100), (8, 90), (0, 80), (-8, 72)] + [
    (x, y - step) for x, y in KNUCKLES for step in (0, 15, 27, 37)
]


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 2, (*SHAPE, 3))
    return np.float32(np.clip(noise + np.float32([180, 140, 120]), 0, 255))


def test_a_hand_left_alone_is_unchanged(picture: np.ndarray) -> None:
    mask = drawn_mask((SQUARE,), SHAPE, ORIGIN)
    assert covered_change(picture, picture, mask) == 0


def test_the_share_that_was_painted_over_is_told(picture: np.ndarray) -> None:
    mask = drawn_mask((SQUARE,), SHAPE, ORIGIN)
    output = picture.copy()
    output[20:30, 20:60] += np.float32([30, -30, 0])  # the upper quarter of the square
    change = covered_change(picture, output, mask)
    assert change == pytest.approx(0.25, abs=0.04)


def test_a_change_just_beside_a_hand_is_none(picture: np.ndarray) -> None:
    mask = drawn_mask((SQUARE,), SHAPE, ORIGIN)
    output = np.where(mask[..., None], picture, picture - 60)
    assert covered_change(picture, np.float32(output), mask) == 0


def test_what_an_encoder_does_is_no_painting_over(picture: np.ndarray) -> None:
    mask = drawn_mask((SQUARE,), SHAPE, ORIGIN)
    done, data = cv2.imencode(".jpg", picture[..., ::-1].astype(np.uint8))
    assert done
    output = np.float32(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])
    assert covered_change(picture, output, mask) == 0


def test_hardly_any_hand_is_not_judged(picture: np.ndarray) -> None:
    mask = np.zeros(SHAPE, bool)
    mask[:6, :6] = True
    assert covered_change(picture, picture, mask) is None


def test_a_found_hand_is_its_palm_and_its_fingers() -> None:
    hand = Hand(np.float32(POINTS) + ORIGIN + np.float32([40, 0]), 0.9)
    mask = hands_mask([hand], SHAPE, ORIGIN)
    for x, y, is_hand in ((80, 80, True), (60, 40, True), (105, 30, True), (67, 40, False)):
        assert mask[y, x] == is_hand
    assert not hands_mask([], SHAPE, ORIGIN).any()


def test_only_what_lies_before_the_face_counts() -> None:
    mask = drawn_mask((SQUARE,), SHAPE, ORIGIN)
    left_half = np.float32([[0, 0], [39, 0], [39, 119], [0, 119]])
    assert before_face(mask, left_half).sum() == mask.sum() / 2


@pytest.mark.skipif(not DRAWN.exists(), reason="needs the drawn hands")
def test_drawn_masks_are_read_by_clip_and_frame() -> None:
    masks = read_drawn_masks(DRAWN)
    polygons = masks["s05_hand_over_mouth", 75]
    assert polygons[0].shape[1] == 2
    assert drawn_mask(polygons, (360, 640), np.float32([0, 0])).sum() > 2000


def test_several_entries_of_a_frame_are_one_mask(tmp_path: Path) -> None:
    entry = {"clip": "clip.mp4", "frame": 3, "polygons": [SQUARE.tolist()]}
    path = tmp_path / "masks.json"
    path.write_text(json.dumps([entry, entry]))
    assert len(read_drawn_masks(path)["clip", 3]) == 2


@pytest.mark.parametrize("text", ["no json", '[{"clip": "a"}]', "[3]", "7"])
def test_a_file_that_is_no_list_of_masks_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    path.write_text(text)
    with pytest.raises(BadOptionError):
        read_drawn_masks(path)


def test_a_polygon_needs_three_corners(tmp_path: Path) -> None:
    path = tmp_path / "masks.json"
    path.write_text(json.dumps({"clip": "a", "frame": 0, "polygons": [[[0, 0], [1, 1]]]}))
    with pytest.raises(BadOptionError):
        read_drawn_masks(path)


def test_a_file_of_masks_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError):
        read_drawn_masks(tmp_path / "none.json")
