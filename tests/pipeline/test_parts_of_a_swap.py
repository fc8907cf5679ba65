"""What the pipeline decides: who is hard, who was swapped, whom a result looks like."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lendface.engine.rows import MemoryLog
from lendface.engine.tracks import Place, Tracks
from lendface.engine.types import Box, Track
from lendface.errors import NoSuchPersonError, UnreadableMediaError
from lendface.media import EncodeOptions, open_video
from lendface.pipeline.likeness import measure_likeness
from lendface.pipeline.parts import Parts, Watch
from lendface.pipeline.scans import Scan, describe_person, hardness, scan_target
from lendface.pipeline.swaps import (
    Pair,
    SwapReport,
    SwapRequest,
    get_person,
    hard_warning,
    report_person,
    swap_files,
)
from lendface.pipeline.targets import ImageTarget, Trim, VideoTarget, open_target
from material import COUNT, SMALL, Material

WHOLE = Box(0, 0, SMALL, SMALL)
PERSON = Track(
    id=1,
    embedding=np.eye(128, dtype=np.float32)[0],
    shape=np.zeros((468, 3), np.float32),
    face_count=10,
    size_px=120.0,
    largest_px=130.0,
    turned_share=0.0,
    usable_share=1.0,
    spans=((0, 4), (6, 10)),
    best_index=2,
)


def test_how_hard_a_person_is_is_one_word() -> None:
    assert hardness(PERSON) == "easy"
    assert hardness(replace(PERSON, size_px=60)) == "fair"
    assert hardness(replace(PERSON, turned_share=0.2)) == "fair"
    assert hardness(replace(PERSON, usable_share=0.4)) == "hard"
    assert hardness(replace(PERSON, usable_share=0.0)) == "unusable"
    assert hardness(replace(PERSON, usable_share=0.0, size_px=20)) == "too small"


def test_spans_are_told_from_the_first_to_the_last_frame() -> None:
    times = [Fraction(k * k, 100) for k in range(10)]  # an uneven clock
    scan = Scan(Tracks((PERSON,), 10, {}, MemoryLog()), times)
    assert scan.spans_s(PERSON) == [(0, 0.09), (0.36, 0.81)]


def test_frames_are_counted_by_how_much_of_the_swap_they_got() -> None:
    strengths = [1, 1, 1, 0.5, 0.2, 0]
    places = {
        k: (Place(k, 1, 0, 0, 0, s), Place(k, 2, 0, 0, 0, 1)) for k, s in enumerate(strengths)
    }
    told = report_person(Tracks((PERSON,), 6, places, MemoryLog()), 1)
    assert (told.face, told.swapped, told.faded, told.left) == (1, 3, 2, 1)


def test_a_number_beyond_the_cast_says_how_many_there_are() -> None:
    tracks = Tracks((PERSON, replace(PERSON, id=2)), 10, {}, MemoryLog())
    assert get_person(tracks, 2).id == 2
    with pytest.raises(NoSuchPersonError, match="there is no face 3; the target has faces 1 to 2"):
        get_person(tracks, 3)


def test_whoever_cannot_be_swapped_anywhere_is_named(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    request = SwapRequest((Pair((material.photo,)),), material.film, tmp_path / "out.mp4")
    report = swap_files(request, parts)
    assert hard_warning(report.scan, report.plan) is None
    lost = replace(report.scan.people[0], usable_share=0.0)
    tracks = replace(report.scan.tracks, people=(lost,))
    text = hard_warning(replace(report.scan, tracks=tracks), report.plan)
    assert text is not None
    assert text.startswith("face 1 is too small or too turned in every frame")


def test_a_target_is_what_the_file_is(material: Material) -> None:
    film = open_target(material.film, Trim())
    assert isinstance(film, VideoTarget)
    assert (film.frame_count, film.as_target().name) == (COUNT, "film.mp4")
    half = VideoTarget(film.info, Trim(None, Fraction(1, 5)))
    assert half.frame_count == 5
    still = open_target(material.photo, Trim())
    assert isinstance(still, ImageTarget)
    assert still.as_target().frame_count == 1


def test_a_target_can_be_read_any_number_of_times(material: Material) -> None:
    target = open_target(material.film, Trim()).as_target()
    for _ in range(3):
        with target.open() as frames:
            assert [frame.index for frame in frames] == list(range(COUNT))
    with target.open() as frames:  # and be left in the middle
        assert next(frames).index == 0


def test_the_cast_says_where_a_person_is_shown_best(material: Material, parts: Parts) -> None:
    scan = scan_target(open_target(material.film, Trim()).as_target(), parts)
    (person,) = scan.people
    told = describe_person(scan, person)
    assert told["best_time_s"] == pytest.approx(float(scan.times[told["best_frame"]]), abs=1e-3)
    x0, y0, x1, y1 = told["best_box_xyxy"]
    assert 0 < x0 < x1 < 240
    assert y1 - y0 == pytest.approx(told["face_height_px"], rel=0.1)
    assert (told["hardness"], told["usable_share"]) == ("easy", 1)


@pytest.fixture(scope="module")
def swapped(
    material: Material, parts: Parts, tmp_path_factory: pytest.TempPathFactory
) -> SwapReport:
    output = tmp_path_factory.mktemp("swapped") / "out.mp4"
    return swap_files(SwapRequest((Pair((material.photo,)),), material.film, output), parts)


def test_a_result_looks_more_like_the_source(swapped: SwapReport, parts: Parts) -> None:
    (likeness,) = measure_likeness(swapped, parts)
    assert (likeness.face, len(likeness.to_source), len(likeness.to_target)) == (1, COUNT, COUNT)
    assert likeness.nearer_to_source == 1.0
    assert min(likeness.to_source) > 0.3
    assert len(measure_likeness(swapped, parts, every=4)[0].to_source) == 3


def test_the_target_itself_looks_like_itself(
    swapped: SwapReport, parts: Parts, material: Material
) -> None:
    """The measure does not flatter: without a swap it says so."""
    (likeness,) = measure_likeness(replace(swapped, output=material.film), parts)
    assert likeness.nearer_to_source == 0.0
    assert min(likeness.to_target) > 0.8


def test_a_swap_gives_the_same_pixels_every_time(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    """Read back without loss: x264 itself does not give the same bytes twice."""
    results = []
    for name in ("one.mp4", "other.mp4"):
        request = SwapRequest(
            (Pair((material.photo,)),),
            material.film,
            tmp_path / name,
            encode=EncodeOptions(is_lossless=True, preset="ultrafast"),
        )
        swap_files(request, parts)
        with open_video(tmp_path / name) as reader:
            results.append([frame.picture.region(WHOLE) for frame in reader.frames()])
    np.testing.assert_array_equal(results[0], results[1])


def test_a_trimmed_swap_is_that_part_of_the_scan(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    request = SwapRequest(
        (Pair((material.photo,)),),
        material.film,
        tmp_path / "out.mp4",
        Trim(Fraction(1, 10), Fraction(3, 10)),
        EncodeOptions(preset="ultrafast"),
    )
    report = swap_files(request, parts)
    assert report.frames == 5
    assert [float(time) for time in report.scan.times] == pytest.approx(
        [(512 * k + 90 * (k % 3)) / 12_800 for k in (3, 4, 5, 6, 7)]
    )


def test_a_file_that_changes_between_the_passes_is_an_error_and_leaves_nothing(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(material.film.read_bytes())
    request = SwapRequest((Pair((material.photo,)),), target, tmp_path / "out.mp4")

    def spoil(stage: str, done: int) -> None:
        if (stage, done) == ("scan", COUNT):
            target.write_bytes(b"gone" * 100)

    with pytest.raises(UnreadableMediaError):
        swap_files(request, parts, Watch(lambda progress: spoil(progress.stage, progress.done)))
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
