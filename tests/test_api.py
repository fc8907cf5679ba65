"""``from lendface import scan, swap`` on files, arrays and frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lendface
from lendface.engine.label import Label
from lendface.engine.picture import ArrayPicture
from lendface.engine.types import Pixels
from lendface.errors import (
    BadOptionError,
    CancelledError,
    NoSourceFaceError,
    NoSuchPersonError,
    NoTargetFaceError,
    ProviderUnavailableError,
    SeveralSourceFacesError,
)
from lendface.media import probe
from lendface.pipeline.parts import Parts
from material import COUNT, SMALL, Material
from people import beside, read_person, swaying

LANDSCAPE = np.random.default_rng(0).integers(90, 110, (200, 300, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def frames() -> list[Pixels]:
    return swaying(read_person("P005", side_px=SMALL), 6, reach_px=4)


def test_files_in_a_file_out(material: Material, tmp_path: Path, parts: Parts) -> None:
    output = tmp_path / "out.mp4"
    report = lendface.swap(str(material.photo), material.film, output, parts=parts)
    assert isinstance(report, lendface.SwapReport)
    assert (report.output, report.frames, report.cast_size) == (output, COUNT, 1)
    assert [(p.face, p.swapped) for p in report.people] == [(1, COUNT)]
    assert (report.provider, report.warnings) == ("cpu", ())
    assert probe(output).frame_count == COUNT


def test_an_array_in_an_array_out(parts: Parts) -> None:
    target = read_person("P005")
    before = target.copy()
    swapped = lendface.swap(read_person("P003"), target, parts=parts)
    assert isinstance(swapped, np.ndarray)
    assert (swapped.shape, swapped.dtype) == (target.shape, np.uint8)
    assert (swapped != target).any()
    np.testing.assert_array_equal(target, before)


def corner_of(pixels: Pixels, label: Label) -> Pixels:
    box = label.patch((pixels.shape[1], pixels.shape[0])).box
    return pixels[box.y0 : box.y1, box.x0 : box.x1]


@pytest.mark.parametrize(
    ("rule", "asked", "drawn"),
    [
        ("asked", None, None),
        ("asked", Label("top-left", 0.1), Label("top-left", 0.1)),
        ("always", None, Label()),
        ("always", Label("top-left", 0.02), Label("top-left", 0.06)),
    ],
)
def test_a_label_is_drawn_into_arrays_too(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, rule: str, asked: Label | None,
    drawn: Label | None,
) -> None:  # fmt: skip
    monkeypatch.setenv("LENDFACE_LABEL", "asked")
    photo, target = read_person("P003"), read_person("P005")
    plain = lendface.swap(photo, target, parts=parts)
    monkeypatch.setenv("LENDFACE_LABEL", rule)
    swapped = lendface.swap(photo, target, parts=parts, label=asked)
    assert isinstance(plain, np.ndarray)
    expected = ArrayPicture(plain)
    if drawn is not None:
        expected = expected.pasted([drawn.patch(expected.size_wh)])
        assert corner_of(expected.pixels, drawn).max() > 240 > corner_of(plain, drawn).min()
    np.testing.assert_array_equal(swapped, expected.pixels)


def test_every_frame_of_a_caller_has_the_label(parts: Parts, frames: list[Pixels]) -> None:
    photo, label = read_person("P003"), Label("top-right")
    plain = list(lendface.swap_frames(photo, frames, parts=parts))
    labelled = list(lendface.swap_frames(photo, frames, parts=parts, label=label))
    for before, after in zip(plain, labelled, strict=True):
        assert (corner_of(before, label) != corner_of(after, label)).any()


@pytest.mark.parametrize(
    "given",
    [
        {"output": "out.png"},
        {"encode": lendface.EncodeOptions(codec="av1")},
        {"trim": lendface.Trim(Fraction(1))},
        {"workers": 2},
    ],
)
def test_what_means_nothing_for_arrays_is_refused_by_its_name(given: dict[str, Any]) -> None:
    target: Any = read_person("P005")
    (name,) = given
    with pytest.raises(BadOptionError, match=f"^{name}=: only for files"):
        lendface.swap(read_person("P003"), target, **given)
    if name == "trim":
        with pytest.raises(BadOptionError, match=r"^trim=: only for files"):
            lendface.scan([target], **given)


@pytest.mark.parametrize("shape", [(40, 40), (40, 40, 4)])
def test_an_array_that_is_no_picture_is_told_as_such(parts: Parts, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadOptionError, match=r"must be an array \(H, W, 3\) of uint8"):
        lendface.swap(read_person("P003"), np.zeros(shape, np.uint8), parts=parts)
    photo: Any = np.zeros((40, 40, 3))
    with pytest.raises(BadOptionError, match=r"this one is .* of float64"):
        lendface.swap(photo, read_person("P003"), parts=parts)


def test_a_path_and_an_array_of_one_photo_give_the_same(
    material: Material, parts: Parts, frames: list[Pixels]
) -> None:
    of_path, of_array, of_list = (
        list(lendface.swap_frames(source, frames, parts=parts))
        for source in (material.photo, read_person("P003"), [read_person("P003")])
    )
    np.testing.assert_array_equal(of_path, of_array)
    np.testing.assert_array_equal(of_list, of_array)


def test_frames_may_be_a_list_or_a_function(parts: Parts, frames: list[Pixels]) -> None:
    calls = []

    def read() -> Iterator[Pixels]:
        calls.append(1)
        return iter(frames)

    of_list = list(lendface.swap_frames(read_person("P003"), frames, parts=parts))
    of_function = list(lendface.swap_frames(read_person("P003"), read, parts=parts))
    assert len(of_list) == len(frames)
    assert len(calls) == 2
    np.testing.assert_array_equal(of_list, of_function)
    assert all((new != old).any() for new, old in zip(of_list, frames, strict=True))


def test_an_iterator_is_refused_because_frames_are_read_twice(frames: list[Pixels]) -> None:
    for once in (iter(frames), (pixels for pixels in frames)):
        with pytest.raises(BadOptionError, match="read twice"):
            lendface.swap_frames(read_person("P003"), once)  # type: ignore[arg-type]
        with pytest.raises(BadOptionError, match="read twice"):
            lendface.scan(once)  # type: ignore[arg-type]


@pytest.mark.slow
def test_whoever_is_meant_is_swapped(parts: Parts, material: Material) -> None:
    left, right = (swaying(read_person(w, side_px=SMALL), 5) for w in ("P005", "P010"))
    both = beside(left, right)
    for who, changes in (
        (lendface.CastNumber(1), (False, True)),  # P010 has the larger face
        (lendface.CastNumber(2), (True, False)),
        (lendface.MostPresent(), (False, True)),
        (lendface.Everyone(), (True, True)),
        (lendface.LooksLike(material.film_person), (True, False)),
    ):
        swapped = list(lendface.swap_frames(read_person("P003"), both, who=who, parts=parts))
        for new, old in zip(swapped, both, strict=True):
            changed = new != old
            assert (changed[:, :SMALL].any(), changed[:, SMALL:].any()) == changes


def test_scan_takes_files_arrays_and_frames(
    material: Material, parts: Parts, frames: list[Pixels]
) -> None:
    of_film = lendface.scan(material.film, parts=parts)
    assert [person.face_count for person in of_film.people] == [COUNT]
    assert of_film.times[1] == Fraction(512 + 90, 12_800)
    assert len(lendface.scan(str(material.duo), parts=parts).people) == 2
    assert len(lendface.scan(read_person("P003"), parts=parts).people) == 1
    for source in (frames, lambda: iter(frames)):
        found = lendface.scan(source, parts=parts)
        assert [person.face_count for person in found.people] == [len(frames)]
    assert lendface.scan(LANDSCAPE, parts=parts).people == ()


def test_scan_takes_a_part_of_a_film(material: Material, parts: Parts) -> None:
    part = lendface.scan(material.film, parts=parts, trim=lendface.Trim(Fraction(1, 5), None))
    assert [float(time) >= 0.2 for time in part.times] == [True] * 5
    (person,) = part.people
    ((start, end),) = part.spans_s(person)
    assert (start, end) == (float(part.times[0]), float(part.times[-1]))


def test_errors_name_what_was_given(parts: Parts, frames: list[Pixels], material: Material) -> None:
    with pytest.raises(NoSourceFaceError, match="no face in the photo"):
        lendface.swap(LANDSCAPE, frames[0], parts=parts)
    with pytest.raises(SeveralSourceFacesError, match=r"2 faces in duo\.png"):
        lendface.swap(material.duo, frames[0], parts=parts)
    with pytest.raises(NoTargetFaceError, match="no usable face in the frames"):
        lendface.swap(read_person("P003"), LANDSCAPE, parts=parts)
    with pytest.raises(NoSuchPersonError, match="faces 1 to 1"):
        lendface.swap(read_person("P003"), frames[0], who=lendface.CastNumber(7), parts=parts)
    with pytest.raises(BadOptionError, match="output="):
        lendface.swap(material.photo, material.film, parts=parts)
    with pytest.raises(BadOptionError, match="save the photo first"):
        lendface.swap(read_person("P003"), material.film, "out.mp4", parts=parts)


def test_errors_of_frames_come_before_the_first_frame(parts: Parts) -> None:
    with pytest.raises(NoTargetFaceError):
        lendface.swap_frames(read_person("P003"), [LANDSCAPE] * 3, parts=parts)


def test_a_provider_that_does_not_load_is_never_replaced() -> None:
    with pytest.raises(ProviderUnavailableError, match="this machine offers"):
        lendface.build(lendface.RuntimeOptions(provider="coreml"))


def test_progress_counts_every_frame_of_both_passes(
    material: Material, parts: Parts, tmp_path: Path
) -> None:
    seen: list[lendface.Progress] = []
    watch = lendface.Watch(seen.append)
    lendface.swap(material.photo, material.film, tmp_path / "out.mp4", parts=parts, watch=watch)
    assert seen == [
        lendface.Progress(stage, done, COUNT)
        for stage in ("scan", "render")
        for done in range(1, COUNT + 1)
    ]


def test_progress_of_a_function_knows_no_total(parts: Parts, frames: list[Pixels]) -> None:
    seen: list[lendface.Progress] = []
    source = read_person("P003")
    watch = lendface.Watch(seen.append)
    list(lendface.swap_frames(source, lambda: iter(frames), parts=parts, watch=watch))
    scanned = [progress for progress in seen if progress.stage == "scan"]
    assert [(p.done, p.total) for p in scanned] == [(k, None) for k in range(1, len(frames) + 1)]


@pytest.mark.parametrize("step", [1, 4, COUNT, COUNT + 1, COUNT + 5])
def test_a_cancelled_swap_leaves_nothing(
    step: int, material: Material, parts: Parts, tmp_path: Path
) -> None:
    """In the first pass and in the second."""
    seen: list[lendface.Progress] = []
    watch = lendface.Watch(seen.append, lambda: len(seen) + 1 == step)
    with pytest.raises(CancelledError, match="nothing was written"):
        lendface.swap(material.photo, material.film, tmp_path / "out.mp4", parts=parts, watch=watch)
    assert len(seen) == step - 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["scan", "render"])
def test_an_error_in_the_callers_callback_comes_out_and_leaves_nothing(
    stage: str, material: Material, parts: Parts, tmp_path: Path
) -> None:
    def complain(progress: lendface.Progress) -> None:
        if (progress.stage, progress.done) == (stage, 3):
            raise KeyError("mine")

    watch = lendface.Watch(complain)
    with pytest.raises(KeyError, match="mine"):
        lendface.swap(material.photo, material.film, tmp_path / "out.mp4", parts=parts, watch=watch)
    assert list(tmp_path.iterdir()) == []


def test_a_cancelled_swap_of_frames_stops(parts: Parts, frames: list[Pixels]) -> None:
    watch = lendface.Watch(is_cancelled=lambda: True)
    with pytest.raises(CancelledError):
        lendface.swap_frames(read_person("P003"), frames, parts=parts, watch=watch)


def test_the_names_are_there_and_load_nothing_before_they_are_used() -> None:
    assert all(hasattr(lendface, name) for name in lendface.__all__)
    with pytest.raises(AttributeError):
        lendface.no_such_name  # noqa: B018
    heavy = "numpy cv2 av onnxruntime numba rich pydantic sqlalchemy cryptography"
    light = (
        "import sys, lendface.cli as cli; sys.argv[1:] = ['--help']\n"
        "try: cli.main()\n"
        f"finally: print(sorted(set('{heavy}'.split()) & set(sys.modules)), file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", light], capture_output=True, text=True, check=True)
    assert told.stderr.strip() == "[]"
