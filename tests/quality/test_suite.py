"""A suite: pairs are measured once, failures are told, references stand beside."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lendface.errors import BadMeasurementsError, CancelledError, OutputFolderMissingError
from lendface.pipeline.parts import Parts, Watch
from lendface.quality.case import Judge
from lendface.quality.measure import Options
from lendface.quality.pairlist import Wanted
from lendface.quality.references import REFERENCE_NAMES
from lendface.quality.suite import Run, compare_runs, read_suite, run_suite
from material import Material

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(parts: Parts) -> Run:
    return Run(Judge.of(parts), Options(stride=4, shots=1))


@pytest.fixture(scope="module")
def pairs(material: Material) -> list[Wanted]:
    """A swap that the product makes, and a tool that did nothing."""
    return [
        Wanted("made", (material.photo,), material.film),
        Wanted("untouched", (material.photo,), material.film, material.film),
    ]


@pytest.fixture(scope="module")
def done(run: Run, pairs: list[Wanted], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite") / "today"
    gone = Wanted("gone", (pairs[0].sources[0],), folder / "gone.mp4")
    suite = run_suite([gone, *pairs], folder, run)
    assert [pair.name for pair in suite.pairs] == ["made", "untouched"]
    assert [(failure.name, failure.code) for failure in suite.failures] == [
        ("gone", "file_missing")
    ]
    return folder


def test_everything_is_written_down(done: Path) -> None:
    assert sorted(path.name for path in done.iterdir()) == [
        "faces_1.jpg", "made", "suite.json", "table.md", "untouched",
    ]  # fmt: skip
    assert sorted(path.name for path in (done / "made").iterdir()) == [
        "faces.jpg", "measured.json", "plot.png", "swapped.mp4",
    ]  # fmt: skip
    table = (done / "table.md").read_text()
    assert "| **hard paste** |" in table
    assert "gone.mp4: there is no such file [file_missing]" in table
    assert set(read_suite(done)["rows"]) == {"output", *REFERENCE_NAMES}


def test_a_swap_is_told_from_an_untouched_film(done: Path) -> None:
    made, untouched = (pair["figures"] for pair in read_suite(done)["pairs"])
    assert (made["nearer_to_source"], untouched["nearer_to_source"]) == (1, 0)
    assert made["transfer"] > 0.2 > untouched["transfer"]
    assert untouched["background_psnr"] > made["background_psnr"]


def test_what_was_measured_is_not_measured_again(done: Path, run: Run, pairs: list[Wanted]) -> None:
    def refuse() -> bool:
        raise AssertionError("a frame was read")

    reading_nothing = replace(run, watch=Watch(is_cancelled=refuse))
    before = (done / "suite.json").read_text()
    suite = run_suite(pairs, done, reading_nothing)
    assert len(suite.pairs) == 2
    assert json.loads(before)["rows"] == read_suite(done)["rows"]


def test_another_stride_is_measured_anew(done: Path, run: Run, pairs: list[Wanted]) -> None:
    stopped = replace(run, options=Options(stride=9), watch=Watch(is_cancelled=lambda: True))
    with pytest.raises(CancelledError):
        run_suite(pairs, done, stopped)


def test_a_second_run_tells_what_changed_and_borrows_the_references(
    done: Path, run: Run, pairs: list[Wanted], tmp_path: Path
) -> None:
    made, untouched = pairs
    swapped = done / "made" / "swapped.mp4"
    later = [made, replace(untouched, output=swapped)]  # now somebody did something
    stages: list[str] = []
    watched = replace(run, watch=Watch(lambda progress: stages.append(progress.stage)))
    suite = run_suite(later, tmp_path / "later", watched, before=done)
    assert all(set(pair.references) == set(REFERENCE_NAMES) for pair in suite.pairs)
    assert stages.count("scan") == stages.count("render")  # one scan for both pairs
    assert stages.count("measure") == 2 * stages.count("scan")  # outputs only
    changes = compare_runs(done, tmp_path / "later")
    assert suite.changes == changes
    assert changes["to_source"].difference.value > 0
    assert "## Before and after" in (tmp_path / "later" / "table.md").read_text()


def test_a_run_in_which_nothing_can_be_measured_is_an_error(
    run: Run, material: Material, tmp_path: Path
) -> None:
    wanted = [Wanted("nobody", (material.photo,), material.landscape_film)]
    with pytest.raises(BadMeasurementsError, match="no usable face"):
        run_suite(wanted, tmp_path / "out", run)
    with pytest.raises(OutputFolderMissingError):
        run_suite(wanted, tmp_path / "gone" / "out", run)


def test_a_file_that_is_no_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text("[1]")
    with pytest.raises(BadMeasurementsError):
        compare_runs(tmp_path, tmp_path)


def test_a_target_of_an_ending_that_is_not_written_is_swapped_all_the_same(
    run: Run, material: Material, tmp_path: Path
) -> None:
    film = tmp_path / "film.avi"
    film.write_bytes(material.film.read_bytes())
    quick = replace(run, options=Options(stride=9, shots=0), with_references=False)
    run_suite([Wanted("old", (material.photo,), film)], tmp_path / "out", quick)
    assert (tmp_path / "out" / "old" / "swapped.mp4").is_file()
