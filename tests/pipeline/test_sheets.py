"""Contact sheets: each picture is where the eye looks for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lendface.engine.types import Pixels
from lendface.media import read_image
from lendface.pipeline.parts import Parts
from lendface.pipeline.scans import scan_target
from lendface.pipeline.sheets import (
    CAPTION_PX,
    GAP_PX,
    PAPER,
    CastEntry,
    Moment,
    cast_entry,
    cast_sheet,
    close_up,
    contact_sheet,
    fitted,
    pictures_at,
    told_spans,
    write_cast_sheet,
)
from lendface.pipeline.targets import Trim, open_target
from people import read_person, swaying, write_film

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
TILE = 100
PITCH = TILE + CAPTION_PX


def flat(colour: tuple[int, int, int], height: int = 60, width: int = 90) -> Pixels:
    return np.full((height, width, 3), colour, np.uint8)


def middle_of_tile(sheet: Pixels, column: int, row: int) -> tuple[int, ...]:
    x = GAP_PX + column * (TILE + GAP_PX) + TILE // 2
    y = GAP_PX + CAPTION_PX + row * PITCH + CAPTION_PX + TILE // 2
    return tuple(sheet[y, x].tolist())


def test_the_source_stands_at_left_and_each_moment_in_its_own_column() -> None:
    moments = [Moment("0 s", flat(GREEN), flat(BLUE)), Moment("1 s", flat(BLUE), flat(GREEN))]
    sheet = contact_sheet(flat(RED), moments, TILE)
    assert sheet.shape == (4 * PITCH + CAPTION_PX + 2 * GAP_PX, 3 * TILE + 4 * GAP_PX, 3)
    assert middle_of_tile(sheet, 0, 0) == RED
    columns = [[middle_of_tile(sheet, column, row) for row in range(4)] for column in (1, 2)]
    assert columns == [[GREEN, BLUE, GREEN, BLUE], [BLUE, GREEN, BLUE, GREEN]]


def test_the_close_ups_show_the_face_box() -> None:
    picture = flat(RED, 200, 200)
    picture[20:60, 120:160] = GREEN
    box = np.float32([130, 30, 150, 50])
    sheet = contact_sheet(flat(BLUE), [Moment("0 s", picture, picture, box)], TILE)
    assert middle_of_tile(sheet, 1, 0) == RED
    assert middle_of_tile(sheet, 1, 2) == GREEN


def test_a_close_up_at_the_edge_is_filled_with_paper() -> None:
    square = close_up(flat(GREEN, 100, 100), np.float32([-20, 0, 20, 40]))
    assert square.shape == (60, 60, 3)
    assert tuple(square[30, 40]) == GREEN
    assert tuple(square[30, 10]) == PAPER
    assert (square[:, 31:] == GREEN).all(-1).sum() == 29 * 50  # ten rows lie above the picture


def test_a_fitted_picture_keeps_its_shape() -> None:
    tile = fitted(flat(GREEN, 50, 100), TILE)
    assert tile.shape == (TILE, TILE, 3)
    assert (tile[25:75] == GREEN).all()
    assert (tile[:25] == PAPER).all()
    assert (tile[75:] == PAPER).all()


def test_long_lists_of_spans_are_cut_and_say_so() -> None:
    assert told_spans([(0.0, 1.25), (61.0, 75.5)]) == ["00:00.0 to 00:01.2", "01:01.0 to 01:15.5"]
    assert told_spans([(float(k), k + 0.5) for k in range(9)])[-1] == "and 3 more"


def test_each_person_has_a_card() -> None:
    box = np.float32([20, 20, 40, 40])
    people = [CastEntry("one", ("a",), flat(colour), box) for colour in (RED, GREEN)]
    sheet = cast_sheet(people, TILE)
    card = TILE + GAP_PX
    assert sheet.shape[0] == 2 * card + 2 * GAP_PX
    assert tuple(sheet[GAP_PX + 50, GAP_PX + 50]) == RED
    assert tuple(sheet[GAP_PX + card + 50, GAP_PX + 50]) == GREEN


def test_a_film_without_people_still_gives_a_sheet() -> None:
    sheet = cast_sheet([], TILE)
    assert sheet.min() < 100  # it says so


def test_the_cast_of_a_film_is_written_with_each_best_frame(parts: Parts, tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", swaying(read_person("P010"), 8))
    target = open_target(film, Trim()).as_target()
    found = scan_target(target, parts)
    write_cast_sheet(tmp_path / "cast.png", found, target)
    (person,) = found.people
    best = pictures_at(target, [person.best_index])[person.best_index]
    entry = cast_entry(found, person, best)
    written, _ = read_image(tmp_path / "cast.png")
    assert (written.pixels == cast_sheet([entry])).all()
    assert entry.title == "face 1: easy"
    assert entry.lines[0] == f"8 frames, {person.size_px:.0f} px high"
    assert entry.lines[-1] == "00:00.0 to 00:00.3"


def test_only_the_wanted_frames_are_kept(tmp_path: Path) -> None:
    frames = [flat(colour, 64, 64) for colour in (RED, GREEN, BLUE)]
    film = write_film(tmp_path / "film.mp4", frames, pix_fmt="rgb24")
    pictures = pictures_at(open_target(film, Trim()).as_target(), [2, 1])
    assert sorted(pictures) == [1, 2]
    assert tuple(pictures[1][32, 32]) == GREEN
    assert tuple(pictures[2][32, 32]) == BLUE
