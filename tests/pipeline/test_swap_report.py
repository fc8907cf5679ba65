"""The report of a swap: what it counts, and which seconds it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lendface import Pair, SwapRequest, swap_files
from lendface.errors import OutputError, OutputExistsError, OutputFolderMissingError
from lendface.media import EncodeOptions, read_image
from lendface.pipeline.parts import Parts
from lendface.pipeline.report_page import page
from lendface.pipeline.swap_report import (
    WORST_SECONDS,
    PersonStory,
    Seen,
    bars_of,
    check_report,
    describe_story,
    reasons,
    seconds_of,
    write_report,
)
from lendface.pipeline.swaps import PersonReport
from material import COUNT, Material

BOX = np.float32([10, 10, 110, 130])
CALM = Seen(0, 0.0, 1.0, 120.0, 5.0, 0.98, False, BOX)


def film_of(strengths: list[float]) -> list[Seen]:
    """A face at 10 frames a second."""
    return [
        replace(CALM, index=k, time_s=k / 10, strength=strength)
        for k, strength in enumerate(strengths)
    ]


def story_of(strengths: list[float]) -> PersonStory:
    seen = film_of(strengths)
    full, none = strengths.count(1.0), strengths.count(0.0)
    counts = PersonReport(1, full, len(strengths) - full - none, none)
    return PersonStory(counts, seconds_of(seen), bars_of(seen, len(strengths)))


def test_the_least_swapped_seconds_come_first_with_their_worst_frame() -> None:
    story = story_of([1.0] * 10 + [1.0] * 9 + [0.5] + [0.0] * 10)
    assert [second.start_s for second in story.worst] == [2, 1, 0]
    assert [second.strength for second in story.worst] == [0.0, 0.95, 1.0]
    assert story.worst[1].worst.index == 19
    assert story.shares == {"swapped": 19 / 30, "faded": 1 / 30, "left": 10 / 30}


def test_a_beard_that_stays_is_told_where_the_face_is_swapped() -> None:
    assert reasons(replace(CALM, beard_left=1.0)) == ["the beard beyond the face stays"]
    assert reasons(replace(CALM, beard_left=0.2)) == []
    assert reasons(replace(CALM, beard_left=1.0, strength=0.0, score=0.1)) == [
        "hardly to be seen as a face"
    ]


def test_of_seconds_that_went_well_the_hardest_is_shown_first() -> None:
    seen = [*film_of([1.0] * 20), replace(CALM, index=20, time_s=2.0, turn_deg=50.0)]
    story = PersonStory(PersonReport(1, 21, 0, 0), seconds_of(seen), ())
    assert story.worst[0].start_s == 2


def test_a_long_film_shows_only_some_seconds() -> None:
    story = story_of([0.5] * 200)
    assert len(story.worst) == WORST_SECONDS
    assert len(describe_story(story)["worst_seconds"]) == WORST_SECONDS


def test_each_reason_is_told() -> None:
    assert reasons(replace(CALM, strength=0.4, height_px=25)) == ["25 px high"]
    assert reasons(replace(CALM, strength=0, score=0.3)) == ["hardly to be seen as a face"]
    assert reasons(replace(CALM, strength=0.4)) == ["beside such frames, to which it fades"]
    assert reasons(CALM) == []
    assert reasons(replace(CALM, has_hands=True)) == ["a hand near it"]


def test_a_bar_shows_its_least_frame_and_frames_without_the_face_none() -> None:
    seen = [replace(CALM, index=k, strength=s) for k, s in ((0, 1.0), (1, 0.2), (3, 0.7))]
    assert bars_of(seen, 5) == (1.0, 0.2, None, 0.7, None)
    assert len(bars_of(seen, 100_000)) < 1000


def test_names_cannot_break_the_page() -> None:
    facts = {
        "target": "<script>.mp4", "sources": ["a&b.jpg"], "output": '"o".mp4', "frames": 1,
        "seconds": 0.0, "cast_size": 1, "warnings": ["<b>"],
        "people": [describe_story(story_of([1.0]))],
    }  # fmt: skip
    html = page(facts, {})
    assert "<script>" not in html
    assert "<b>0" in html  # ours
    assert "&lt;b&gt;" in html
    assert "a&amp;b.jpg" in html


def test_a_place_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "index.html").touch()
    (tmp_path / "page.html").touch()
    (tmp_path / "file").touch()
    for name, error in (
        ("full", OutputExistsError),
        ("page.html", OutputExistsError),
        ("file", OutputError),
        ("gone/page.html", OutputFolderMissingError),
        ("gone/folder", OutputFolderMissingError),
    ):
        with pytest.raises(error):
            check_report(tmp_path / name, may_overwrite=False)
    for name in ("full", "page.html", "new", "new.html"):
        check_report(tmp_path / name, may_overwrite=True)


def test_a_swap_is_told_with_its_faces_before_and_after(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    smaller = EncodeOptions(max_long_side=160, max_fps=12.5)
    request = SwapRequest(
        (Pair((material.photo,)),), material.film, tmp_path / "out.mp4", encode=smaller
    )
    report = swap_files(request, parts)
    write_report(tmp_path / "report", request, report, parts.scanner.topology)
    facts = json.loads((tmp_path / "report" / "report.json").read_text())
    (person,) = facts["people"]
    assert (facts["target"], facts["sources"]) == ("film.mp4", ["p003.png"])
    assert person["shares"] == {"swapped": 1.0, "faded": 0.0, "left": 0.0}
    assert person["strength_over_time"] == [1.0] * COUNT
    (second,) = person["worst_seconds"]
    html = (tmp_path / "report" / "index.html").read_text()
    shown = [name for name in second["pictures"] if (tmp_path / "report" / name).exists()]
    assert shown
    assert all(f'src="{name}"' in html for name in shown)
    write_report(tmp_path / "page.html", request, report, parts.scanner.topology)
    assert (tmp_path / "page.html").read_text().count("data:image/jpeg;base64,") == len(shown)


def test_the_output_is_shown_at_the_same_place_where_it_is_smaller(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    request = SwapRequest(
        (Pair((material.photo,)),),
        material.film,
        tmp_path / "out.mp4",
        encode=EncodeOptions(max_long_side=160),
    )
    report = swap_files(request, parts)
    write_report(tmp_path / "report", request, report, parts.scanner.topology)
    facts = json.loads((tmp_path / "report" / "report.json").read_text())
    names = facts["people"][0]["worst_seconds"][0]["pictures"]
    before, after = (read_image(tmp_path / "report" / name)[0].pixels for name in names)
    assert before.shape == after.shape
    assert cv2.absdiff(before[:15], after[:15]).mean() < 12  # above the face
    assert cv2.absdiff(before, after)[60:140, 60:140].mean() > 12  # in it
