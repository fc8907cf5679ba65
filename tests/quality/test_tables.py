"""Tables: from samples to rows, and from two runs to what changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from lendface.errors import BadMeasurementsError
from lendface.quality.figures import FIGURES
from lendface.quality.tables import (
    Judged,
    changes,
    changes_as_json,
    changes_as_markdown,
    definitions_table,
    row_of,
    rows_of,
    suite_as_json,
    suite_as_markdown,
    suite_from_json,
)
from lendface.quality.types import FaceSample, Measured


def sample(index: int, figures: Mapping[str, float], face_px: float = 120.0) -> FaceSample:
    return FaceSample(index, index / 25, 1, 50.0, face_px, 5.0, 1.0, figures)


def measured(
    name: str, values: Sequence[float], film: Mapping[str, float] | None = None
) -> Measured:
    """One face with a gaze error in each frame."""
    samples = tuple(sample(k, {"gaze_error": value}) for k, value in enumerate(values))
    return Measured("a.jpg", "clip.mp4", name, samples, film or {}, ("no sound",))


def judged(name: str, values: Sequence[float], film: Mapping[str, float] | None = None) -> Judged:
    return Judged(name, measured("out.mp4", values, film))


def test_each_pair_weighs_the_same_in_a_row() -> None:
    row = row_of([measured("a", [0.01] * 90), measured("b", [0.03] * 10)])
    cell = row["gaze_error"]
    assert cell.value == pytest.approx(0.02)
    assert (cell.pairs, cell.faces, cell.is_met) == (2, 100, True)
    assert set(row) == {"gaze_error"}


def test_faces_too_small_to_judge_do_not_count() -> None:
    samples = (sample(0, {"gaze_error": 0.01}), sample(1, {"gaze_error": 0.9}, face_px=30))
    row = row_of([Measured("a", "b", "c", samples, {})])
    assert row["gaze_error"].value == pytest.approx(0.01)


def test_a_figure_of_the_film_is_one_value_a_pair() -> None:
    row = row_of([measured("a", [], {"jaw_lag": 0.0}), measured("b", [], {"jaw_lag": 1.0})])
    assert (row["jaw_lag"].value, row["jaw_lag"].faces) == (0.5, 2)
    assert row["jaw_lag"].is_met is False


def test_a_bound_that_is_missed_is_told() -> None:
    assert row_of([measured("a", [0.5])])["gaze_error"].is_met is False
    assert row_of([measured("a", [], {"background_psnr": 40.0})])["background_psnr"].is_met is None


def test_a_run_survives_being_written_and_read_again() -> None:
    own = Judged(
        "p on c",
        measured("out.mp4", [0.01, 0.02], {"jaw_lag": 0.0}),
        {"no_swap": measured("no swap", [0.0, 0.0])},
    )
    written = json.loads(json.dumps(suite_as_json([own], {"stride": 5})))
    (read,) = suite_from_json(written)
    assert read.measured.samples == own.measured.samples
    assert (read.measured.film, read.measured.notes) == (own.measured.film, own.measured.notes)
    assert rows_of([read]) == rows_of([own])
    assert (written["stride"], set(written["rows"])) == (5, {"output", "no_swap"})


def test_a_figure_that_was_not_measured_stays_missing() -> None:
    samples = (sample(0, {"gaze_error": 0.01}), sample(1, {"pose_error": 1.0}))
    own = Judged("p", Measured("a", "b", "c", samples, {}))
    (read,) = suite_from_json(json.loads(json.dumps(suite_as_json([own], {}))))
    assert [s.figures for s in read.measured.samples] == [s.figures for s in samples]


@pytest.mark.parametrize(
    "wrong",
    [None, [], {}, {"format": 99, "pairs": []}, {"format": 1}, {"format": 1, "pairs": [{}]}],
)
def test_a_file_that_is_no_run_is_refused(wrong: object) -> None:
    with pytest.raises(BadMeasurementsError):
        suite_from_json(wrong)


def test_a_change_is_told_over_the_faces_that_both_runs_measured() -> None:
    before = [judged("one", [0.05, 0.06, 0.07, 0.9]), judged("gone", [0.9])]
    after = [judged("one", [0.02, 0.03, 0.04]), judged("new", [0.0])]
    found = changes(before, after)
    told = found["gaze_error"]
    assert (told.pairs, told.frames, told.is_better) == (1, 3, True)
    assert told.difference.value == pytest.approx(-0.03)
    assert changes_as_json(found)["gaze_error"]["is_better"] is True
    assert "**better**" in changes_as_markdown(found)


def test_runs_without_a_common_pair_are_not_compared() -> None:
    with pytest.raises(BadMeasurementsError, match="no pair in common"):
        changes([judged("one", [0.1])], [judged("two", [0.1])])


def test_every_table_shows_the_three_references() -> None:
    names = ("no_swap", "hard_paste", "mean_colour")
    pairs = [
        Judged(f"p{k}", measured("o", [0.01]), {n: measured(n, [0.1]) for n in names})
        for k in range(2)
    ]
    text = suite_as_markdown(pairs, "two pairs")
    assert "| figure | aim | output | met | no swap | hard paste | mean colour |" in text
    by_pair = text.split("## Pair by pair")[1]
    for row in ("| p0 | 0.010 |", "| **all pairs** | 0.010 |", "| **hard paste** | **0.100** |"):
        assert row in by_pair
    assert "- no sound\n" in text


def test_a_run_without_any_face_still_gives_a_table() -> None:
    text = suite_as_markdown([Judged("p", Measured("a", "b", "c", (), {}, ("nobody",)))], "t")
    assert "nobody" in text


def test_the_docs_tell_every_figure() -> None:
    table = definitions_table()
    assert all(f"| `{name}` |" in table for name in FIGURES)
