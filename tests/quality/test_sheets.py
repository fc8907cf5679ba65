"""Contact sheets of a measurement: each face stands where the eye looks for it."""

from __future__ import annotations

import numpy as np

from lendface.engine.types import Pixels
from lendface.pipeline.sheets import CAPTION_PX, GAP_PX
from lendface.quality.sheets import PER_PAGE, caption_of, face_sheet, lines_of, pages
from lendface.quality.types import Measured, Shot

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
TILE = 100


def flat(colour: tuple[int, int, int], side: int = 60) -> Pixels:
    return np.full((side, side, 3), colour, np.uint8)


def shot(index: int, why: str = "") -> Shot:
    figures = {"transfer": 0.55, "edge_visibility": 1.04, "pose_error": 3.0}
    return Shot(index, 2, flat(GREEN), flat(BLUE), figures, why)


def sheet_of(shots: tuple[Shot, ...], source: Pixels | None = None) -> Pixels:
    measured = Measured("a.jpg", "b.mp4", "o.mp4", (), {}, (), shots)
    return face_sheet("a on b", source, measured, {3: 1.5}, TILE)


def middle_of(sheet: Pixels, column: int, row: int) -> tuple[int, ...]:
    x = GAP_PX + column * (TILE + GAP_PX) + TILE // 2
    y = GAP_PX + CAPTION_PX * 2 + row * (TILE + CAPTION_PX) + CAPTION_PX + TILE // 2
    return tuple(sheet[y, x].tolist())


def test_the_source_stands_at_left_and_the_output_below_its_target() -> None:
    sheet = sheet_of((shot(3), shot(9)), flat(RED))
    assert middle_of(sheet, 0, 0) == RED
    for column in (1, 2):
        assert (middle_of(sheet, column, 0), middle_of(sheet, column, 1)) == (GREEN, BLUE)


def test_without_a_face_there_is_still_a_sheet() -> None:
    assert sheet_of(()).min() < 100  # it says so


def test_a_face_is_told_with_its_time_and_what_it_is_the_worst_of() -> None:
    assert caption_of(shot(3), 61.5) == "01:01.5, face 2"
    assert caption_of(shot(3), None) == "frame 3, face 2"
    first, *figures = lines_of(shot(3, "edge visibility"))
    assert first == "worst: edge visibility"
    assert figures == ["identity transfer 0.550", "edge visibility 1.040"]


def test_many_sheets_fill_several_pages_in_order() -> None:
    sheets = [flat(RED, 40)] * PER_PAGE + [flat(BLUE, 40)]
    first, second = pages(sheets)
    assert first.shape == (PER_PAGE * 20, 20, 3)
    assert tuple(second[10, 10]) == BLUE
