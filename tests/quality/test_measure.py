"""Whole measurements of small films of two synthetic people, whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import pytest

from lendface.engine.mesh.topology import Topology
from lendface.engine.picture import ArrayPicture
from lendface.engine.plan import SwapPlan
from lendface.engine.types import Box, Frame, Pixels, SourceFace
from lendface.errors import BadOptionError
from lendface.pipeline.parts import Parts
from lendface.pipeline.targets import Target
from lendface.quality.case import Case, Judge, open_case, pair_of
from lendface.quality.gallery import Somebody, read_gallery
from lendface.quality.measure import Options, measure, measure_files
from lendface.quality.references import ReferenceName, reference_frames
from lendface.quality.types import Measured
from people import beside, read_person, swaying, write_film, write_photo

LEFT, RIGHT, SOURCE = "P003", "P005", "P010"
FRAMES = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("measure")


@pytest.fixture(scope="module")
def film(folder: Path) -> Path:
    """Two people side by side, about 90 px from hair line to chin."""
    halves = [swaying(read_person(who, side_px=240), FRAMES) for who in (LEFT, RIGHT)]
    return write_film(folder / "film.mp4", beside(*halves))


@pytest.fixture(scope="module")
def source(folder: Path) -> Path:
    return write_photo(folder / f"{SOURCE}.png", read_person(SOURCE))


@pytest.fixture(scope="module")
def judge(parts: Parts) -> Judge:
    return Judge.of(parts)


@pytest.fixture(scope="module")
def people(folder: Path, parts: Parts, source: Path) -> dict[str, Somebody]:
    portraits = folder / "portraits"
    portraits.mkdir()
    for who in (LEFT, RIGHT, SOURCE):
        write_photo(portraits / f"{who}.png", read_person(who))
    write_photo(portraits / f"{LEFT}_alt.png", read_person(LEFT, "amateur_selfie"))
    (portraits / "notes.txt").write_text("not a picture", encoding="utf-8")
    return read_gallery(portraits, parts)


@pytest.fixture(scope="module")
def case(film: Path, source: Path, judge: Judge, people: Mapping[str, Somebody]) -> Case:
    """The first of the cast was to get the source."""
    return open_case(film, [pair_of([source], [1])], judge, people=people)


@pytest.fixture(scope="module")
def pasted(case: Case, judge: Judge, topology: Topology) -> Measured:
    return measure(case, reference(case, "hard_paste", topology), judge)


def reference(
    case: Case, name: ReferenceName, topology: Topology, plan: SwapPlan | None = None
) -> Target:
    @contextmanager
    def opened() -> Iterator[Iterator[Frame]]:
        with case.target.open() as frames:
            tracks = case.scan.tracks
            yield reference_frames(name, frames, tracks, plan or case.plan, topology)

    return Target(name, opened, FRAMES)


def pixels_of(target: Target) -> list[Pixels]:
    with target.open() as frames:
        return [
            np.rint(f.picture.region(Box(0, 0, *f.picture.size_wh))).astype(np.uint8)
            for f in frames
        ]


def in_memory(pixels: Sequence[Pixels], case: Case) -> Target:
    @contextmanager
    def opened() -> Iterator[Iterator[Frame]]:
        with case.target.open() as frames:
            yield (
                replace(frame, picture=ArrayPicture(own))
                for frame, own in zip(frames, pixels, strict=True)
            )

    return Target("in memory", opened, len(pixels))


def average(measured: Measured, name: str) -> float:
    return mean(sample.figures[name] for sample in measured.samples)


def test_an_untouched_film_is_its_target_in_every_figure(case: Case, judge: Judge) -> None:
    found = measure(case, case.target, judge)
    assert len(found.samples) == FRAMES
    for name in ("nearer_to_source", "retrieval", "transfer", "changed", "gaze_error"):
        assert average(found, name) == 0, name
    for name in ("to_target", "edge_visibility", "sharpness", "grain", "found"):
        assert average(found, name) == pytest.approx(1), name
    assert found.film["background_psnr"] == 100
    assert found.film["wrong_frames"] == 0


def test_a_hard_paste_shows_the_source_and_its_tone(pasted: Measured) -> None:
    assert average(pasted, "nearer_to_source") == 1
    assert average(pasted, "retrieval") == 1
    assert average(pasted, "changed") == 1
    assert average(pasted, "transfer") > 0.5
    assert average(pasted, "tone_step") > 2
    assert pasted.film["background_psnr"] == 100
    assert pasted.film["wrong_frames"] == 0
    assert pasted.source == f"{SOURCE}.png"


def test_a_person_who_was_to_stay_and_did_not_is_a_wrong_identity(
    case: Case, judge: Judge, topology: Topology, sources: Mapping[str, SourceFace]
) -> None:
    other = reference(case, "hard_paste", topology, SwapPlan({2: sources[SOURCE]}))
    found = measure(case, other, judge)
    assert found.film["wrong_frames"] == FRAMES
    assert average(found, "changed") == 0


def test_a_person_who_got_anothers_source_is_a_wrong_identity(
    film: Path, folder: Path, source: Path, judge: Judge, topology: Topology
) -> None:
    second = write_photo(folder / "second.png", read_person("P001"))
    both = open_case(film, [pair_of([source], [1]), pair_of([second], [2])], judge)
    right = reference(both, "hard_paste", topology)
    crossed = SwapPlan(dict(zip((2, 1), both.plan.source_by_track.values(), strict=True)))
    wrong = reference(both, "hard_paste", topology, crossed)
    stride = Options(stride=4)
    assert measure(both, right, judge, stride).film["wrong_frames"] == 0
    assert measure(both, wrong, judge, stride).film["wrong_frames"] == FRAMES / 4


def test_a_tracker_that_mixes_two_people_up_does_not_hide_it(
    case: Case, judge: Judge, topology: Topology
) -> None:
    """The swap follows the wrong tracks of the last four frames, and so does the measurement."""
    tracks = case.scan.tracks
    crossed = {
        frame: [replace(place, track_id=3 - place.track_id) for place in places]
        for frame, places in tracks.places.items()
        if frame >= FRAMES - 4
    }
    mixed = replace(tracks, places={**tracks.places, **crossed})
    wrong = replace(case, scan=replace(case.scan, tracks=mixed), readings={})
    found = measure(wrong, reference(wrong, "hard_paste", topology), judge)
    assert found.film["wrong_frames"] == 4


def test_a_stride_looks_at_fewer_frames_and_says_so(
    case: Case, judge: Judge, topology: Topology, pasted: Measured
) -> None:
    few = measure(case, reference(case, "hard_paste", topology), judge, Options(stride=4))
    assert [sample.index for sample in few.samples] == [0, 4, 8]
    by_index = {sample.index: sample.figures for sample in pasted.samples}
    for sample in few.samples[1:]:
        assert sample.figures["flicker"] == pytest.approx(by_index[sample.index]["flicker"])
        assert sample.figures["transfer"] == pytest.approx(by_index[sample.index]["transfer"])
    assert "jaw_lag" not in few.film
    assert any("one frame in 4" in note for note in few.notes)


def test_the_targets_faces_are_read_once_for_all_outputs(case: Case, pasted: Measured) -> None:
    assert {key for key in case.readings if key[1] == 1} == {(k, 1) for k in range(FRAMES)}


def test_shots_are_even_and_the_worst_of_each_kind(pasted: Measured) -> None:
    even = [shot.index for shot in pasted.pictures if not shot.why]
    assert even == [0, 4, 7, 11]
    worst = next(shot for shot in pasted.pictures if shot.why == "identity transfer")
    assert worst.figures["transfer"] == min(s.figures["transfer"] for s in pasted.samples)
    assert worst.target.shape == worst.output.shape == (256, 256, 3)
    assert not np.array_equal(worst.target, worst.output)


def test_a_smaller_output_is_judged_in_the_targets_size(
    case: Case, judge: Judge, topology: Topology
) -> None:
    pasted = pixels_of(reference(case, "hard_paste", topology))
    small = [cv2.resize(p, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA) for p in pasted]
    found = measure(case, in_memory(small, case), judge, Options(stride=6))
    assert average(found, "nearer_to_source") == 1
    assert average(found, "landmark_error") < 0.1


def test_drawn_masks_say_what_covers_a_face(case: Case, judge: Judge, topology: Topology) -> None:
    face = next(f for f in case.scan.tracks.faces_at(0) if f.track_id == 1)
    x, y = face.landmarks_xyz[1, :2]
    square = np.float32([[x - 12, y - 12], [x + 12, y - 12], [x + 12, y + 12], [x - 12, y + 12]])
    options = Options(stride=6, drawn={("film", 0): (square,), ("other clip", 6): (square,)})
    found = measure(case, reference(case, "hard_paste", topology), judge, options)
    shares = {s.index: s.figures.get("hand_change") for s in found.samples}
    assert shares[6] is None
    assert shares[0] is not None
    assert shares[0] > 0.5


def test_files_alone_tell_who_was_swapped_and_what_was_dropped(
    film: Path,
    folder: Path,
    source: Path,
    case: Case,
    judge: Judge,
    topology: Topology,
    sources: Mapping[str, SourceFace],
) -> None:
    plan = SwapPlan({2: sources[SOURCE]})
    frames = pixels_of(reference(case, "hard_paste", topology, plan))
    kept = [k for k in range(FRAMES) if k != 5]
    output = write_film(
        folder / "output.mp4", [frames[k] for k in kept], pts=[512 * k for k in kept]
    )
    found = measure_files(film, output, [source], judge, options=Options(stride=3))
    assert {sample.track_id for sample in found.samples} == {2}
    assert average(found, "nearer_to_source") == 1
    assert found.film["dropped_frames"] == 1
    assert found.film["duplicated_frames"] == 0
    assert found.film["wrong_frames"] == 0


def test_nobody_swapped_means_the_most_present_person(
    film: Path, source: Path, judge: Judge
) -> None:
    found = measure_files(film, film, [source], judge, options=Options(stride=6))
    assert {sample.track_id for sample in found.samples} == {1}
    assert average(found, "changed") == 0


def test_a_gallery_knows_a_second_photo_and_passes_over_other_files(
    people: Mapping[str, Somebody],
) -> None:
    assert set(people) == {LEFT, RIGHT, SOURCE}
    assert len(people[LEFT].digests) == 2


def test_a_stride_of_nothing_is_refused() -> None:
    with pytest.raises(BadOptionError):
        Options(stride=0)
