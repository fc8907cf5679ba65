"""Plots: a line is where its values are."""

from __future__ import annotations

import numpy as np

from lendface.quality.plots import (
    FINER,
    FOOT_PX,
    GOOD,
    HEAD_PX,
    LEFT_PX,
    LINES,
    RIGHT_PX,
    STRIP_PX,
    TOP_PX,
    WIDTH_PX,
    Line,
    Strip,
    plot,
    unbroken,
    value_range,
)

HALF = (WIDTH_PX - RIGHT_PX - LEFT_PX) // 2


def coloured(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Pixels that are nearly of a colour."""
    return (np.abs(picture.astype(int) - colour) < 40).all(-1)


def test_a_picture_has_a_strip_for_each_figure() -> None:
    strip = Strip("one", (Line("face 1", [0, 1], [0, 1]),))
    assert plot("t", [strip]).shape == (HEAD_PX + STRIP_PX + FOOT_PX, WIDTH_PX, 3)
    assert plot("t", [strip] * 3).shape == (HEAD_PX + 3 * STRIP_PX + FOOT_PX, WIDTH_PX, 3)


def test_a_line_rises_where_its_values_do() -> None:
    strip = Strip("one", (Line("face 1", [0, 1, 2], [0.0, 0.0, 1.0]),))
    blue = coloured(plot("t", [strip]), LINES[0])
    left, right = (np.flatnonzero(blue[:, x]).mean() for x in (LEFT_PX + 100, WIDTH_PX - 40))
    assert right < left - 20


def test_faces_that_were_not_seen_leave_a_gap() -> None:
    assert unbroken([0, 1, 2, 3, 12, 13]) == [slice(0, 4), slice(4, 6)]
    line = Line("face 1", [0, 1, 2, 3, 17, 18, 19, 20], [0.5] * 8)
    blue = coloured(plot("t", [Strip("one", (line,))]), LINES[0])[HEAD_PX + TOP_PX :]
    assert blue[:, LEFT_PX + 30].any()
    assert not blue[:, LEFT_PX + HALF].any()


def test_what_is_aimed_at_is_shown_behind_the_line() -> None:
    line = Line("face 1", [0, 1], [0.2, 0.2])
    picture = plot("t", [Strip("one", (line,), bound=(0.9, None))])
    column = (picture[:, LEFT_PX + HALF + 10] == GOOD).all(-1)
    assert column[HEAD_PX + TOP_PX + 2]
    assert column.sum() < STRIP_PX // 3
    low, high = value_range(Strip("one", (line,), bound=(0.9, None)))
    assert low < 0.2 < 0.9 < high


def test_a_film_without_faces_still_gives_a_picture() -> None:
    picture = plot("t", [Strip("one", ())])
    assert picture.shape[1] == WIDTH_PX
    assert picture.min() < 150


def test_one_frame_is_a_dot() -> None:
    picture = plot("t", [Strip("one", (Line("face 1", [3.0], [0.5]),))])
    assert coloured(picture, LINES[0]).sum() >= 2 * FINER


def test_each_face_has_its_colour() -> None:
    lines = (Line("face 1", [0, 1], [0.1, 0.1]), Line("face 2", [0, 1], [0.9, 0.9]))
    picture = plot("t", [Strip("one", lines)])
    upper, lower = (np.flatnonzero(coloured(picture, c).any(1)) for c in (LINES[1], LINES[0]))
    assert coloured(picture, LINES[0])[HEAD_PX + 60 :].any()
    assert upper.size
    assert lower.size
